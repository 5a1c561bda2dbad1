//! One agent for all services of a host.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use etcd_client::EventType;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::changes::Changes;
use crate::curves::leases;
use crate::harness::{Confdir, Etcd, Farm, Health, Running, SOON, eventually, register};
use crate::process::{cpu, ms, peak, rss, share};
use crate::report::{Budget, REGISTER, Report};

const SERVICES: usize = 1_000;
const HALF: usize = SERVICES / 2;
const EACH_SECOND: &str = "interval = \"1s\"\n";
const RUNS: u32 = 5;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(10);
/// What is counted as one agent's, of etcd's memory, is from so long after its start.
const SETTLED: Duration = Duration::from_secs(15);
const PAIRS: usize = 3;
const ENDS: u32 = 7;

/// A host that is gone says nothing more, and closes no connection.
const POWER_LOST: End = End {
    name: "silent host",
    signal: Signal::STOP,
};

/// Its connection is closed.
const KILLED: End = End {
    name: "killed agent",
    signal: Signal::KILL,
};

struct End {
    name: &'static str,
    signal: Signal,
}

/// Backends, and the services file for them.
pub struct Host {
    directory: TempDir,
    farm: Farm,
    services: usize,
}

impl Host {
    /// `defaults`: fields of all services.
    pub fn of(etcd: &Etcd, services: usize, defaults: &str) -> Self {
        let (directory, farm) = (tempfile::tempdir().unwrap(), Farm::start(services));
        let url = etcd.url();
        let mut text = format!("[etcd]\nendpoints = [\"{url}\"]\n[defaults]\n{defaults}");
        for number in 0..services {
            let address = farm.address(number);
            text += "[[service]]\nname = \"web\"\n";
            text += &format!("address = \"{address}\"\nkey = \"/services/web/{number:05}\"\n");
        }
        fs::write(directory.path().join("register.toml"), text).unwrap();
        Self {
            directory,
            farm,
            services,
        }
    }

    /// Once all are registered, and how long that took.
    pub fn start(&self, changes: &Changes, flags: &[&str]) -> (Running, Duration) {
        let path = self.directory.path().join("register.toml");
        let begun = Instant::now();
        let agent = Running::spawn(register().arg("--config").arg(path).args(flags));
        let (_, last) = changes.span(EventType::Put, self.services);
        (agent, last - begun)
    }

    fn turn_half(&self, health: Health) {
        for number in 0..HALF {
            self.farm.set(number, health);
        }
    }
}

pub fn measure(report: &mut Report) {
    start_and_stop(report);
    healthy(report);
    deaths(report);
    hosts_end(report, POWER_LOST);
    hosts_end(report, KILLED);
    memory_of_etcd(report);
}

fn start_and_stop(report: &mut Report) {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, SERVICES, EACH_SECOND);
    let changes = Changes::of(&etcd);
    let (mut starts, mut stops) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (mut agent, took) = host.start(&changes, &[]);
        starts.push(ms(took));
        let begun = Instant::now();
        agent.signal(Signal::TERM);
        let (_, last) = changes.span(EventType::Delete, SERVICES);
        stops.push(ms(last - begun));
        agent.wait_for_exit(SOON);
    }
    let what = "1000 services, first probes within 1 s: start → all keys in etcd";
    report.beside(what, REGISTER, "ms", starts);
    let what = "1000 services: SIGTERM → all keys gone";
    report.beside(what, REGISTER, "ms", stops);
}

/// What it takes while nothing happens.
fn healthy(report: &mut Report) {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, SERVICES, EACH_SECOND);
    let (agent, _) = host.start(&Changes::of(&etcd), &[]);
    // Out of the work of the start.
    sleep(ROUND / 2);
    let pid = agent.id();
    let before = etcd.revision();
    let shares = (0..ROUNDS).map(|_| share(pid, ROUND)).collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let revisions = (etcd.revision() - before) as f64;
    let what = |of: &str| format!("1000 services, HTTP each second: {of}");
    let budget = Budget::AtMost;
    report.add(&what("CPU"), "% of a core", shares, budget(25.0));
    report.add(&what("RSS"), "MB", vec![rss(pid)], budget(64.0));
    report.beside(&what("RSS at its peak"), REGISTER, "MB", vec![peak(pid)]);
    report.add(
        &what("etcd revisions while healthy"),
        "",
        vec![revisions],
        budget(0.0),
    );
}

