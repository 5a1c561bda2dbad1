//! What happens to the world, from a seed.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::Mood;
use crate::world::{Away, VETERAN_AGENTS, VETERAN_PROXIES, World};

/// From one thing to the next.
const PACE: Duration = Duration::from_millis(50);

pub struct Churn {
    random: fastrand::Rng,
    done: BTreeMap<&'static str, usize>,
}

impl Churn {
    pub fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            done: BTreeMap::new(),
        }
    }

    pub fn go_on(&mut self, world: &mut World, lasting: Duration) {
        let start = Instant::now();
        while start.elapsed() < lasting {
            let what = self.next(world);
            *self.done.entry(what).or_default() += 1;
            sleep(PACE);
        }
    }

    fn next(&mut self, world: &mut World) -> &'static str {
        match self.random.u8(..100) {
            ..45 => {
                let number = self.random.usize(..world.agents.len());
                let (mood, what) = match self.random.u8(..6) {
                    0 => (Mood::Ill, "backend fails"),
                    1 => (Mood::Hung, "backend hangs"),
                    _ => (Mood::Well, "backend is well"),
                };
                world.agents[number].turn(mood);
                what
            }
            45..65 => {
                world.restart_agent(self.agent(world), Signal::TERM);
                "agent restarted"
            }
            65..80 => {
                world.restart_agent(self.agent(world), Signal::KILL);
                "agent killed"
            }
            80..86 => {
                world.restart_proxy(self.proxy(world), Signal::TERM);
                "proxy restarted"
            }
            86..93 => {
                world.restart_proxy(self.proxy(world), Signal::KILL);
                "proxy killed"
            }
            // One member at a time, or there is no etcd.
            93.. if world.away.is_some() => {
                world.repair();
                "member of etcd repaired"
            }
            kind @ 93.. => {
                let number = self.random.usize(..world.members.len());
                let member = &mut world.members[number];
                let (away, what) = if kind < 97 {
                    member.kill();
                    (Away::Killed, "member of etcd killed")
                } else {
                    member.hang();
                    (Away::Hung, "member of etcd hung")
                };
                world.away = Some((number, away));
                what
            }
        }
    }

    fn agent(&mut self, world: &World) -> usize {
        self.random.usize(VETERAN_AGENTS..world.agents.len())
    }

    fn proxy(&mut self, world: &World) -> usize {
        self.random.usize(VETERAN_PROXIES..world.proxies.len())
    }

    /// How often each thing happened.
    pub fn summary(&self) -> String {
        let parts = self
            .done
            .iter()
            .map(|(what, count)| format!("{count} {what}"));
        parts.collect::<Vec<_>>().join(", ")
    }
}
