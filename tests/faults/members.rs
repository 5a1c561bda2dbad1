use std::time::{Duration, Instant};

use crate::harness::{Etcd, Line};
use crate::observer::Holder;
use crate::row::{Row, after};
use crate::site::{self, Both, ETCD_REVOKES, PROXY_NOTICES, PROXY_TRIES_AGAIN, Plan, SLACK, Site};

/// What the failure of the member in use must look like, as long as the others serve.
pub fn left_for_another(
    site: &Site,
    since: Instant,
    notices: Both<Duration>,
) -> [Both<Duration>; 2] {
    // Each of the others may have to be tried, and may be electing.
    let recovers = Both {
        agent: notices.agent + 2 * site.agent_tries_again(),
        proxy: notices.proxy + 2 * PROXY_TRIES_AGAIN,
    };
    let took = site.lost_and_back(since, notices, recovers);
    site.put_other(1, "10.0.0.1:80");
    site.wait_for_file(&[&site.backend.address(), "10.0.0.1:80"], SLACK);
    site.assert_kept_for_a_ttl(since);
    took
}

/// And once it has come back.
pub fn unnoticed_afterwards(site: &Site) {
    site.put_other(0, "10.0.0.2:80");
    site.wait_for_file(&[&site.backend.address(), "10.0.0.2:80"], SLACK);
    site.assert_never_lost();
    site.assert_said_once();
}

pub fn leader_killed() -> Row {
    let mut site = Site::start();
    let since = Instant::now();
    site.members[0].kill();
    let at_once = Both {
        agent: Duration::from_secs(1),
        proxy: Duration::from_secs(1),
    };
    let [noticed, recovered] = left_for_another(&site, since, at_once);
    site.members[0].restart();
    unnoticed_afterwards(&site);
    Row::of(
        "the leader is killed, and comes back",
        "the key stays under its lease; the file follows again",
        noticed,
        recovered,
    )
}

pub fn member_hung() -> Row {
    let site = Site::start();
    let since = Instant::now();
    site.members[0].hang();
    let [noticed, recovered] = left_for_another(&site, since, site.silence_noticed());
    site.members[0].resume();
    unnoticed_afterwards(&site);
    Row::of(
        "the leader is stopped (SIGSTOP), and continued",
        "the key stays under its lease, the file follows again; noticed by a half of the TTL, by \
         the proxy side within 5 s",
        noticed,
        recovered,
    )
}

pub fn member_cut_off_from_the_others() -> Row {
    let site = Site::start();
    let (id, _) = site.members[0].standing();
    let since = Instant::now();
    site.peer_wires[0].set(Line::Silent, Line::Silent);
    for wire in &site.peer_wires[1..] {
        wire.part_from(&id);
    }
    let [noticed, recovered] = left_for_another(&site, since, site.silence_noticed());
    for wire in &site.peer_wires {
        wire.mend();
    }
    unnoticed_afterwards(&site);
    Row::of(
        "the leader is cut off from the other members, but not from us",
        "the key stays under its lease, the file follows again; noticed by a half of the TTL, by \
         the proxy side within 5 s",
        noticed,
        recovered,
    )
}

/// What freezes etcd for a moment again and again: a disk that does not keep up.
pub fn members_that_stutter() -> Row {
    let site = Site::with(&Plan {
        ttl: Some(Duration::from_secs(12)),
        ..Plan::default()
    });
    let since = Instant::now();
    let values: Vec<_> = (0..15).map(|n| format!("10.0.1.{n}:80")).collect();
    for value in &values {
        site.members.iter().for_each(Etcd::hang);
        std::thread::sleep(Duration::from_millis(400));
        site.members.iter().for_each(Etcd::resume);
        site.put_other(0, value);
    }
    let last = values.last().unwrap();
    let mended = Instant::now();
    site.wait_for_file(&[&site.backend.address(), last], PROXY_NOTICES + SLACK);
    let took = mended.elapsed();
    site.assert_kept_for_a_ttl(since);
    Row {
        fault: "every member freezes for 0.4 s again and again, as with a slow disk",
        promised: "the key stays under its lease; the file has the last change",
        agent: "key kept".to_owned(),
        proxy: format!("last change {}", after(took)),
    }
}

/// Takes no writes for want of space, but deletes and renewals.
pub fn no_space() -> Row {
    let mut site = Site::with(&Plan {
        server_flags: &["--quota-backend-bytes=200000"],
        ..Plan::default()
    });
    let filler = "x".repeat(40_000);
    while site.members[0].try_ctl(&["put", "filler", &filler]).is_ok() {}
    site.assert_kept_for_a_ttl(Instant::now());
    site.backend.stop();
    site.wait_until_gone(SLACK);
    site.wait_for_file(&[], SLACK);
    site.backend.restart();
    let (rejected, full) = ("write_rejected", "database space exceeded");
    site.agent.wait_for_event_with(rejected, full, SLACK);
    let since = Instant::now();
    make_room(&site.members);
    let (at, _) = site.wait_until_registered(site.ttl + SLACK);
    site.wait_for_file(&[&site.backend.address()], SLACK);
    site.agent.wait_for_event("writes_accepted", SLACK);
    assert_eq!(site.agent.said_with(rejected, full), 1);
    Row {
        fault: "etcd is out of space (NOSPACE)",
        promised: "the key stays, and is deleted when the backend fails; registered again within \
                   5 s of there being room",
        agent: format!("registered {}", after(at.duration_since(since))),
        proxy: "followed throughout".to_owned(),
    }
}

fn make_room(members: &[Etcd]) {
    members[0].ctl(&["compact", &members[0].revision().to_string()]);
    for member in members {
        member.ctl(&["defrag"]);
    }
    members[0].disarm();
}

/// Two of three, for longer than the TTL.
pub fn majority_killed() -> Row {
    let mut site = Site::start();
    let ours = site.backend.address();
    let before = site.observer.now();
    let since = Instant::now();
    site.members[0].kill();
    site.members[1].kill();
    let noticed = site.lost(since, site.silence_noticed());
    site.agent.wait_for_event("lease_expired", site.ttl + SLACK);
    site::wait_for_file(&site.confdir, &[&ours], Duration::ZERO);
    // Each waits for the other.
    std::thread::scope(|scope| {
        let (first, second) = site.members.split_at_mut(1);
        scope.spawn(|| first[0].restart());
        second[0].restart();
    });
    let back = Instant::now();
    let served = Both {
        agent: site.agent_tries_again(),
        proxy: PROXY_TRIES_AGAIN,
    };
    let recovered = site.back(back, served);
    // A new leader counts the old lease afresh: it may be there still.
    let anew = |holder: &Holder| holder.is_some() && *holder != before;
    let (at, _) = site.observer.wait("registered anew", SLACK, anew);
    site.put_other(0, "10.0.0.1:80");
    site.wait_for_file(&[&ours, "10.0.0.1:80"], SLACK);
    std::thread::sleep(site.ttl + ETCD_REVOKES);
    site.assert_kept_since(at);
    site.assert_said_once();
    Row::of(
        "two of three members are killed for longer than the TTL, and started again",
        "the file stays; registered again within a sixth of the TTL + 1 s, following again within \
         2.8 s of etcd's answering",
        noticed,
        recovered,
    )
}