/// Half of the backends fail at once.
fn deaths(report: &mut Report) {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, SERVICES, EACH_SECOND);
    let changes = Changes::of(&etcd);
    let (agent, _) = host.start(&changes, &["--log-format", "json"]);
    let once = |_| {
        host.turn_half(Health::Down);
        let (_, gone) = changes.span(EventType::Delete, HALF);
        let since_then = gone.elapsed();
        let said = agent.events("backend_down").pop().unwrap();
        let said = humantime::parse_rfc3339(said.field("timestamp")).unwrap();
        let since_said = SystemTime::now().duration_since(said).unwrap();
        host.turn_half(Health::Up);
        changes.span(EventType::Put, HALF);
        ms(since_said.saturating_sub(since_then))
    };
    report.add(
        "500 of 1000 backends fail at once: last failing verdict → last key gone",
        "ms",
        (0..RUNS).map(once).collect(),
        Budget::AtMost(500.0),
    );
}

/// How the keys of a host go that is gone, and what a proxy makes of that.
fn hosts_end(report: &mut Report, how: End) {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, SERVICES, "ttl = \"10s\"\n");
    let changes = Changes::of(&etcd);
    let confdir = follower();
    let _proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    let (mut spans, mut reloads) = (Vec::new(), Vec::new());
    for run in 0..ENDS {
        let (agent, _) = host.start(&changes, &[]);
        has_lines(&confdir, SERVICES);
        // Anywhere between two renewals, and out of the last reload.
        sleep(Duration::from_secs(7) + run * Duration::from_millis(730));
        let before = confdir.count("reloads");
        agent.signal(how.signal);
        let (first, last) = changes.span_within(EventType::Delete, SERVICES, 2 * SOON);
        spans.push(ms(last - first));
        has_lines(&confdir, 0);
        sleep(Duration::from_secs(1));
        let count = u32::try_from(confdir.count("reloads") - before).unwrap();
        reloads.push(f64::from(count));
    }
    let what = |of: &str| format!("{} of 1000 services, TTL 10 s: {of}", how.name);
    let (span, budget) = (what("first key gone → last"), Budget::AtMost(3_000.0));
    report.add(&span, "ms", spans, budget);
    let reloaded = what("reloads by `register render`");
    report.add(&reloaded, "", reloads, Budget::AtMost(6.0));
}

/// A file of all services, a line each.
fn follower() -> Confdir {
    let confdir = Confdir::new();
    let reload = confdir.note("reloads");
    let fields = format!("keys = [\"/services/web\"]\nreload_cmd = \"{reload}\"");
    let template = "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}";
    confdir.with("app.conf", &fields, template)
}

fn has_lines(confdir: &Confdir, wanted: usize) {
    eventually("the file is in step", SOON, || {
        match confdir.count("app.conf") {
            count if count == wanted => Ok(()),
            count => Err(count.to_string()),
        }
    });
}

/// What etcd takes for one agent of so many services, beside as many agents of one.
fn memory_of_etcd(report: &mut Report) {
    let (mut one, mut many) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        one.push(above_idle(|etcd| {
            let host = Host::of(etcd, SERVICES, "");
            let (agent, _) = host.start(&Changes::of(etcd), &[]);
            (host, agent)
        }));
        let sessions = u32::try_from(SERVICES).unwrap();
        many.push(above_idle(|etcd| leases::holder(&etcd.url(), 0, sessions)));
    }
    let ratios = many.iter().zip(&one).map(|(many, one)| many / one);
    let ratios = ratios.collect();
    let what = "etcd's memory for 1000 services, above idle";
    report.beside(what, REGISTER, "MB", one);
    report.beside(what, "1000 lone agents' sessions", "MB", many);
    let what = "the lone agents' ÷ the one agent's";
    report.add(what, "×", ratios, Budget::AtLeast(15.0));
}

fn above_idle<T>(hold: impl FnOnce(&Etcd) -> T) -> f64 {
    let etcd = Etcd::start();
    sleep(SETTLED / 3);
    let idle = rss(etcd.id());
    let _held = hold(&etcd);
    sleep(SETTLED);
    rss(etcd.id()) - idle
}
