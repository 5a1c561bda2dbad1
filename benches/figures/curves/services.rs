//! One agent for so many services of a host, each checked every five seconds.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Line, plot, table};
use crate::changes::Changes;
use crate::harness::Etcd;
use crate::process::{cpu, percent, rss};
use crate::services::Host;

const SIZES: [u16; 5] = [1, 10, 100, 1_000, 10_000];
/// Each lease is renewed three times in it.
const MEASURED: Duration = Duration::from_secs(30);

pub fn draw() {
    let names = [
        "agent, % of a core",
        "agent, RSS in MB",
        "start → all registered, s",
        "etcd, % of a core",
        "etcd, RSS in MB",
    ];
    let mut lines: Vec<Line<'_>> = names.iter().map(|name| (*name, Vec::new())).collect();
    for count in SIZES {
        for ((_, points), y) in lines.iter_mut().zip(measure(count)) {
            points.push((f64::from(count), y));
        }
    }
    plot(
        "services",
        "One agent for so many services, a check every 5 s",
        "services",
        "% of a core, MB or s",
        &lines,
    );
    table("services", &lines);
}

/// In the order of the names.
fn measure(count: u16) -> [f64; 5] {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, usize::from(count), "");
    let (agent, took) = host.start(&Changes::of(&etcd), &[]);
    // Out of the work of the start.
    sleep(MEASURED / 3);
    let used = [cpu(agent.id()), cpu(etcd.id())];
    let begun = Instant::now();
    sleep(MEASURED);
    let shares = [agent.id(), etcd.id()].map(cpu);
    let [share, etcds] = [0, 1].map(|n| percent(shares[n] - used[n], begun.elapsed()));
    let found = [
        share,
        rss(agent.id()),
        took.as_secs_f64(),
        etcds,
        rss(etcd.id()),
    ];
    eprintln!("curves: {count} services: {found:.2?}");
    found
}
