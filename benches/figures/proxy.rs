//! The proxy side, beside confd.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::running::{outcome, render};
use crate::harness::{Confdir, Etcd, Line, Running, SOON, Wire, eventually};
use crate::peers;
use crate::process::{cpu, forget_peak, ms, peak, rss};
use crate::report::{Budget, Report};

const ROUNDS: usize = 4;
const CHANGES_PER_ROUND: usize = 20;
const OUTAGE: Duration = Duration::from_secs(8);
const IDLE: Duration = Duration::from_secs(30);
const PASSES: usize = 7;
const TEMPLATE: &str =
    "upstream web {\n{{range getvs \"/services/web/*\"}}    server {{.}};\n{{end}}}\n";

pub fn measure(report: &mut Report) {
    changes(report, 10, 2.5, None);
    changes(report, 1_000, 3.5, None);
    changes(report, 10_000, 8.0, Some((4.0, 16.0)));
    busy(report);
    burst(report);
    idle(report);
    outage(report);
    far_away(report);
}

/// One proxy of its own etcd.
pub struct Subject {
    etcd: Etcd,
    confdir: Confdir,
    proxy: Running,
}

impl Subject {
    pub fn register(keys: usize) -> Self {
        Self::start(keys, |url, confdir| Running::proxy(url, confdir, &[]))
    }

    fn confd(keys: usize) -> Option<Self> {
        let path = peers::confd()?;
        Some(Self::start(keys, |url, confdir| {
            peers::run_confd(&path, url, confdir, &["-watch"])
        }))
    }

    fn start(keys: usize, run: impl FnOnce(&str, &Confdir) -> Running) -> Self {
        let etcd = Etcd::start();
        etcd.put_each((0..keys).map(|n| (key(n), value(n))));
        let confdir = Confdir::new();
        let reload = confdir.note("reloads");
        let fields = format!("keys = [\"/services/web\"]\nreload_cmd = \"{reload}\"");
        let confdir = confdir.with("app.conf", &fields, TEMPLATE);
        let proxy = run(&etcd.url(), &confdir);
        eventually("a first file", SOON, || {
            confdir
                .read("reloads")
                .ok_or_else(|| "no reload".to_owned())
        });
        // Out of the work of the start.
        sleep(Duration::from_millis(300));
        Self {
            etcd,
            confdir,
            proxy,
        }
    }

    /// Puts one change after the other and waits for each: the times in ms, and the CPU per change.
    pub fn change(&self, keys: usize, count: usize, first: usize) -> (Vec<f64>, f64) {
        let used = cpu(self.proxy.id());
        let mut putter = self.etcd.putter();
        let dest = self.confdir.dest("app.conf");
        let times = (first..first + count).map(|n| {
            let seen = inode(&dest);
            let start = Instant::now();
            putter.put(&key(n % keys), &value(100_000 + n));
            while inode(&dest) == seen {
                sleep(Duration::from_micros(50));
                assert!(start.elapsed() < SOON, "the file does not follow");
            }
            let took = start.elapsed();
            // Out of the debounce.
            sleep(Duration::from_millis(80));
            ms(took)
        });
        let times = times.collect();
        let used = cpu(self.proxy.id()) - used;
        (times, ms(used / u32::try_from(count).unwrap()))
    }

    pub fn rss(&self) -> f64 {
        rss(self.proxy.id())
    }
}

fn key(n: usize) -> String {
    format!("/services/web/{n:06}")
}

fn value(n: usize) -> String {
    format!("10.{}.{}.{}:80", n / 65_536, n / 256 % 256, n % 256)
}

#[derive(Default)]
struct Changes {
    times: Vec<f64>,
    cpus: Vec<f64>,
}

fn changes(report: &mut Report, keys: usize, limit: f64, cpu_and_rss: Option<(f64, f64)>) {
    let subjects = [Some(Subject::register(keys)), Subject::confd(keys)];
    let subjects: Vec<_> = subjects.into_iter().flatten().collect();
    let mut found: Vec<_> = subjects.iter().map(|_| Changes::default()).collect();
    for round in 0..ROUNDS {
        for (subject, found) in subjects.iter().zip(&mut found) {
            let first = round * CHANGES_PER_ROUND;
            let (times, used) = subject.change(keys, CHANGES_PER_ROUND, first);
            found.times.extend(times);
            found.cpus.push(used);
        }
    }
    let (cpu_limit, rss_limit) = cpu_and_rss.unwrap_or((4.0, 16.0));
    let rows = [
        ("put → file", "ms", limit),
        ("CPU per change", "ms", cpu_limit),
        ("proxy RSS", "MB", rss_limit),
    ];
    for (what, unit, limit) in rows {
        let what = format!("{what}, {keys} keys");
        for (position, (subject, found)) in subjects.iter().zip(&found).enumerate() {
            let samples = match unit {
                "MB" => vec![subject.rss()],
                _ if what.starts_with("CPU") => found.cpus.clone(),
                _ => found.times.clone(),
            };
            match position {
                0 => report.add(&what, unit, samples, Budget::AtMost(limit)),
                _ => report.beside(&what, "confd -watch", unit, samples),
            }
        }
    }
}

