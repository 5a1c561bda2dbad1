use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::running::render;
use crate::harness::{Line, Nginx, Running, SOON, Wire, own_address};
use crate::members::{left_for_another, unnoticed_afterwards};
use crate::observer::Observer;
use crate::row::{Row, after};
use crate::site::{
    self, Both, ETCD_REVOKES, PROXY_CONNECTS, PROXY_NOTICES, PROXY_TRIES_AGAIN, Plan, SLACK, Site,
};

/// Until two megabytes have come over a way that carries one a second, what came in vain included.
const NARROW: Duration = Duration::from_secs(10);

/// TCP's first guess.
const SENT_AGAIN: Duration = Duration::from_secs(1);

/// From all of etcd, for longer than the TTL.
pub fn partition() -> Row {
    let site = Site::start();
    let ours = site.backend.address();
    let since = Instant::now();
    for wire in &site.wires {
        wire.set(Line::Silent, Line::Silent);
    }
    site.put_other(0, "10.0.0.1:80");
    let noticed = site.lost(since, site.silence_noticed());
    let gone = site.wait_until_gone(SLACK).duration_since(since);
    assert!(gone <= site.ttl + ETCD_REVOKES + SLACK, "{gone:?}");
    site.agent.wait_for_event("lease_expired", site.ttl + SLACK);
    site::wait_for_file(&site.confdir, &[&ours], Duration::ZERO);

    let mended = Instant::now();
    for wire in &site.wires {
        wire.mend();
    }
    let (at, _) = site.wait_until_registered(site.agent_tries_again() + SLACK);
    let back = Both {
        agent: site.agent_tries_again(),
        proxy: PROXY_TRIES_AGAIN,
    };
    let mut recovered = site.back(mended, back);
    recovered.agent = at.duration_since(mended);
    site.wait_for_file(&[&ours, "10.0.0.1:80"], SLACK);
    site.assert_said_once();
    let mut row = Row::of(
        "cut off from all of etcd for longer than the TTL",
        "the key goes within TTL + 1 s, the file stays; registered again within a sixth of the \
         TTL + 1 s, following again within 2.8 s",
        noticed,
        recovered,
    );
    row.agent = format!("key gone {}, {}", after(gone), row.agent);
    row
}

pub fn answers_lost() -> Row {
    changed_way(
        Line::Good,
        Line::Silent,
        "answers of the member in use are lost, requests arrive",
    )
}

pub fn requests_lost() -> Row {
    changed_way(
        Line::Silent,
        Line::Good,
        "requests to the member in use are lost, answers arrive",
    )
}

fn changed_way(there: Line, back: Line, fault: &'static str) -> Row {
    let site = Site::start();
    let since = Instant::now();
    site.wires[0].set(there, back);
    let [noticed, recovered] = left_for_another(&site, since, site.silence_noticed());
    site.wires[0].mend();
    unnoticed_afterwards(&site);
    Row::of(
        fault,
        "the key stays under its lease, the file follows again; noticed by a half of the TTL, by \
         the proxy side within 5 s",
        noticed,
        recovered,
    )
}

/// Longer than a ping may take.
pub fn slow_member() -> Row {
    let slow = Line::Slow(Duration::from_millis(2_500));
    changed_way(
        slow,
        slow,
        "the way to the member in use takes 2.5 s each way",
    )
}

/// Within the time for a call.
pub fn slow_everywhere() -> Row {
    let ttl = Duration::from_secs(18);
    let site = Site::with(&Plan {
        ttl: Some(ttl),
        ..Plan::default()
    });
    let delay = Duration::from_millis(500);
    let since = Instant::now();
    for wire in &site.wires {
        wire.set(Line::Slow(delay), Line::Slow(delay));
    }
    site.put_other(0, "10.0.0.1:80");
    let put = Instant::now();
    site.wait_for_file(&[&site.backend.address(), "10.0.0.1:80"], delay + SLACK);
    let took = put.elapsed();
    site.assert_kept_for_a_ttl(since);
    Row {
        fault: "the way to every member takes 0.5 s each way (TTL 18 s)",
        promised: "the key stays under its lease, as an answer comes within a sixth of the TTL; the \
                   file follows that much later",
        agent: "key kept".to_owned(),
        proxy: format!("change in the file {}", after(took)),
    }
}

