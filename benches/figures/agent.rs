//! The agent, beside the tutorial's loop.

use std::fs;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use etcd_client::EventType;
use rustix::process::Signal;

use crate::changes::Changes;
use crate::harness::running::BINARY;
use crate::harness::{Etcd, Nginx, Running, SOON, register};
use crate::peers;
use crate::process::{cpu, ms, rss};
use crate::report::{Budget, REGISTER, Report};

const RUNS: usize = 21;
const ROUNDS: usize = 7;
/// Two probes for each renewal of a lease of two seconds, as with the defaults (5 s and 30 s).
const PROBES: [&str; 6] = [
    "--interval",
    "333ms",
    "--fast-interval",
    "333ms",
    "--ttl",
    "2s",
];
const ROUND: Duration = Duration::from_millis(333 * 21);
const PROBES_PER_ROUND: u32 = 21;

pub fn measure(report: &mut Report) {
    let etcd = Etcd::start_with_v2();
    let mut backend = Nginx::start();
    start_and_stop(report, &etcd, &backend);
    verdict(report, &etcd, &mut backend);
    probe(report, &etcd, &backend);
    let binary = fs::metadata(BINARY).unwrap().len();
    #[expect(clippy::cast_precision_loss, reason = "a size far below 2^52")]
    let megabytes = binary as f64 / 1e6;
    report.add(
        "binary, stripped",
        "MB",
        vec![megabytes],
        Budget::AtMost(9.0),
    );
}

fn start_and_stop(report: &mut Report, etcd: &Etcd, backend: &Nginx) {
    let changes = Changes::of(etcd);
    let (mut starts, mut stops) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let begun = Instant::now();
        let mut agent = Running::agent(etcd, backend, &[]);
        starts.push(ms(changes.next(EventType::Put) - begun));
        let begun = Instant::now();
        agent.signal(Signal::TERM);
        stops.push(ms(changes.next(EventType::Delete) - begun));
        agent.wait_for_exit(SOON);
    }
    report.add("start → key in etcd", "ms", starts, Budget::AtMost(25.0));
    report.add("SIGTERM → key gone", "ms", stops, Budget::AtMost(20.0));
}

fn verdict(report: &mut Report, etcd: &Etcd, backend: &mut Nginx) {
    let changes = Changes::of(etcd);
    let agent = Running::agent(etcd, backend, &["--log-format", "json"]);
    let mut times = Vec::new();
    for _ in 0..RUNS {
        changes.next(EventType::Put);
        backend.stop();
        let gone = changes.next(EventType::Delete);
        let since_then = gone.elapsed();
        let said = agent.events("backend_down").pop().unwrap();
        let said = humantime::parse_rfc3339(said.field("timestamp")).unwrap();
        let since_said = SystemTime::now().duration_since(said).unwrap();
        times.push(ms(since_said.saturating_sub(since_then)));
        backend.restart();
    }
    report.add(
        "failing verdict → key gone",
        "ms",
        times,
        Budget::AtMost(5.0),
    );
}

/// CPU per probe, in turns with the loop's.
fn probe(report: &mut Report, etcd: &Etcd, backend: &Nginx) {
    let address = backend.address();
    let place = ["--service", "web", "--address", &address];
    let agent = Running::spawn(
        register()
            .args(place)
            .args(["--endpoints", &etcd.url()])
            .args(PROBES),
    );
    etcd.wait_for(&backend.key(), SOON);
    // Out of the first connection's work.
    thread::sleep(2 * SECOND);
    let curl = format!("curl -s -f {address} >/dev/null; ");
    let body = peers::loop_body(&address, &etcd.url(), "0.01");
    let before = etcd.revision();
    let (mut probes, mut curls, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let used = cpu(agent.id());
        thread::sleep(ROUND);
        probes.push(ms((cpu(agent.id()) - used) / PROBES_PER_ROUND));
        curls.push(ms(peers::cpu_per_turn(&curl, 30)));
        bodies.push(ms(peers::cpu_per_turn(&body, 30)));
    }
    // The v2 store of the loop's is no part of these.
    let revisions = etcd.revision() - before;
    let ratios = bodies.iter().zip(&probes).map(|(body, probe)| body / probe);
    let ratios = ratios.collect();
    let what = "CPU of one check, keep-alives included";
    report.beside(what, REGISTER, "ms", probes);
    report.beside(what, "the tutorial's loop", "ms", bodies);
    report.beside(what, "of that, curl alone", "ms", curls);
    report.add("the loop's CPU ÷ ours", "×", ratios, Budget::AtLeast(60.0));
    report.add(
        "RSS, registered",
        "MB",
        vec![rss(agent.id())],
        Budget::AtMost(7.0),
    );
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let revisions = revisions as f64;
    report.add(
        "etcd revisions while healthy",
        "",
        vec![revisions],
        Budget::AtMost(0.0),
    );
}

const SECOND: Duration = Duration::from_secs(1);
