use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::running::render;
use crate::harness::{Logged, Nginx, Running, SOON, Wire};
use crate::observer::Observer;
use crate::row::{Row, after};
use crate::site::{self, ETCD_REVOKES, SLACK, Site};

/// As far as the hour in a line's time.
const HOUR: usize = "2026-01-01T00".len();

/// And nobody takes the key meanwhile.
pub fn agent_frozen() -> Row {
    let site = Site::start();
    let since = Instant::now();
    site.agent.signal(Signal::STOP);
    let gone = site
        .wait_until_gone(site.ttl + ETCD_REVOKES + SLACK)
        .duration_since(since);
    site.wait_for_file(&[], SLACK);
    let continued = Instant::now();
    site.agent.signal(Signal::CONT);
    let (at, _) = site.wait_until_registered(site.agent_tries_again() + SLACK);
    site.wait_for_file(&[&site.backend.address()], SLACK);
    Row {
        fault: "the agent is frozen (SIGSTOP) for longer than the TTL, and continued",
        promised: "the key goes within TTL + 1 s; registered again within a sixth of the TTL + 1 s",
        agent: format!(
            "key gone {}, registered {}",
            after(gone),
            after(at.duration_since(continued))
        ),
        proxy: "followed throughout".to_owned(),
    }
}

pub fn agent_frozen_and_replaced() -> Row {
    let site = Site::start();
    site.agent.signal(Signal::STOP);
    site.wait_until_gone(site.ttl + ETCD_REVOKES + SLACK);
    let other = Nginx::start();
    let key = site.backend.key();
    let flags = ["--key", &key, "--ttl", "6s"];
    let mut taker = Running::agent(&site.members[0], &other, &flags);
    let theirs = |holder: &_| matches!(holder, Some((_, value)) if *value == other.address());
    let (_, taken) = site.observer.wait("the other has the key", SOON, theirs);
    let continued = Instant::now();
    site.agent.signal(Signal::CONT);
    site.agent.wait_for_event("displaced", site.ttl + SLACK);
    let displaced = continued.elapsed();
    // Two renewals of the other's.
    std::thread::sleep(site.ttl);
    assert_eq!(site.observer.now(), taken, "{}", site.agent.log());
    site.wait_for_file(&[&other.address()], SLACK);
    let left = Instant::now();
    taker.signal(Signal::TERM);
    taker.wait_for_exit(SOON);
    let (at, _) = site.wait_until_registered(SLACK);
    let back = at.duration_since(left);
    site.wait_for_file(&[&site.backend.address()], SLACK);
    Row {
        fault: "the same, and another agent has taken the key meanwhile",
        promised: "the other's key is left alone; put again at once when the other goes",
        agent: format!("stood by {}, registered {}", after(displaced), after(back)),
        proxy: "followed throughout".to_owned(),
    }
}

/// Of the host of the agent and the proxy side. An hour there, and two back.
pub fn clock_stepped() -> Row {
    let directory = tempfile::tempdir().unwrap();
    let offset = directory.path().join("offset");
    fs::write(&offset, "+0").unwrap();
    let site = Site::start();
    let endpoints: Vec<_> = site.wires.iter().map(Wire::url).collect();
    let endpoints = endpoints.join(",");
    let (backend, confdir) = (Nginx::start(), site::file());
    let urls = vec![site.members[0].url()];
    let observer = Observer::start(urls, None, backend.key());
    let mut agent = site::agent(&backend, &endpoints, site.ttl);
    // A line with the time for each probe.
    agent.args(["--log-level", "debug"]);
    let agent = Running::spawn(with_own_clock(&mut agent, &offset));
    let mut proxy = render(&endpoints, &confdir);
    let proxy = Running::spawn(with_own_clock(&mut proxy, &offset));
    let (_, first) = observer.wait("the key is there", SOON, Option::is_some);
    for (step, value) in [("+3600", "10.0.0.1:80"), ("-3600", "10.0.0.2:80")] {
        fs::write(&offset, step).unwrap();
        let since = Instant::now();
        site.put_other(0, value);
        let all = [&site.backend.address(), &backend.address(), value];
        site::wait_for_file(&confdir, &all, SLACK);
        while since.elapsed() < site.ttl + ETCD_REVOKES {
            std::thread::sleep(Duration::from_millis(50));
        }
        let history = observer.history();
        assert_eq!(history.last().unwrap().1, first, "{history:?}");
    }
    for running in [&agent, &proxy] {
        assert_eq!(running.said(site::LOST), 0, "{}", running.log());
    }
    let lines = Logged::lines(&agent.log());
    let times = lines.iter().map(|line| line.field("timestamp"));
    let hours: BTreeSet<_> = times.filter_map(|time| time.get(..HOUR)).collect();
    assert!(hours.len() >= 3, "the clock was not stepped: {hours:?}");
    Row {
        fault: "the clock is stepped an hour ahead, then two back",
        promised: "nothing happens: times are taken from a clock that only goes on",
        agent: "key kept, nothing logged".to_owned(),
        proxy: "followed throughout, nothing logged".to_owned(),
    }
}

/// Runs it with a wall clock that is off by what the file says. The monotonic clock goes on.
fn with_own_clock<'a>(command: &'a mut Command, offset: &Path) -> &'a mut Command {
    command
        .env("LD_PRELOAD", libfaketime())
        .env("FAKETIME_TIMESTAMP_FILE", offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
}

fn libfaketime() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/usr/lib");
    let libraries = [unpacked.as_path(), Path::new("/usr/lib")].map(fs::read_dir);
    libraries
        .into_iter()
        .flatten()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.is_file())
        .expect("libfaketime is not installed: run `tests/deps.sh faults`")
}
