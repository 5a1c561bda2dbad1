use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Etcd, Nginx, Running, SOON, eventually};

#[test]
fn a_backend_is_given_time_to_start() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    backend.stop();
    let agent = Running::agent(&etcd, &backend, &["--start-grace", "10m"]);
    agent.wait_for_event("backend_starting", SOON);
    backend.restart();
    etcd.wait_for(&backend.key(), SOON);
    assert_eq!(agent.said("backend_down"), 0);
    // It has been up: it may not go away again.
    backend.stop();
    agent.wait_for_event("backend_down", SOON);
}

#[test]
fn a_backend_that_is_not_up_after_its_grace_is_down() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    backend.stop();
    let agent = Running::agent(&etcd, &backend, &["--start-grace", "1s"]);
    agent.wait_for_event("backend_down", SOON);
    assert_eq!(agent.said("backend_starting"), 1);
}

#[test]
fn a_healthy_backend_has_its_key_under_a_lease() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let _agent = Running::agent(&etcd, &backend, &["--ttl", "7s"]);
    let held = etcd.wait_for(&backend.key(), SOON);
    assert_eq!(held.value, backend.address());
    let ttl = etcd.ctl(&["lease", "timetolive", &format!("{:x}", held.lease)]);
    assert!(ttl.contains("granted with TTL(7s)"), "{ttl}");
}

#[test]
fn the_key_goes_when_the_backend_stops_and_returns_with_it() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    let _agent = Running::agent(&etcd, &backend, &[]);
    etcd.wait_for(&backend.key(), SOON);
    backend.stop();
    // Well before the 30 s of the lease.
    etcd.wait_until_gone(&backend.key(), SOON);
    assert_eq!(etcd.lease_count(), 0);
    backend.restart();
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn a_backend_that_is_down_at_the_start_is_registered_once_it_is_up() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    backend.stop();
    let agent = Running::agent(&etcd, &backend, &[]);
    agent.wait_for_event_with("backend_down", "Connection refused", SOON);
    assert_eq!(etcd.get(&backend.key()), None);
    backend.restart();
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn sigterm_deletes_the_key_and_the_lease_and_exits_0() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    for signal in [Signal::TERM, Signal::INT] {
        let mut agent = Running::agent(&etcd, &backend, &[]);
        etcd.wait_for(&backend.key(), SOON);
        agent.signal(signal);
        assert_eq!(agent.wait_for_exit(SOON), 0);
        assert_eq!(etcd.get(&backend.key()), None);
        assert_eq!(etcd.lease_count(), 0);
    }
}

#[test]
fn draining_keeps_the_agent_but_not_the_key() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let mut agent = Running::agent(&etcd, &backend, &["--drain", "1s"]);
    etcd.wait_for(&backend.key(), SOON);
    let start = std::time::Instant::now();
    agent.signal(Signal::TERM);
    agent.wait_for_event("draining", SOON);
    assert_eq!(etcd.get(&backend.key()), None);
    assert_eq!(agent.wait_for_exit(SOON), 0);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let mut agent = Running::agent(&etcd, &backend, &["--drain", "1h"]);
    etcd.wait_for(&backend.key(), SOON);
    agent.signal(Signal::TERM);
    agent.wait_for_event("draining", SOON);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_for_exit(SOON), 128 + 15);
}

#[test]
fn after_sigkill_the_key_goes_within_its_ttl() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let mut agent = Running::agent(&etcd, &backend, &["--ttl", "2s"]);
    etcd.wait_for(&backend.key(), SOON);
    agent.signal(Signal::KILL);
    agent.wait_for_exit(SOON);
    // etcd looks for expired leases twice a second.
    etcd.wait_until_gone(&backend.key(), Duration::from_secs(4));
}

#[test]
fn keep_alives_keep_the_key_without_a_new_revision() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let _agent = Running::agent(&etcd, &backend, &["--ttl", "2s"]);
    etcd.wait_for(&backend.key(), SOON);
    let before = etcd.revision();
    // Nothing is to happen for two TTLs, so this can only be waited out.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(etcd.revision(), before);
    assert!(etcd.get(&backend.key()).is_some());
}

#[test]
fn a_short_hiccup_is_forgiven_with_a_higher_fall() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &["--fall", "50", "--log-level", "debug"]);
    etcd.wait_for(&backend.key(), SOON);
    let before = etcd.revision();
    backend.stop();
    agent.wait_for_event_with("probed", "Connection refused", SOON);
    backend.restart();
    let passed = agent.said_with("probed", " 200");
    eventually("it passes again", SOON, || {
        let now = agent.said_with("probed", " 200");
        if now > passed {
            Ok(())
        } else {
            Err(agent.log())
        }
    });
    assert_eq!(etcd.revision(), before);
}
