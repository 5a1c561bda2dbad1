//! The product's loops in a model of etcd, of the network, of files and of time, through random
//! schedules of faults. A seed stands for a schedule; a failure is shrunk and told.
//!
//! `make simulate SEEDS=1000000` runs so many, `make simulate SEEDS=7..8` tells what seed 7 does.
#![expect(
    unreachable_pub,
    clippy::expect_used,
    reason = "a test that nobody else uses"
)]

/// Virtual time.
mod asking;
mod clock;
/// Files, daemon, crashes.
mod disk;
/// The model of etcd.
mod etcd;
/// Since when a client could have done what it is to do.
mod fair;
/// The files and the child, as the proxy side's loop sees them.
mod files;
/// Schedules that once broke a promise.
mod found;
/// What a process is given of its host.
mod host;
/// The keys that there are.
mod keys;
/// Links to the model of etcd.
mod link;
/// What the loops log.
mod log;
mod looks;
/// What everybody has to do with.
mod model;
/// Calls that are late, lost or refused.
mod network;
/// Processes that are killed and frozen.
mod process;
/// What must hold.
mod promises;
/// What a seed stands for.
mod schedule;
/// Leaving out what a failure does not need.
mod shrink;
/// What the steps of a schedule do.
mod steps;
/// How the loops keep up a link, and what they say of it.
mod stories;
/// What a process has to do with a key.
mod tenure;
/// Streams of watches.
mod watches;
/// All of it together.
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use model::Trace;
use schedule::Schedule;
use tokio::runtime::{Builder, Runtime};
use world::World;

/// How many `cargo test` runs.
const SEEDS: Range<u64> = 0..4_000;

/// Seeds that a thread takes at a time.
const BLOCK: u64 = 500;

#[test]
fn the_promises_hold_through_random_faults() {
    let seeds = std::env::var("SEEDS").map_or(SEEDS, |text| parse(&text));
    let started = Instant::now();
    let (failure, events) = first_failure(&seeds);
    if let Some(seed) = failure {
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
        "{count} schedules of {} events on average in {took:.1} s: {:.0} a second",
        events / count.max(1),
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

/// The least seed that fails, of those that were run until one did; and how much happened in all.
fn first_failure(seeds: &Range<u64>) -> (Option<u64>, u64) {
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicU64::new(u64::MAX);
    let events = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let runtime = runtime();
                while failed.load(Ordering::Relaxed) == u64::MAX {
                    let start = next.fetch_add(BLOCK, Ordering::Relaxed);
                    if start >= seeds.end {
                        return;
                    }
                    let block = start..(start + BLOCK).min(seeds.end);
                    for seed in block {
                        let (broken, count) = run(&Schedule::of(seed), &runtime);
                        events.fetch_add(count, Ordering::Relaxed);
                        if broken.is_some() {
                            failed.fetch_min(seed, Ordering::Relaxed);
                            break;
                        }
                    }
                }
            });
        }
    });
    let failed = Some(failed.into_inner()).filter(|seed| *seed != u64::MAX);
    (failed, events.into_inner())
}

/// One thread, and time that passes when there is nothing left to do.
fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    builder.build().expect("a runtime")
}

/// The promise that the schedule breaks, and how much happened.
fn run(schedule: &Schedule, runtime: &Runtime) -> (Option<String>, u64) {
    let run = || {
        runtime.block_on(async {
            let mut world = World::new(&schedule.setting, Trace::default()).await;
            promises::run(schedule, &mut world).await;
            let model = world.shared.borrow();
            (model.violation.clone(), model.events)
        })
    };
    let panicked = |_| (Some("it panics".to_owned()), 0);
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(panicked)
}

/// Prints what the seed's schedule does, shrunk if it fails.
fn tell(seed: u64) {
    let runtime = runtime();
    let mut schedule = Schedule::of(seed);
    let (violation, _) = run(&schedule, &runtime);
    if violation.is_some() {
        schedule = shrink::shrink(schedule, |smaller| run(smaller, &runtime).0 == violation);
    }
    println!("seed {seed}: {:#?}", schedule.setting);
    for step in &schedule.steps {
        println!("  after {:>5} ms: {:?}", step.after, step.what);
    }
    let logged = || {
        runtime.block_on(async {
            let trace = Trace(Some(Vec::new()));
            let mut world = World::new(&schedule.setting, trace).await;
            let shared = world.shared.clone();
            promises::run(&schedule, &mut world).await;
            for line in shared.borrow().told() {
                println!("{line}");
            }
        });
    };
    let ran = catch_unwind(AssertUnwindSafe(|| log::captured(logged)));
    match (ran, violation) {
        (_, Some(violation)) => println!("seed {seed}: {violation}"),
        (_, None) => println!("seed {seed}: every promise was kept"),
    }
}