/// Long and narrow, and there is much to read.
pub fn narrow_everywhere() -> Row {
    const BYTES: usize = 2_000_000;
    let site = Site::with(&Plan {
        ttl: Some(Duration::from_secs(18)),
        ..Plan::default()
    });
    let since = Instant::now();
    let narrow = Line::Narrow(Duration::from_millis(20), 1_000_000);
    for wire in &site.wires {
        wire.set(narrow, narrow);
    }
    let value = "x".repeat(2_000);
    let pairs = (0..BYTES / value.len()).map(|n| (format!("/services/web/{n:04}"), value.clone()));
    site.members[0].put_each(pairs);
    site.put_other(0, "10.0.0.1:80");
    let put = Instant::now();
    let ours = site.backend.address();
    let mut all = vec![value.as_str(); BYTES / value.len()];
    all.extend([ours.as_str(), "10.0.0.1:80"]);
    site.wait_for_file(&all, NARROW + SLACK);
    let followed = put.elapsed();
    // From nothing.
    let (confdir, urls) = (site::file(), site.wires.iter().map(Wire::url));
    let urls = urls.collect::<Vec<_>>().join(",");
    let started = Instant::now();
    let proxy = Running::proxy(&urls, &confdir, &[]);
    site::wait_for_file(&confdir, &all, NARROW + SLACK);
    let read = started.elapsed();
    site.assert_kept_for_a_ttl(since);
    for proxy in [&site.proxy, &proxy] {
        assert_eq!(proxy.said(site::LOST), 0, "{}", proxy.log());
    }
    Row {
        fault: "the way to every member takes 20 ms each way and carries 1 MB a second, and 2 MB are \
                put (TTL 18 s)",
        promised: "the key stays under its lease; the file follows, and is written from nothing, as \
                   soon as all of it has come; nobody takes etcd for gone",
        agent: "key kept".to_owned(),
        proxy: format!(
            "last change {}, from nothing {}",
            after(followed),
            after(read)
        ),
    }
}

/// TCP sends again what was lost at first; connections are made anew.
pub fn first_packet_lost() -> Row {
    let site = Site::with(&Plan {
        ttl: Some(Duration::from_secs(18)),
        ..Plan::default()
    });
    for wire in &site.wires {
        wire.lose_first(SENT_AGAIN);
    }
    let since = Instant::now();
    for wire in &site.wires {
        wire.cut();
    }
    let at_once = Both {
        agent: Duration::from_secs(1),
        proxy: Duration::from_secs(1),
    };
    let again = Both {
        agent: SENT_AGAIN + site.agent_tries_again(),
        proxy: SENT_AGAIN + PROXY_TRIES_AGAIN,
    };
    let [noticed, recovered] = site.lost_and_back(since, at_once, again);
    site.put_other(1, "10.0.0.1:80");
    site.wait_for_file(&[&site.backend.address(), "10.0.0.1:80"], SLACK);
    site.assert_kept_for_a_ttl(since);
    site.assert_said_once();
    Row::of(
        "connections break, and over each new one the first packet is lost, and sent again after 1 s \
         (TTL 18 s)",
        "the key stays under its lease, the file follows again: an attempt to connect has 2 s",
        noticed,
        recovered,
    )
}

/// In the middle of a message, on each wire: wherever the two are.
pub fn reset() -> Row {
    let site = Site::start();
    let since = Instant::now();
    for wire in &site.wires {
        wire.reset_after(20_000);
    }
    let values: Vec<_> = (0..2_000)
        .map(|n| format!("10.1.{}.{}:80", n / 250, n % 250))
        .collect();
    let pairs = values.iter().enumerate();
    site.members[1]
        .put_each(pairs.map(|(n, value)| (format!("/services/web/{n:04}"), value.clone())));
    let ours = site.backend.address();
    let all: Vec<_> = values
        .iter()
        .map(String::as_str)
        .chain([ours.as_str()])
        .collect();
    site.wait_for_file(&all, SOON + SLACK);
    let took = since.elapsed();
    assert!(site.wires[0].was_reset());
    site.proxy.wait_for_event(site::BACK, SLACK);
    site.assert_kept_for_a_ttl(since);
    Row {
        fault: "connections are reset in the middle of a message, while 2,000 keys are put",
        promised: "the key stays under its lease; the file has all of them",
        agent: "key kept".to_owned(),
        proxy: format!("all in the file {}", after(took)),
    }
}

