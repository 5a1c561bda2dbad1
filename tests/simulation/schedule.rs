//! What a seed stands for: a setting, and what happens in it. Nothing else is random, and whatever
//! is not told to fail works, so that a schedule stays one when parts of it are left out.

use fastrand::Rng;
use renderer::transaction::Check;

use crate::agent::Settings;
use crate::clock::Time;
use crate::disk::{self, BAD, Kinds};
use crate::etcd::{KEYS, Member, SLACK};
use crate::network::{Fate, LATEST};

/// The most that a schedule has of steps.
const LONGEST: usize = 40;

/// Values that others write.
const FOREIGN: u8 = 7;

#[derive(Clone, Debug)]
pub struct Schedule {
    pub setting: Setting,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub struct Setting {
    pub members: usize,
    pub slack: Time,
    pub agents: Vec<Settings>,
    pub proxy: Option<(Kinds, u64)>,
    /// Leases of others that are kept alive stay to the end.
    pub others_stay: bool,
    /// In the end backends are turned, and agents stopped.
    pub epilogue: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// After the last one.
    pub after: Time,
    pub what: What,
}

/// `client`: an agent by its number, or the proxy.
#[derive(Clone, Copy, Debug)]
pub enum What {
    Backend {
        agent: usize,
        up: bool,
    },
    Start {
        agent: usize,
    },
    Stop {
        agent: usize,
    },
    Kill {
        agent: usize,
    },
    Freeze {
        agent: usize,
        time: Time,
    },
    Lag {
        agent: usize,
        time: Time,
    },
    /// The call after so many meets this.
    Call {
        client: usize,
        after: usize,
        fate: Fate,
    },
    Reset {
        client: usize,
    },
    Partition {
        client: usize,
        member: usize,
        time: Time,
    },
    HoldWatch {
        client: usize,
        time: Time,
    },
    Member {
        member: usize,
        state: Member,
    },
    NewLeader,
    Compact,
    Backup,
    Restore {
        same_cluster: bool,
    },
    /// Somebody puts the key under a lease; none: it is kept alive.
    PutLeased {
        key: usize,
        value: u8,
        ttl: Option<Time>,
    },
    Put {
        key: usize,
        value: u8,
    },
    Delete {
        key: usize,
    },
    /// The lease that holds the key is revoked.
    Revoke {
        key: usize,
    },
    StartProxy,
    StopProxy,
    KillProxy,
    /// SIGHUP.
    ReloadProxy {
        other_keys: bool,
    },
    /// The action on the files after so many meets this.
    Disk {
        after: usize,
        fate: disk::Fate,
    },
    Daemon {
        broken: bool,
    },
    /// A watch only tells how far it is.
    Notify,
}

impl Schedule {
    pub fn of(seed: u64) -> Self {
        // Seeds that follow on each other must not give schedules that resemble each other.
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let setting = setting(&mut rng);
        let count = rng.usize(1..=LONGEST);
        let steps = (0..count).map(|_| step(&setting, &mut rng)).collect();
        Self { setting, steps }
    }
}

fn setting(rng: &mut Rng) -> Setting {
    // Agents on keys of their own, on one, or both; or none, and only the proxy.
    let keys: &[usize] = match rng.u8(0..8) {
        0 => &[],
        1 | 2 => &[0],
        3 => &[0, 2],
        4 | 5 => &[0, 0],
        6 => &[0, 0, 2],
        _ => &[1, 1, 1],
    };
    let same_value = rng.u8(0..4) == 0;
    let ttl = *pick(rng, &[3_000, 6_000, 12_000]);
    let mut agents = Vec::new();
    for (number, key) in (1..).zip(keys) {
        agents.push(Settings {
            key: *key,
            value: if same_value { 1 } else { number },
            ttl,
            drain: *pick(rng, &[0, 0, 2_000]),
            stop_timeout: *pick(rng, &[1_000, 5_000]),
            seed: rng.u64(..),
        });
    }
    let proxy = (agents.is_empty() || rng.bool()).then(|| {
        let kinds = Kinds {
            checks: *pick(
                rng,
                &[
                    [Check::Never; 2],
                    [Check::Staged; 2],
                    [Check::Swapped(0); 2],
                    [Check::Swapped(0), Check::Swapped(1)],
                    [Check::Staged, Check::Swapped(0)],
                    [Check::Never, Check::Swapped(0)],
                ],
            ),
            shared: rng.bool(),
        };
        (kinds, rng.u64(..))
    });
    Setting {
        members: *pick(rng, &[1, 1, 3]),
        slack: rng.u64(0..=SLACK),
        agents,
        proxy,
        others_stay: rng.bool(),
        epilogue: rng.bool(),
    }
}

fn step(setting: &Setting, rng: &mut Rng) -> Step {
    let after = match rng.u8(0..8) {
        0..=2 => rng.u64(0..6),
        3 | 4 => rng.u64(0..120),
        5 | 6 => rng.u64(0..2_000),
        _ => rng.u64(0..9_000),
    };
    Step {
        after,
        what: what(setting, rng),
    }
}

fn what(setting: &Setting, rng: &mut Rng) -> What {
    let agents = setting.agents.len();
    let clients = agents + usize::from(setting.proxy.is_some());
    let about_agents = agents > 0 && rng.u8(0..4) > 0;
    match rng.u8(0..12) {
        0..=3 if about_agents => about_agent(rng.usize(0..agents), rng),
        4 if setting.proxy.is_some() => about_proxy(rng),
        5 if setting.proxy.is_some() => What::Disk {
            after: rng.usize(0..10),
            fate: *pick(
                rng,
                &[
                    disk::Fate::Fails,
                    disk::Fate::KilledBefore,
                    disk::Fate::KilledAfter,
                ],
            ),
        },
        0..=6 => about_network(rng.usize(0..clients), setting.members, rng),
        7 | 8 => about_etcd(setting.members, rng),
        _ => by_others(rng),
    }
}

fn about_agent(agent: usize, rng: &mut Rng) -> What {
    match rng.u8(0..12) {
        0..=3 => What::Backend {
            agent,
            up: rng.bool(),
        },
        4 => What::Kill { agent },
        5 => What::Stop { agent },
        6..=8 => What::Start { agent },
        9 => What::Freeze {
            agent,
            time: rng.u64(0..15_000),
        },
        _ => What::Lag {
            agent,
            time: rng.u64(0..3_000),
        },
    }
}

fn about_proxy(rng: &mut Rng) -> What {
    match rng.u8(0..8) {
        0 => What::KillProxy,
        1 => What::StopProxy,
        2 | 3 => What::StartProxy,
        4 => What::ReloadProxy {
            other_keys: rng.bool(),
        },
        5 | 6 => What::Daemon { broken: rng.bool() },
        _ => What::Notify,
    }
}

fn about_network(client: usize, members: usize, rng: &mut Rng) -> What {
    match rng.u8(0..10) {
        0..=5 => What::Call {
            client,
            after: rng.usize(0..6),
            fate: fate(rng),
        },
        6 => What::Reset { client },
        7 => What::Partition {
            client,
            member: rng.usize(0..members),
            time: rng.u64(0..15_000),
        },
        _ => What::HoldWatch {
            client,
            time: rng.u64(0..5_000),
        },
    }
}

fn fate(rng: &mut Rng) -> Fate {
    match rng.u8(0..8) {
        0 => Fate::Slow(rng.u64(2..3_000)),
        1 | 2 => Fate::AnswerLost,
        3 => Fate::NeverArrives,
        4 => Fate::Hangs,
        5 | 6 => Fate::Late(rng.u64(2..LATEST)),
        _ => Fate::TurnedDown,
    }
}

fn about_etcd(members: usize, rng: &mut Rng) -> What {
    match rng.u8(0..10) {
        0..=3 => What::Member {
            member: rng.usize(0..members),
            state: *pick(rng, &[Member::Up, Member::Up, Member::Hung, Member::Dead]),
        },
        4 => What::NewLeader,
        5 | 6 => What::Compact,
        7 => What::Backup,
        _ => What::Restore {
            same_cluster: rng.bool(),
        },
    }
}

fn by_others(rng: &mut Rng) -> What {
    let key = rng.usize(0..KEYS);
    let value = *pick(rng, &[1, FOREIGN, FOREIGN + 1, BAD]);
    match rng.u8(0..8) {
        0 | 1 => What::PutLeased {
            key,
            value,
            ttl: rng.bool().then(|| rng.u64(500..8_000)),
        },
        2..=4 => What::Put { key, value },
        5 | 6 => What::Delete { key },
        _ => What::Revoke { key },
    }
}

fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(0..of.len())]
}
