use std::time::{Duration, Instant};

use ::register::config::{Announcement, EtcdConfig};
use ::register::etcd::session::{News, Order, Session};
use ::register::etcd::wire::WireDial;
use ::register::host::ThisHost;
use ::register::os::alarm::Alarm;
use ::register::registration::{Claim, Event, Request};
use rustix::process::Signal;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::harness::{Etcd, Nginx, Running, SOON, eventually, register};

#[test]
fn an_outage_shorter_than_the_ttl_changes_nothing() {
    let (mut etcd, backend) = (Etcd::start(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &["--ttl", "20s"]);
    let before = etcd.wait_for(&backend.key(), SOON);
    etcd.kill();
    agent.wait_for_event("etcd_lost", SOON);
    etcd.restart();
    agent.wait_for_event("etcd_back", SOON);
    assert_eq!(etcd.get(&backend.key()), Some(before));
}

#[test]
fn an_outage_longer_than_the_ttl_ends_with_a_new_registration() {
    let (mut etcd, backend) = (Etcd::start(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &["--ttl", "2s"]);
    let before = etcd.wait_for(&backend.key(), SOON);
    etcd.kill();
    agent.wait_for_event("lease_expired", SOON);
    etcd.restart();
    let start = Instant::now();
    let after = loop {
        let held = etcd.wait_for(&backend.key(), SOON);
        if held.lease != before.lease {
            break held;
        }
        assert!(start.elapsed() < SOON, "the old lease is still there");
    };
    assert_eq!(after.value, before.value);
    let trouble = agent.order_of(&["etcd_lost", "write_rejected"]);
    assert_eq!(trouble, ["etcd_lost"], "said once:\n{}", agent.log());
}

#[test]
fn a_wiped_etcd_gets_the_key_again() {
    let (mut etcd, backend) = (Etcd::start(), Nginx::start());
    let _agent = Running::agent(&etcd, &backend, &[]);
    etcd.wait_for(&backend.key(), SOON);
    for filler in ["a", "b", "c", "d"] {
        etcd.ctl(&["put", filler, "so that the new revisions are lower"]);
    }
    etcd.wipe();
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn etcd_may_come_after_the_agent() {
    let (mut etcd, backend) = (Etcd::start(), Nginx::start());
    etcd.kill();
    let agent = Running::agent(&etcd, &backend, &[]);
    agent.wait_for_event("etcd_lost", SOON);
    etcd.restart();
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn the_verdict_of_now_counts_when_etcd_returns() {
    let (mut etcd, mut backend) = (Etcd::start(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &["--ttl", "60s"]);
    etcd.wait_for(&backend.key(), SOON);
    etcd.kill();
    backend.stop();
    agent.wait_for_event("backend_down", SOON);
    etcd.restart();
    etcd.wait_until_gone(&backend.key(), SOON);
}

#[test]
fn a_hung_member_is_left_for_another_before_the_lease_runs_out() {
    let (members, backend) = (Etcd::start_cluster(3), Nginx::start());
    let endpoints = format!("{},{}", members[0].url(), members[1].url());
    let agent = Running::spawn(
        register()
            .args([
                "--service",
                "web",
                "--address",
                &backend.address(),
                "--endpoints",
                &endpoints,
            ])
            .args(["--ttl", "6s", "--interval", "200ms"]),
    );
    let before = members[1].wait_for(&backend.key(), SOON);
    members[0].hang();
    agent.wait_for_event("etcd_back", SOON);
    // Two TTLs after the hang the very same lease must still hold the key.
    let end = Instant::now() + Duration::from_secs(12);
    while Instant::now() < end {
        assert_eq!(
            members[1].get(&backend.key()),
            Some(before.clone()),
            "{}",
            agent.log()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    members[0].resume();
}

#[test]
fn a_stop_while_etcd_is_down_takes_no_longer_than_allowed_and_exits_3() {
    let (mut etcd, backend) = (Etcd::start(), Nginx::start());
    let mut agent = Running::agent(&etcd, &backend, &["--stop-timeout", "1s"]);
    etcd.wait_for(&backend.key(), SOON);
    etcd.kill();
    let start = Instant::now();
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_for_exit(SOON), 3);
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(900) && took < Duration::from_secs(3),
        "{took:?}"
    );
}

#[test]
fn a_stop_before_anything_was_put_does_not_wait_for_an_etcd_that_is_down() {
    let (mut etcd, backend) = (Etcd::start(), Nginx::start());
    etcd.kill();
    // Not probed to an end before the stop.
    let flags = ["--rise", "1000000", "--stop-timeout", "8s"];
    let mut agent = Running::agent(&etcd, &backend, &flags);
    agent.wait_for_event("etcd_lost", SOON);
    let start = Instant::now();
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_for_exit(SOON), 0);
    assert!(start.elapsed() < Duration::from_secs(4));
    assert_eq!(agent.said("key_left_to_ttl"), 0, "{}", agent.log());
}

#[test]
fn a_stop_while_etcd_hangs_takes_no_longer_than_allowed_and_exits_3() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let mut agent = Running::agent(&etcd, &backend, &["--stop-timeout", "1s"]);
    etcd.wait_for(&backend.key(), SOON);
    etcd.hang();
    let start = Instant::now();
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_for_exit(SOON), 3);
    assert!(start.elapsed() < Duration::from_secs(3));
    etcd.resume();
}

#[test]
fn a_stop_during_a_short_outage_still_deletes_the_key() {
    let (mut etcd, backend) = (Etcd::start(), Nginx::start());
    let mut agent = Running::agent(&etcd, &backend, &["--stop-timeout", "20s"]);
    etcd.wait_for(&backend.key(), SOON);
    etcd.kill();
    agent.signal(Signal::TERM);
    agent.wait_for_event("etcd_lost", SOON);
    etcd.restart();
    assert_eq!(agent.wait_for_exit(SOON), 0);
    assert_eq!(etcd.get(&backend.key()), None);
}

#[test]
fn an_etcd_out_of_space_is_asked_again_calmly_until_it_takes_the_key() {
    let (etcd, backend) = (Etcd::start_with_quota(100_000), Nginx::start());
    let filler = "x".repeat(40_000);
    while etcd.try_ctl(&["put", "filler", &filler]).is_ok() {}
    let agent = Running::agent(&etcd, &backend, &["--log-level", "debug"]);
    agent.wait_for_event_with("write_rejected", "database space exceeded", SOON);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        assert_eq!(etcd.get(&backend.key()), None);
    }
    let log = agent.log();
    assert_eq!(
        log.matches("database space exceeded").count(),
        1,
        "said once:\n{log}"
    );
    etcd.make_room();
    etcd.wait_for(&backend.key(), SOON);
    agent.wait_for_event("writes_accepted", SOON);
}

#[test]
fn an_etcd_that_reads_but_does_not_write_is_asked_again_calmly_until_it_does() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    etcd.raise_corruption_alarm();
    let agent = Running::agent(&etcd, &backend, &["--log-level", "debug"]);
    agent.wait_for_event_with("write_rejected", "corrupt cluster", SOON);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        assert_eq!(etcd.get(&backend.key()), None);
    }
    let log = agent.log();
    let lines = log.lines().count() - agent.said("probed");
    assert!(lines < 10, "{lines} lines:\n{log}");
    etcd.disarm();
    etcd.wait_for(&backend.key(), SOON);
    agent.wait_for_event("writes_accepted", SOON);
}

