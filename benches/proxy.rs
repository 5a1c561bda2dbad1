//! Whole-process figures of the proxy side, with a real etcd on loopback. `make bench` runs it.
#![expect(
    unreachable_pub,
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement stops at the first surprise, and uses a part of the tests' harness"
)]

#[path = "../tests/e2e/harness/mod.rs"]
mod harness;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Confdir, Etcd, Running, SOON, eventually};

const CHANGES: usize = 60;
const OUTAGE: Duration = Duration::from_secs(8);
const TEMPLATE: &str =
    "upstream web {\n{{range getvs \"/services/web/*\"}}    server {{.}};\n{{end}}}\n";

fn main() {
    println!("| keys | put → file, median (ms) | spread | CPU per change (ms) | RSS (MiB) |");
    println!("| --- | --- | --- | --- | --- |");
    for keys in [10, 1_000, 10_000] {
        changes(keys);
    }
    println!();
    burst();
    outage();
}

fn confdir(etcd: &Etcd, keys: usize) -> Confdir {
    etcd.put_each((0..keys).map(|n| (key(n), value(n))));
    let confdir = Confdir::new();
    let reload = confdir.note("reloads");
    let fields = format!("keys = [\"/services/web\"]\nreload_cmd = \"{reload}\"");
    confdir.with("app.conf", &fields, TEMPLATE)
}

fn key(n: usize) -> String {
    format!("/services/web/{n:05}")
}

fn value(n: usize) -> String {
    format!("10.{}.{}.{}:80", n / 65_536, n / 256 % 256, n % 256)
}

/// One change after the other, each waited for.
fn changes(keys: usize) {
    let etcd = Etcd::start();
    let confdir = confdir(&etcd, keys);
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    wait_for_file(&confdir);
    sleep(Duration::from_millis(300));
    let mut putter = etcd.putter();
    let before = proxy.cpu();
    let mut times: Vec<_> = (0..CHANGES)
        .map(|n| {
            let seen = inode(&confdir.dest("app.conf"));
            let start = Instant::now();
            putter.put(&key(n % keys), &value(100_000 + n));
            while inode(&confdir.dest("app.conf")) == seen {
                sleep(Duration::from_micros(50));
                assert!(start.elapsed() < SOON, "the file does not follow");
            }
            let took = start.elapsed();
            // Out of the debounce.
            sleep(Duration::from_millis(80));
            took
        })
        .collect();
    let cpu = (proxy.cpu() - before) / u32::try_from(CHANGES).unwrap();
    times.sort();
    let (low, high) = (times[CHANGES / 20], times[CHANGES - 1 - CHANGES / 20]);
    println!(
        "| {keys} | {:.2} | {:.2} – {:.2} | {:.2} | {:.1} |",
        ms(times[CHANGES / 2]),
        ms(low),
        ms(high),
        ms(cpu),
        rss_mib(&proxy)
    );
}

/// 300 puts in 0.4 s.
fn burst() {
    let etcd = Etcd::start();
    let confdir = confdir(&etcd, 10);
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    wait_for_file(&confdir);
    sleep(Duration::from_millis(300));
    let before = confdir.count("reloads");
    let mut putter = etcd.putter();
    let start = Instant::now();
    for n in 0..300_u32 {
        putter.put(&key(3), &format!("10.9.9.9:{}", 1_000 + n));
        sleep((start + n * Duration::from_micros(1_330)).saturating_duration_since(Instant::now()));
    }
    let took = start.elapsed();
    let last = Instant::now();
    eventually("the last state", SOON, || {
        let text = confdir.read("app.conf").unwrap_or_default();
        if text.contains("10.9.9.9:1299;") {
            Ok(())
        } else {
            Err(text)
        }
    });
    let behind = last.elapsed();
    sleep(Duration::from_millis(700));
    println!(
        "300 puts in {:.2} s: {} reloads; last state on disk {:.0} ms after the last put",
        took.as_secs_f64(),
        confdir.count("reloads") - before,
        ms(behind)
    );
    drop(proxy);
}

/// CPU while etcd is down, and how soon the file is in step again.
fn outage() {
    let mut etcd = Etcd::start();
    let confdir = confdir(&etcd, 1_000);
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    wait_for_file(&confdir);
    etcd.kill();
    sleep(Duration::from_millis(500));
    let before = proxy.cpu();
    sleep(OUTAGE);
    let cpu = proxy.cpu() - before;
    etcd.restart();
    let seen = inode(&confdir.dest("app.conf"));
    etcd.putter().put(&key(5), "10.9.9.9:80");
    let start = Instant::now();
    eventually("in step again", SOON, || {
        if inode(&confdir.dest("app.conf")) == seen {
            Err(String::new())
        } else {
            Ok(())
        }
    });
    println!(
        "etcd down for {} s: {:.2} % of a core; in step {:.0} ms after it took a put again",
        OUTAGE.as_secs(),
        100.0 * cpu.as_secs_f64() / OUTAGE.as_secs_f64(),
        ms(start.elapsed())
    );
}

fn wait_for_file(confdir: &Confdir) {
    eventually("a first file", SOON, || {
        confdir
            .read("reloads")
            .ok_or_else(|| "no reload".to_owned())
    });
}

fn rss_mib(proxy: &Running) -> f64 {
    let status = proxy.proc("status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<f64>().unwrap() / 1024.0
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.ino())
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
