use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Balancer, Etcd, Load, Nginx, Running, SOON, figure};

const BACKENDS: usize = 3;
/// Enough that a server in use would have had its turn many times.
const MANY: usize = 300;

/// Fields in the order in which they may end.
struct Scene {
    load: Load,
    _balancer: Balancer,
    agents: Vec<Running>,
    backends: Vec<Nginx>,
    etcd: Etcd,
    agent_flags: &'static [&'static str],
}

impl Scene {
    /// All backends in use, under load.
    fn start(agent_flags: &'static [&'static str]) -> Self {
        let etcd = Etcd::start();
        let backends: Vec<_> = (0..BACKENDS).map(|_| Nginx::start()).collect();
        let agents = backends
            .iter()
            .map(|backend| Running::agent(&etcd, backend, agent_flags))
            .collect();
        for backend in &backends {
            etcd.wait_for(&backend.key(), SOON);
        }
        let balancer = Balancer::start(&etcd);
        let load = Load::on(balancer.address());
        for backend in &backends {
            load.wait_for_answers_of(&backend.address());
        }
        Self {
            load,
            _balancer: balancer,
            agents,
            backends,
            etcd,
            agent_flags,
        }
    }

    /// In the order of the units: the agent stops before its backend and starts after it.
    fn restart(&mut self, number: usize) {
        let (agent, backend) = (&mut self.agents[number], &mut self.backends[number]);
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_for_exit(SOON), 0);
        // Killed, it finishes no request: that none is left is what draining is for.
        backend.stop();
        backend.restart();
        *agent = Running::agent(&self.etcd, backend, self.agent_flags);
        self.load.wait_for_answers_of(&backend.address());
    }

    /// Prints how long and how many requests failed after `killed`. None failed before, and none
    /// once nginx has let go.
    fn tell_loss_since(&self, killed: Instant, how: &str) {
        self.load.wait_for_answers_in_a_row(MANY);
        let tally = self.load.tally();
        let last = tally.failures.last().map_or(killed, |failure| failure.0);
        figure(&format!(
            "{how}: nginx stopped using it after {} ms, {} of {} requests failed",
            (last - killed).as_millis(),
            tally.failures.len(),
            tally.requests()
        ));
        for (when, failure) in &tally.failures {
            assert!(*when >= killed, "before the kill: {failure}");
            assert!(failure.contains("502"), "{failure}");
        }
        assert!(last - killed < Duration::from_secs(2), "{tally:?}");
    }
}

fn rolling_restarts(rounds: usize, agent_flags: &'static [&'static str]) {
    let mut scene = Scene::start(agent_flags);
    for _ in 0..rounds {
        for number in 0..BACKENDS {
            scene.restart(number);
        }
    }
    let tally = scene.load.tally();
    figure(&format!(
        "{rounds} rolling restarts of {BACKENDS} backends: {} of {} requests failed",
        tally.failures.len(),
        tally.requests()
    ));
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
}

/// With `LONG_TESTS` set, ten times over: that takes more than a minute.
#[test]
fn a_rolling_restart_of_every_backend_loses_no_request() {
    if std::env::var_os("LONG_TESTS").is_some() {
        rolling_restarts(10, &["--drain", "2s"]);
    } else {
        rolling_restarts(2, &["--drain", "1s"]);
    }
}

#[test]
fn a_killed_backend_is_out_of_use_once_a_probe_fails() {
    let mut scene = Scene::start(&["--fall", "1"]);
    let killed = Instant::now();
    scene.backends[0].stop();
    scene.tell_loss_since(killed, "backend killed, probed every 200 ms");

    let failed = scene.load.tally().failures.len();
    scene.backends[0].restart();
    let address = scene.backends[0].address();
    scene.load.wait_for_answers_of(&address);
    assert_eq!(scene.load.tally().failures.len(), failed);
}

#[test]
fn a_killed_backend_is_out_of_use_at_once_when_its_agent_stops_with_it() {
    // As systemd has it with `BindsTo=`; probing alone would take far too long.
    let mut scene = Scene::start(&["--fall", "1000"]);
    let killed = Instant::now();
    scene.backends[0].stop();
    scene.agents[0].signal(Signal::TERM);
    scene.tell_loss_since(killed, "backend killed, its agent stopped with it");
}
