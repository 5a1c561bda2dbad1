//! Three members of etcd, an agent with its backend and a proxy's `register render`, with a wire to
//! each member and between the members.

use std::time::{Duration, Instant};

use crate::harness::running::render;
use crate::harness::{Confdir, Etcd, Logged, Nginx, Running, SOON, Wire, eventually, register};
use crate::observer::{Holder, Observer};

/// For a loaded machine, on top of what is promised.
pub const SLACK: Duration = Duration::from_secs(8);

/// Etcd looks for leases that ran out twice a second, and then asks the members.
pub const ETCD_REVOKES: Duration = Duration::from_secs(1);

/// The proxy side asks a silent server after 3 s whether it is alive, and leaves it 1.9 s later.
pub const PROXY_NOTICES: Duration = Duration::from_secs(5);

/// The proxy side's time for a connection, and again for its first answer.
pub const PROXY_CONNECTS: Duration = Duration::from_secs(2);

/// The same, and the longest wait before it tries.
pub const PROXY_TRIES_AGAIN: Duration = Duration::from_millis(2_800);

/// The agent or the proxy side has lost etcd, and has it again.
pub const LOST: &str = "etcd_lost";
pub const BACK: &str = "etcd_back";

pub struct Site {
    pub ttl: Duration,
    /// The first leads when the scenario begins, and is the first that is asked.
    pub members: Vec<Etcd>,
    pub wires: Vec<Wire>,
    pub peer_wires: Vec<Wire>,
    pub backend: Nginx,
    pub confdir: Confdir,
    pub agent: Running,
    pub proxy: Running,
    pub observer: Observer,
}

/// How a site differs from the plainest.
#[derive(Default)]
pub struct Plan<'a> {
    pub ttl: Option<Duration>,
    pub server_flags: &'a [&'a str],
    /// For the agent and the proxy side.
    pub client_flags: &'a [&'a str],
    /// Done before anybody connects.
    pub prepare: Option<fn(&mut Vec<Etcd>)>,
    /// The administrator's name and password, where users are enabled.
    pub admin: Option<(&'a str, &'a str)>,
}

/// Of the agent, and of the proxy side.
#[derive(Clone, Copy, Debug)]
pub struct Both<T> {
    pub agent: T,
    pub proxy: T,
}

impl Site {
    pub fn start() -> Self {
        Self::with(&Plan::default())
    }

    pub fn with(plan: &Plan) -> Self {
        let ttl = plan.ttl.unwrap_or(Duration::from_secs(6));
        let (mut members, mut peer_wires) = Etcd::start_cluster_on_wires(3, plan.server_flags);
        let leader = eventually("a member leads", SOON, || {
            let found = members.iter().position(|member| member.standing().1);
            found.ok_or_else(|| "none".to_owned())
        });
        members.swap(0, leader);
        peer_wires.swap(0, leader);
        if let Some(prepare) = plan.prepare {
            prepare(&mut members);
        }
        let wires: Vec<_> = members.iter().map(|m| Wire::to(m.address())).collect();
        let endpoints: Vec<_> = wires.iter().map(Wire::url).collect();
        let endpoints = endpoints.join(",");
        let (backend, confdir) = (Nginx::start(), file());
        let urls = members.iter().map(Etcd::url).collect();
        let observer = Observer::start(urls, plan.admin, backend.key());
        let agent = Running::spawn(agent(&backend, &endpoints, ttl).args(plan.client_flags));
        let proxy = Running::spawn(render(&endpoints, &confdir).args(plan.client_flags));
        let site = Self {
            ttl,
            members,
            wires,
            peer_wires,
            backend,
            confdir,
            agent,
            proxy,
            observer,
        };
        site.wait_until_registered(SOON);
        // The answer has come too: an announcement that was never answered is made once more, and
        // the first takes a key over.
        site.agent.wait_for_event("registered", SOON);
        site.wait_for_file(&[&site.backend.address()], SOON);
        site
    }

    /// The longest that either may take to notice that its server does not answer.
    pub fn silence_noticed(&self) -> Both<Duration> {
        Both {
            agent: self.ttl / 3 + self.ttl / 6,
            proxy: PROXY_NOTICES,
        }
    }

    /// The agent's time for a connection, and the longest wait before it tries one.
    pub fn agent_tries_again(&self) -> Duration {
        self.ttl / 6 + Duration::from_secs(1)
    }

    pub fn wait_until_registered(&self, limit: Duration) -> (Instant, Holder) {
        let ours = self.backend.address();
        self.observer.wait(
            "the key is there",
            limit,
            |holder| matches!(holder, Some((lease, value)) if *lease != 0 && *value == ours),
        )
    }

    pub fn wait_until_gone(&self, limit: Duration) -> Instant {
        let (at, _) = self
            .observer
            .wait("the key is gone", limit, Option::is_none);
        at
    }

    /// Until the file has these values and no others.
    pub fn wait_for_file(&self, values: &[&str], limit: Duration) {
        wait_for_file(&self.confdir, values, limit);
    }

    /// As somebody else's agent, past the wires.
    pub fn put_other(&self, member: usize, value: &str) {
        put_other(&self.members[member], value);
    }