/// Waits for this event of the session's.
async fn told(news: &mut mpsc::Receiver<News>, is: impl Fn(&Event) -> bool) -> Event {
    let found = timeout(SOON, async {
        loop {
            match news.recv().await {
                Some(News::Event(_, event)) if is(&event) => return event,
                Some(News::Event(..) | News::Neighbour(..)) => {}
                other => panic!("the session ended: {other:?}"),
            }
        }
    });
    found.await.unwrap()
}

#[tokio::test]
async fn a_lease_whose_withdrawal_failed_for_want_of_a_connection_is_not_renewed() {
    let mut etcd = Etcd::start();
    let dial = WireDial::new(EtcdConfig {
        discovery: None,
        endpoints: vec![etcd.url()],
        credentials: None,
        tls: None,
    });
    let announcement = Announcement {
        key: "/services/web/a".to_owned(),
        value: "10.0.0.5:80".to_owned(),
        port: 80,
    };
    let (news_end, mut news) = mpsc::channel(16);
    let (orders, orders_end) = mpsc::unbounded_channel();
    let (service, ttl) = (1, Duration::from_secs(2));
    let begin = Order::Begin {
        service,
        announcement,
        ttl,
    };
    orders.send(begin).unwrap();
    let renewal = Alarm::new().unwrap();
    let session = Session::<ThisHost>::new(dial, renewal, orders_end, news_end, 1);
    let story = async {
        let announce = Request::Announce { take_over: true };
        orders.send(Order::Ask(service, announce)).unwrap();
        let announced = told(&mut news, |event| matches!(event, Event::Announced { .. })).await;
        let Event::Announced { lease, .. } = announced else {
            unreachable!("it was waited for");
        };
        etcd.kill();
        // Once it connects again it has noticed.
        let in_its_place = TcpListener::bind(etcd.address()).await.unwrap();
        drop(timeout(SOON, in_its_place.accept()).await.unwrap().unwrap());
        drop(in_its_place);
        let withdraw = Request::Withdraw(Claim::Lease(lease));
        orders.send(Order::Ask(service, withdraw)).unwrap();
        told(&mut news, |event| *event == Event::Failed).await;
        etcd.restart();
        told(&mut news, |event| *event == Event::Connected).await;
        let gone = tokio::task::spawn_blocking(move || {
            eventually("the lease is gone", SOON, || match etcd.lease_count() {
                0 => Ok(()),
                count => Err(format!("{count} leases")),
            });
        });
        gone.await.unwrap();
    };
    tokio::select! {
        () = session.run() => panic!("the session ended"),
        () = story => {}
    }
}
