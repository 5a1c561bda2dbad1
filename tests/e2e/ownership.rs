use rustix::process::Signal;

use crate::harness::{Etcd, Nginx, Running, SOON, eventually, register};

#[test]
fn a_key_deleted_by_hand_is_put_again_under_a_new_lease() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let _agent = Running::agent(&etcd, &backend, &[]);
    let before = etcd.wait_for(&backend.key(), SOON);
    etcd.ctl(&["del", &backend.key()]);
    let after = etcd.wait_for(&backend.key(), SOON);
    assert_ne!(after.lease, before.lease);
    eventually("the old lease is given back", SOON, || {
        match etcd.lease_count() {
            1 => Ok(()),
            count => Err(format!("{count} leases")),
        }
    });
}

#[test]
fn a_revoked_lease_is_replaced() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let _agent = Running::agent(&etcd, &backend, &[]);
    let before = etcd.wait_for(&backend.key(), SOON);
    etcd.ctl(&["lease", "revoke", &format!("{:x}", before.lease)]);
    let after = etcd.wait_for(&backend.key(), SOON);
    assert_ne!(after.lease, before.lease);
}

#[test]
fn the_key_of_a_previous_incarnation_is_taken_over_without_a_gap() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let mut first = Running::agent(&etcd, &backend, &[]);
    let before = etcd.wait_for(&backend.key(), SOON);
    first.signal(Signal::KILL);
    first.wait_for_exit(SOON);
    let second = Running::agent(&etcd, &backend, &[]);
    second.wait_for_event("inherited", SOON);
    let after = etcd.get(&backend.key()).expect("never gone");
    assert_ne!(after.lease, before.lease);
    // One put and nothing else happened to the key.
    assert_eq!(after.mod_revision, before.mod_revision + 1);
}

#[test]
fn a_previous_incarnations_key_is_swept_away_if_the_backend_is_down() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    etcd.put_leased(&backend.key(), &backend.address(), 60);
    backend.stop();
    let _agent = Running::agent(&etcd, &backend, &[]);
    etcd.wait_until_gone(&backend.key(), SOON);
}

#[test]
fn another_value_is_taken_over_and_that_is_said_once() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    etcd.put_leased(&backend.key(), "10.9.8.7:1", 60);
    let agent = Running::agent(&etcd, &backend, &[]);
    etcd.wait_for_value(&backend.key(), &backend.address());
    assert_eq!(agent.said("taken_over"), 1);
}

#[test]
fn displaced_it_stands_by_and_returns_when_the_other_goes() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &[]);
    etcd.wait_for(&backend.key(), SOON);
    let other = etcd.put_leased(&backend.key(), "10.9.8.7:1", 60);
    agent.wait_for_event("displaced", SOON);
    eventually("our lease is given back", SOON, || {
        match etcd.lease_count() {
            1 => Ok(()),
            count => Err(format!("{count} leases")),
        }
    });
    assert_eq!(
        etcd.get(&backend.key()).expect("theirs").value,
        "10.9.8.7:1"
    );
    etcd.ctl(&["lease", "revoke", &other]);
    etcd.wait_for_value(&backend.key(), &backend.address());
}

#[test]
fn two_instances_on_one_host_are_told_to_take_keys_of_their_own() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let first = Running::agent(&etcd, &backend, &[]);
    etcd.wait_for(&backend.key(), SOON);
    let address = backend.address();
    let (host, _) = address.split_once(':').unwrap();
    let second = Running::spawn(
        register()
            .args(["--service", "web", "--address", &format!("{host}:1")])
            .args(["--check", "none", "--endpoints", &etcd.url()]),
    );
    let advice = "--key /services/{service}/{host}:{port}";
    first.wait_for_event_with("displaced", advice, SOON);
    second.wait_for_event_with("taken_over", advice, SOON);
}

#[test]
fn a_rival_elsewhere_is_not_taken_for_another_instance() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &[]);
    etcd.wait_for(&backend.key(), SOON);
    etcd.put_leased(&backend.key(), "10.9.8.7:1", 60);
    agent.wait_for_event("displaced", SOON);
    assert!(!agent.log().contains("--key"), "{}", agent.log());
}

#[test]
fn a_displaced_agent_that_stops_leaves_the_others_key_alone() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let mut agent = Running::agent(&etcd, &backend, &[]);
    etcd.wait_for(&backend.key(), SOON);
    etcd.put_leased(&backend.key(), "10.9.8.7:1", 60);
    agent.wait_for_event("displaced", SOON);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_for_exit(SOON), 0);
    assert_eq!(
        etcd.get(&backend.key()).expect("theirs").value,
        "10.9.8.7:1"
    );
}

#[test]
fn two_agents_on_one_key_come_to_rest() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let first = Running::agent(&etcd, &backend, &[]);
    etcd.wait_for(&backend.key(), SOON);
    let mut second = Running::agent(&etcd, &backend, &[]);
    first.wait_for_event("displaced", SOON);
    second.signal(Signal::TERM);
    assert_eq!(second.wait_for_exit(SOON), 0);
    eventually("the first is back", SOON, || {
        match first.said("registered") {
            2 => Ok(()),
            _ => Err(first.log()),
        }
    });
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn a_key_overwritten_again_and_again_without_a_lease_is_put_back_and_talked_of_once() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &[]);
    etcd.wait_for(&backend.key(), SOON);
    let mut putter = etcd.putter();
    for _ in 0..4 {
        putter.put(&backend.key(), "10.9.8.7:1");
        etcd.wait_for_value(&backend.key(), &backend.address());
    }
    // At the start, and the first time that it was overwritten.
    let said = agent.order_of(&["registered", "taken_over"]);
    assert_eq!(said, ["registered", "taken_over", "registered"]);
}

#[test]
fn deregistered_is_said_when_something_was_deleted_and_only_then() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    let mut up = Running::agent(&etcd, &backend, &[]);
    etcd.wait_for(&backend.key(), SOON);
    up.signal(Signal::TERM);
    assert_eq!(up.wait_for_exit(SOON), 0);
    assert_eq!(up.said("deregistered"), 1, "{}", up.log());

    backend.stop();
    let mut down = Running::agent(&etcd, &backend, &[]);
    down.wait_for_event("backend_down", SOON);
    down.signal(Signal::TERM);
    assert_eq!(down.wait_for_exit(SOON), 0);
    assert_eq!(down.said("deregistered"), 0, "{}", down.log());
}