/// Memory at its peak, while passes and changes overlap.
fn busy(report: &mut Report) {
    const KEYS: usize = 10_000;
    const CHANGES: usize = 1_000;
    let subjects = [Some(Subject::register(KEYS)), Subject::confd(KEYS)];
    for (position, subject) in subjects.into_iter().flatten().enumerate() {
        let pid = subject.proxy.id();
        forget_peak(pid);
        let mut putter = subject.etcd.putter();
        for n in 0..CHANGES {
            putter.put(&key(n), &value(200_000 + n));
            sleep(Duration::from_millis(2));
        }
        let last = value(200_000 + CHANGES - 1);
        eventually("the last state", SOON, || {
            let text = subject.confdir.read("app.conf").unwrap_or_default();
            let is_there = text.contains(&last);
            is_there.then_some(()).ok_or_else(String::new)
        });
        let (what, peak) = (
            "proxy RSS at its peak, 10000 keys, 1000 changes in 2 s",
            vec![peak(pid)],
        );
        match position {
            0 => report.add(what, "MB", peak, Budget::AtMost(16.0)),
            _ => report.beside(what, "confd -watch", "MB", peak),
        }
    }
}

/// 300 puts in 0.4 s.
fn burst(report: &mut Report) {
    let subjects = [Some(Subject::register(10)), Subject::confd(10)];
    for (position, subject) in subjects.into_iter().flatten().enumerate() {
        let confdir = &subject.confdir;
        let before = confdir.count("reloads");
        let mut putter = subject.etcd.putter();
        let start = Instant::now();
        for n in 0..300_u32 {
            putter.put(&key(3), &format!("10.9.9.9:{}", 1_000 + n));
            let next = start + n * Duration::from_micros(1_330);
            sleep(next.saturating_duration_since(Instant::now()));
        }
        let last = Instant::now();
        eventually("the last state", SOON, || {
            let text = confdir.read("app.conf").unwrap_or_default();
            if text.contains("10.9.9.9:1299;") {
                Ok(())
            } else {
                Err(text)
            }
        });
        let behind = vec![ms(last.elapsed())];
        sleep(Duration::from_millis(700));
        let reloads = u32::try_from(confdir.count("reloads") - before).unwrap();
        let reloads = vec![f64::from(reloads)];
        let (what, then) = (
            "reloads for 300 puts in 0.4 s",
            "last put → last state on disk",
        );
        match position {
            0 => {
                report.add(what, "", reloads, Budget::AtMost(3.0));
                report.add(then, "ms", behind, Budget::AtMost(150.0));
            }
            _ => {
                report.beside(what, "confd -watch", "", reloads);
                report.beside(then, "confd -watch", "ms", behind);
            }
        }
    }
}

/// CPU while nothing happens.
fn idle(report: &mut Report) {
    let subjects = [Some(Subject::register(1_000)), Subject::confd(1_000)];
    for (position, subject) in subjects.into_iter().flatten().enumerate() {
        let pid = subject.proxy.id();
        let used = cpu(pid);
        sleep(IDLE);
        let share = vec![100.0 * (cpu(pid) - used).as_secs_f64() / IDLE.as_secs_f64()];
        let what = "CPU while nothing happens";
        match position {
            0 => report.add(what, "% of a core", share, Budget::AtMost(0.05)),
            _ => report.beside(what, "confd -watch", "% of a core", share),
        }
    }
}

/// One pass over many trees, each read of which takes a while.
fn far_away(report: &mut Report) {
    const TREES: usize = 300;
    let (etcd, confdir) = (Etcd::start(), Confdir::new());
    etcd.put_each((0..TREES).map(|n| (format!("/services/{n:03}/a"), value(n))));
    for n in 0..TREES {
        let template = format!("{{{{range getvs \"/services/{n:03}/*\"}}}}{{{{.}}}}\n{{{{end}}}}");
        let keys = format!("keys = [\"/services/{n:03}\"]");
        confdir.add(&format!("{n:03}"), &keys, &template);
    }
    let wire = Wire::to(etcd.address());
    let slow = Line::Slow(Duration::from_millis(20));
    wire.set(slow, slow);
    let once = |_| {
        let start = Instant::now();
        let (code, _, stderr) = outcome(render(&wire.url(), &confdir).arg("--once"));
        assert_eq!(code, 0, "{stderr}");
        ms(start.elapsed())
    };
    report.add(
        "one pass over 300 trees, 40 ms to etcd and back",
        "ms",
        (0..PASSES).map(once).collect(),
        Budget::AtMost(3_000.0),
    );
}

/// CPU while etcd is down, and how soon the file is in step again.
fn outage(report: &mut Report) {
    let subjects = [Some(Subject::register(1_000)), Subject::confd(1_000)];
    for (position, mut subject) in subjects.into_iter().flatten().enumerate() {
        subject.etcd.kill();
        sleep(Duration::from_millis(500));
        let pid = subject.proxy.id();
        let used = cpu(pid);
        sleep(OUTAGE);
        let used = cpu(pid) - used;
        subject.etcd.restart();
        let dest = subject.confdir.dest("app.conf");
        let seen = inode(&dest);
        subject.etcd.putter().put(&key(5), "10.9.9.9:80");
        let start = Instant::now();
        eventually("in step again", SOON, || {
            if inode(&dest) == seen {
                Err(String::new())
            } else {
                Ok(())
            }
        });
        let share = vec![100.0 * used.as_secs_f64() / OUTAGE.as_secs_f64()];
        let back = vec![ms(start.elapsed())];
        let (what, then) = ("CPU while etcd is down", "etcd answers → in step");
        match position {
            0 => {
                report.add(what, "% of a core", share, Budget::AtMost(0.5));
                report.add(then, "ms", back, Budget::AtMost(1_000.0));
            }
            _ => {
                report.beside(what, "confd -watch", "% of a core", share);
                report.beside(then, "confd -watch", "ms", back);
            }
        }
    }
}

pub fn inode(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.ino())
}