/// From the start: nothing listens at the first endpoint, nothing answers at the next four.
pub fn dead_endpoints() -> Row {
    const SILENT: u32 = 4;
    let site = Site::start();
    let silent: Vec<_> = (0..SILENT)
        .map(|_| {
            let wire = Wire::to(site.members[0].address());
            wire.set(Line::Silent, Line::Silent);
            wire
        })
        .collect();
    let mut endpoints = vec![format!("http://{}", own_address())];
    endpoints.extend(silent.iter().map(Wire::url));
    endpoints.push(site.wires[0].url());
    let endpoints = endpoints.join(",");
    let backend = Nginx::start();
    let observer = Observer::start(vec![site.members[0].url()], None, backend.key());
    let confdir = site::file();

    let since = Instant::now();
    let agent = Running::spawn(&mut site::agent(&backend, &endpoints, site.ttl));
    let proxy = Running::proxy(&endpoints, &confdir, &[]);
    let limit = SILENT * site.ttl / 6 + SLACK;
    let (at, _) = observer.wait("the key is there", limit, Option::is_some);
    let registered = at.duration_since(since);
    let both = [site.backend.address(), backend.address()];
    let both = both.each_ref().map(String::as_str);
    let limit = SILENT * PROXY_CONNECTS + SLACK;
    site::wait_for_file(&confdir, &both, limit.saturating_sub(since.elapsed()));
    let written = since.elapsed();
    // The endpoint that works stays in use.
    std::thread::sleep(site.ttl);
    site::assert_said_once(&agent);
    site::assert_said_once(&proxy);
    assert!(observer.now().is_some());
    Row {
        fault: "of six endpoints the first refuses and four are silent, from the start",
        promised: "the sixth is used; each silent one takes a sixth of the TTL, and 2 s",
        agent: format!("registered {}", after(registered)),
        proxy: format!("file written {}", after(written)),
    }
}

/// The only endpoint is a name.
pub fn name_moves() -> Row {
    let mut row = Row {
        fault: "the name of the only endpoint gets another address, the old one is silent",
        promised: "the key stays under its lease, the file follows again; looked up at each attempt",
        agent: "skipped: mount namespaces are not allowed".to_owned(),
        proxy: "skipped".to_owned(),
    };
    if !may_have_own_hosts() {
        assert!(std::env::var_os("CI").is_none(), "cannot mount /etc/hosts");
        return row;
    }
    let site = Site::with(&Plan::default());
    let old = Wire::to(site.members[0].address());
    let new_address = SocketAddrV4::new(*own_address().ip(), old.address().port());
    let _new = Wire::at(new_address, site.members[1].address());
    let hosts = tempfile::NamedTempFile::new().unwrap();
    let line = |ip: &Ipv4Addr| format!("{ip} etcd.test\n");
    fs::write(hosts.path(), line(old.address().ip())).unwrap();
    let endpoint = format!("http://etcd.test:{}", old.address().port());

    let (backend, confdir) = (Nginx::start(), site::file());
    let urls = vec![site.members[0].url()];
    let observer = Observer::start(urls, None, backend.key());
    let agent = site::agent(&backend, &endpoint, site.ttl);
    let agent = Running::spawn(&mut with_own_hosts(&agent, hosts.path()));
    let proxy = render(&endpoint, &confdir);
    let proxy = Running::spawn(&mut with_own_hosts(&proxy, hosts.path()));
    let (_, first) = observer.wait("the key is there", SOON, Option::is_some);
    let both = [site.backend.address(), backend.address()];
    let both = both.each_ref().map(String::as_str);
    site::wait_for_file(&confdir, &both, SOON);

    let since = Instant::now();
    old.set(Line::Silent, Line::Silent);
    fs::write(hosts.path(), line(new_address.ip())).unwrap();
    agent.wait_for_event(site::BACK, site.silence_noticed().agent + SLACK);
    row.agent = format!("recovered {}", after(since.elapsed()));
    proxy.wait_for_event(site::BACK, PROXY_NOTICES + PROXY_TRIES_AGAIN + SLACK);
    row.proxy = format!("recovered {}", after(since.elapsed()));
    site.put_other(2, "10.0.0.1:80");
    site::wait_for_file(&confdir, &[both[0], both[1], "10.0.0.1:80"], SLACK);
    assert_eq!(observer.now(), first, "{}", agent.log());
    row
}

/// Runs it with this file as `/etc/hosts`.
fn with_own_hosts(command: &Command, hosts: &Path) -> Command {
    const SCRIPT: &str = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let mut inside = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        inside.arg("--map-root-user");
    }
    inside.args(["--mount", "sh", "-c", SCRIPT]).arg(hosts);
    inside.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside
}

fn may_have_own_hosts() -> bool {
    let mut probe = with_own_hosts(&Command::new("true"), Path::new("/etc/hosts"));
    probe.status().is_ok_and(|status| status.success())
}
