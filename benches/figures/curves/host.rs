//! Agents on one host, beside as many of the tutorial's loops; each checks every five seconds.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Line, plot, table};
use crate::harness::{Etcd, Nginx, Running, SOON, eventually, register};
use crate::peers;
use crate::process::{Group, cpu, cpu_with_children, percent, pss, pss_of_groups};

const SIZES: [u16; 6] = [1, 10, 50, 100, 200, 300];
const MEASURED: Duration = Duration::from_secs(20);
const SAMPLE: Duration = Duration::from_millis(500);

pub fn draw() {
    let (mut cpus, mut loop_cpus) = (Vec::new(), Vec::new());
    let (mut sizes, mut loop_sizes) = (Vec::new(), Vec::new());
    for count in SIZES {
        let x = f64::from(count);
        let (cpu, size) = agents(count);
        cpus.push((x, cpu));
        sizes.push((x, size));
        let (cpu, size) = loops(count);
        loop_cpus.push((x, cpu));
        loop_sizes.push((x, size));
    }
    let lines: [Line<'_>; 2] = [("register", cpus.clone()), ("loops", loop_cpus.clone())];
    plot(
        "host-cpu",
        "CPU of agents and of loops, a check every 5 s",
        "agents, or loops",
        "% of a core",
        &lines,
    );
    let lines: [Line<'_>; 2] = [("register", sizes.clone()), ("loops", loop_sizes.clone())];
    plot(
        "host-memory",
        "Memory of agents and of loops (PSS, mean)",
        "agents, or loops",
        "MB",
        &lines,
    );
    let lines: [Line<'_>; 4] = [
        ("register, % of a core", cpus),
        ("loops, % of a core", loop_cpus),
        ("register, MB", sizes),
        ("loops, MB", loop_sizes),
    ];
    table("agents, or loops", &lines);
}

/// % of a core, and memory.
fn agents(count: u16) -> (f64, f64) {
    let etcd = Etcd::start();
    let backend = Nginx::start_with("", "");
    let agents: Vec<_> = (0..count)
        .map(|n| {
            Running::spawn(
                register()
                    .args(["--key", &format!("/services/web/{n}")])
                    .args(["--address", &backend.address()])
                    .args(["--endpoints", &etcd.url()]),
            )
        })
        .collect();
    eventually("all registered", 3 * SOON, || {
        let keys = etcd.ctl(&["get", "--prefix", "--keys-only", "/services/"]);
        match keys.lines().filter(|line| !line.is_empty()).count() {
            all if all == usize::from(count) => Ok(()),
            some => Err(some.to_string()),
        }
    });
    let used = || agents.iter().map(|agent| cpu(agent.id())).sum::<Duration>();
    let before = used();
    let begun = Instant::now();
    let mut sizes = Vec::new();
    while begun.elapsed() < MEASURED {
        sizes.push(agents.iter().map(|agent| pss(agent.id())).sum::<f64>());
        sleep(MEASURED / 4);
    }
    (percent(used() - before, begun.elapsed()), mean(&sizes))
}

fn loops(count: u16) -> (f64, f64) {
    let etcd = Etcd::start_with_v2();
    let backend = Nginx::start_with("", "");
    let body = peers::loop_body(&backend.address(), &etcd.url(), "5");
    let script = format!("sleep $1; while true; do {body} done");
    let loops: Vec<_> = (0..count)
        .map(|n| {
            // Spread over the five seconds, as the agents spread themselves.
            let start = f64::from(n) * 5.0 / f64::from(count);
            Group::spawn(
                Command::new("bash")
                    .args(["-c", &script, "loop", &start.to_string()])
                    .env("ETCDCTL_API", "2")
                    .stdin(Stdio::null())
                    .stderr(Stdio::null()),
            )
        })
        .collect();
    sleep(Duration::from_secs(6));
    let leaders: Vec<_> = loops.iter().map(Group::id).collect();
    let used = || {
        leaders
            .iter()
            .copied()
            .map(cpu_with_children)
            .sum::<Duration>()
    };
    let before = used();
    let begun = Instant::now();
    let mut sizes = Vec::new();
    while begun.elapsed() < MEASURED {
        sizes.push(pss_of_groups(&leaders));
        sleep(SAMPLE);
    }
    (percent(used() - before, begun.elapsed()), mean(&sizes))
}

fn mean(values: &[f64]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some dozens")]
    let count = values.len() as f64;
    values.iter().sum::<f64>() / count
}
