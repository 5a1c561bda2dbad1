//! A hundred agents with a backend each, three proxies and three members of etcd, all of which fail
//! and restart at random, from a seed. `SOAK_SECONDS` and `SOAK_SEED` may say how long and which.
#![expect(
    unreachable_pub,
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop at the first surprise, and use a part of the harness"
)]

mod churn;
mod figures;
#[path = "../harness/mod.rs"]
mod harness;
mod world;

use std::time::{Duration, Instant};

use churn::Churn;
use figures::Figures;
use harness::figure;
use world::World;

/// From quiet point to quiet point.
const ROUND: Duration = Duration::from_secs(5);
/// A start, a middle and an end to compare.
const LEAST_ROUNDS: usize = 3;

fn given(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap())
}

/// Short for a user's first look, two minutes with `LONG_TESTS`.
fn lasting() -> Duration {
    let long = std::env::var_os("LONG_TESTS").is_some();
    let seconds = given("SOAK_SECONDS").unwrap_or(if long { 120 } else { 15 });
    Duration::from_secs(seconds)
}

#[test]
fn while_all_restarts_at_random_keys_follow_backends_files_follow_keys_and_nothing_grows() {
    let seed = given("SOAK_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    figure(&format!("seed {seed}, {:?}", lasting()));
    let start = Instant::now();
    let mut world = World::start();
    let mut churn = Churn::new(seed);
    let mut figures = Figures::default();
    world.wait_until_in_step();
    while start.elapsed() < lasting() || figures.rounds() < LEAST_ROUNDS {
        churn.go_on(&mut world, ROUND);
        world.repair();
        let took = world.wait_until_in_step();
        figures.add(took, world.veterans());
        println!(
            "{:4} s: {} healthy; in step after {took:.1?}",
            start.elapsed().as_secs(),
            world.healthy().len(),
        );
    }
    world.stop();
    figure(&churn.summary());
    for line in figures.table() {
        figure(&line);
    }
    let grown = figures.grown();
    assert!(grown.is_empty(), "seed {seed}: {grown:?}");
}