    /// How long after `since` each of the two has said that it lost etcd.
    pub fn lost(&self, since: Instant, promised: Both<Duration>) -> Both<Duration> {
        let [lost] = self.wait_for_events(since, [(LOST, promised)]);
        lost
    }

    /// How long after `since` each of the two has said that it has etcd again.
    pub fn back(&self, since: Instant, promised: Both<Duration>) -> Both<Duration> {
        let [back] = self.wait_for_events(since, [(BACK, promised)]);
        back
    }

    /// Both, where nothing has to be mended for the second.
    pub fn lost_and_back(
        &self,
        since: Instant,
        lost: Both<Duration>,
        back: Both<Duration>,
    ) -> [Both<Duration>; 2] {
        self.wait_for_events(since, [(LOST, lost), (BACK, back)])
    }

    /// How long after `since` each of the two has told of each of the events; they may take as long
    /// as is promised.
    fn wait_for_events<const N: usize>(
        &self,
        since: Instant,
        promised: [(&str, Both<Duration>); N],
    ) -> [Both<Duration>; N] {
        let mut seen = [[None; 2]; N];
        let longest = promised.iter().map(|(_, both)| both.agent.max(both.proxy));
        let limit = longest.max().unwrap_or_default() + SLACK;
        eventually("both logs tell what they should", limit, || {
            let logs = [self.agent.log(), self.proxy.log()];
            for ((event, _), seen) in promised.iter().zip(&mut seen) {
                for (log, seen) in logs.iter().zip(seen) {
                    if !Logged::of(log, event).is_empty() {
                        seen.get_or_insert(since.elapsed());
                    }
                }
            }
            let all = seen.as_flattened().iter().all(Option::is_some);
            if all { Ok(()) } else { Err(logs.join("\n")) }
        });
        let took = seen.map(|[agent, proxy]| Both {
            agent: agent.unwrap(),
            proxy: proxy.unwrap(),
        });
        for ((event, promised), took) in promised.iter().zip(&took) {
            let kept = took.agent <= promised.agent + SLACK && took.proxy <= promised.proxy + SLACK;
            assert!(kept, "{event}: {took:?}, where {promised:?} is promised");
        }
        took
    }

    /// Nobody ever saw the key under another lease, or not at all, until a whole TTL after `since`.
    pub fn assert_kept_for_a_ttl(&self, since: Instant) {
        let end = since + self.ttl + ETCD_REVOKES;
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.assert_never_lost();
    }

    /// The same, since `since`.
    pub fn assert_kept_since(&self, since: Instant) {
        let history = self.observer.history();
        let (last, _) = history.last().unwrap();
        assert!(*last <= since, "{history:?}\n{}", self.agent.log());
    }

    /// Nobody ever saw the key under another lease, or not at all, since it was put first.
    pub fn assert_never_lost(&self) {
        let history = self.observer.history();
        let first = history.iter().position(|(_, holder)| holder.is_some());
        assert_eq!(
            history.len(),
            first.unwrap() + 1,
            "{history:?}\n{}",
            self.agent.log()
        );
    }

    /// Each of the two has said once of each outage that etcd was lost, and once that it was back.
    pub fn assert_said_once(&self) {
        assert_said_once(&self.agent);
        assert_said_once(&self.proxy);
    }
}

/// There may be a second outage: a member that comes back may call an election.
pub fn assert_said_once(running: &Running) {
    running.wait_for_event(BACK, SLACK);
    eventually("the outage is over", SLACK, || {
        let said = running.order_of(&[LOST, BACK]);
        let in_turn = said.chunks(2).all(|outage| {
            outage.first() == Some(&LOST) && outage.get(1).is_none_or(|end| *end == BACK)
        });
        assert!(in_turn, "{}", running.log());
        if said.len().is_multiple_of(2) {
            Ok(())
        } else {
            Err(running.log())
        }
    });
}

pub fn agent(backend: &Nginx, endpoints: &str, ttl: Duration) -> std::process::Command {
    let mut command = register();
    command
        .args(["--service", "web", "--address", &backend.address()])
        .args(["--endpoints", endpoints])
        .args(["--ttl", &format!("{}s", ttl.as_secs())])
        .args(["--interval", "200ms", "--fast-interval", "100ms"]);
    command
}

/// A file with a line for each value below `/services/web`.
pub fn file() -> Confdir {
    Confdir::new().with(
        "servers",
        "keys = [\"/services/web\"]",
        "{{range getvs \"/services/web/*\"}}{{.}}\n{{end}}",
    )
}

pub fn wait_for_file(confdir: &Confdir, values: &[&str], limit: Duration) {
    let mut lines: Vec<_> = values.iter().map(|value| format!("{value}\n")).collect();
    lines.sort();
    confdir.wait_for("servers", &lines.concat(), limit);
}

pub fn put_other(member: &Etcd, value: &str) {
    // A cluster that has just lost its leader takes nothing for a moment.
    eventually("etcd takes a put", SOON, || {
        member.try_ctl(&["put", "/services/web/other", value])
    });
}
