//! Faults on real parts: what is promised for each, whether it holds, and how long it took. Prints
//! the table of `docs/reliability.md`. `make test-faults` runs it.
//!
//!   cargo test --test faults [PART OF A NAME…]
#![expect(
    unreachable_pub,
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop at the first surprise, and use a part of the harness"
)]

#[path = "../harness/mod.rs"]
mod harness;

/// Logins and certificates.
mod access;
/// Faults of the host of the agent.
mod host;
/// Faults of etcd's members.
mod members;
/// Faults of the way to etcd.
mod network;
mod observer;
mod row;
mod site;

use std::collections::VecDeque;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use harness::figure;
use row::Row;

/// Each has its own cluster.
const AT_A_TIME: usize = 4;

/// What the users are promised.
const PAGE: &str = include_str!("../../docs/reliability.md");

struct Scenario {
    name: &'static str,
    run: fn() -> Row,
}

macro_rules! scenarios {
    ($($module:ident::$name:ident,)*) => {
        [$(Scenario { name: stringify!($name), run: $module::$name },)*]
    };
}

const SCENARIOS: &[Scenario] = &scenarios! {
    members::leader_killed,
    members::majority_killed,
    members::member_hung,
    members::member_cut_off_from_the_others,
    members::members_that_stutter,
    members::no_space,
    network::partition,
    network::answers_lost,
    network::requests_lost,
    network::slow_member,
    network::slow_everywhere,
    network::narrow_everywhere,
    network::first_packet_lost,
    network::reset,
    network::dead_endpoints,
    network::name_moves,
    access::token_expires,
    access::role_narrowed,
    access::certificates_replaced,
    host::clock_stepped,
    host::agent_frozen,
    host::agent_frozen_and_replaced,
};

fn main() -> ExitCode {
    let wanted: Vec<_> = std::env::args().skip(1).collect();
    let chosen = |scenario: &&Scenario| {
        wanted.is_empty() || wanted.iter().any(|part| scenario.name.contains(part))
    };
    let chosen: Vec<_> = SCENARIOS.iter().filter(chosen).collect();
    let queue = Mutex::new(chosen.iter().enumerate().collect::<VecDeque<_>>());
    let rows = Mutex::new(chosen.iter().map(|_| None).collect::<Vec<_>>());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().pop_front();
                    let Some((number, scenario)) = next else {
                        return;
                    };
                    let row = attempt(scenario);
                    rows.lock().unwrap()[number] = row;
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap();
    println!("\n{}", Row::HEAD);
    for row in rows.iter().flatten() {
        println!("{row}");
    }
    let failed = rows.iter().filter(|row| row.is_none()).count();
    println!("\n{} scenarios, {failed} failed", rows.len());
    for row in rows.iter().flatten() {
        if !PAGE.contains(&row.promise()) {
            println!("docs/reliability.md has another promise for: {}", row.fault);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::from(u8::from(failed > 0))
}

fn attempt(scenario: &Scenario) -> Option<Row> {
    let start = Instant::now();
    let row = catch_unwind(scenario.run).ok();
    let verdict = if row.is_some() { "ok" } else { "FAILED" };
    let took = start.elapsed().as_secs();
    figure(&format!("{}: {verdict}, {took} s", scenario.name));
    row
}
