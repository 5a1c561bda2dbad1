//! The product's state machines in a model of etcd, of the network, of disks and of time, through
//! random schedules of faults. A seed stands for a schedule; a failure is shrunk and told.
//!
//! `make simulate SEEDS=1000000` runs so many, `make simulate SEEDS=7..8` tells what seed 7 does.
#![expect(
    unreachable_pub,
    clippy::expect_used,
    reason = "a test that nobody else uses"
)]

/// Agents: the loop around health and registration.
mod agent;
/// Virtual time.
mod clock;
/// Files, daemon, crashes.
mod disk;
/// The model of etcd.
mod etcd;
/// The proxy's copy of etcd.
mod follower;
/// Calls that are late, lost or refused.
mod network;
/// What must hold.
mod promises;
/// The proxy side's loop.
mod proxy;
/// What a seed stands for.
mod schedule;
/// An agent's session with etcd.
mod session;
/// Leaving out what a failure does not need.
mod shrink;
/// All of it together.
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clock::Clock;
use schedule::Schedule;
use world::{Trace, World};

/// How many `cargo test` runs.
const SEEDS: Range<u64> = 0..4_000;

/// Seeds that a thread takes at a time.
const BLOCK: u64 = 500;

#[test]
fn the_promises_hold_through_random_faults() {
    let seeds = std::env::var("SEEDS").map_or(SEEDS, |text| parse(&text));
    let started = Instant::now();
    if let Some(seed) = first_failure(&seeds) {
        tell(seed);
        panic!(
            "seed {seed} breaks a promise; again: make simulate SEEDS={seed}..{}",
            seed + 1
        );
    }
    let took = started.elapsed().as_secs_f64();
    let count = seeds.end - seeds.start;
    if count == 1 {
        tell(seeds.start);
    }
    println!(
        "{count} schedules in {took:.1} s: {:.0} a second",
        count as f64 / took
    );
}

fn parse(text: &str) -> Range<u64> {
    let number = |text: &str| text.parse().expect("SEEDS is a number, or two as in 7..8");
    match text.split_once("..") {
        Some((start, end)) => number(start)..number(end),
        None => 0..number(text),
    }
}

/// The least seed that fails, of those that were run until one did.
fn first_failure(seeds: &Range<u64>) -> Option<u64> {
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicU64::new(u64::MAX);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let clock = Clock::new();
                while failed.load(Ordering::Relaxed) == u64::MAX {
                    let start = next.fetch_add(BLOCK, Ordering::Relaxed);
                    if start >= seeds.end {
                        return;
                    }
                    let block = start..(start + BLOCK).min(seeds.end);
                    for seed in block {
                        if broken(&Schedule::of(seed), clock).is_some() {
                            failed.fetch_min(seed, Ordering::Relaxed);
                            break;
                        }
                    }
                }
            });
        }
    });
    Some(failed.into_inner()).filter(|seed| *seed != u64::MAX)
}

/// The promise that the schedule breaks.
fn broken(schedule: &Schedule, clock: Clock) -> Option<String> {
    let run = || {
        let mut world = World::new(&schedule.setting, clock, Trace::default());
        promises::run(schedule, &mut world);
        world.shared.violation
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Some("it panics".to_owned()))
}

/// Prints what the seed's schedule does, shrunk if it fails.
fn tell(seed: u64) {
    let clock = Clock::new();
    let mut schedule = Schedule::of(seed);
    let violation = broken(&schedule, clock);
    if violation.is_some() {
        schedule = shrink::shrink(schedule, |smaller| broken(smaller, clock) == violation);
    }
    println!("seed {seed}: {:#?}", schedule.setting);
    for step in &schedule.steps {
        println!("  after {:>5} ms: {:?}", step.after, step.what);
    }
    let mut world = World::new(&schedule.setting, clock, Trace(Some(Vec::new())));
    let ran = catch_unwind(AssertUnwindSafe(|| promises::run(&schedule, &mut world)));
    for line in world.shared.trace.0.iter().flatten() {
        println!("{line}");
    }
    match (ran, violation) {
        (_, Some(violation)) => println!("seed {seed}: {violation}"),
        (_, None) => println!("seed {seed}: every promise was kept"),
    }
}
