//! What a seed stands for: a setting, and what happens in it. Nothing else is random, and whatever
//! is not told to fail works, so that a schedule stays one when parts of it are left out.

use fastrand::Rng;
use renderer::transaction::Check;

use crate::clock::Time;
use crate::disk::{self, BAD, Kinds, RESOURCES};
use crate::etcd::{Member, SLACK};
use crate::host::{CHECKS, Met};
use crate::keys::{KEYS, TREES};
use crate::network::{Fate, LATEST};

/// The most that a schedule has of steps.
const LONGEST: usize = 64;

const TTLS: [Time; 3] = [3_000, 6_000, 12_000];

/// Values that others write.
const FOREIGN: u8 = 7;

#[derive(Clone, Debug)]
pub struct Schedule {
    pub setting: Setting,
    pub steps: Vec<Step>,
}

/// A service of an agent. Its key tells it from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    pub key: usize,
    pub value: u8,
    pub ttl: Time,
    /// By which of its backend's checks it is probed.
    pub check: usize,
    pub drained: bool,
}

#[derive(Clone, Debug)]
pub struct Agent {
    /// As they stand in its file at the beginning.
    pub services: Vec<Service>,
    /// Its file can be read again.
    pub lasting: bool,
    pub drain: Time,
    pub stop_timeout: Time,
    pub seed: u64,
}

#[derive(Clone, Debug)]
pub struct Setting {
    pub members: usize,
    pub slack: Time,
    pub agents: Vec<Agent>,
    pub proxy: Option<(Kinds, u64)>,
    /// How often the proxy side brings all in step besides.
    pub interval: Option<Time>,
    /// What one action on the files takes.
    pub pace: Time,
    /// Reads are answered in pages of one key.
    pub paged: bool,
    /// Service managers want to know that loops turn, which turns them.
    pub watched: bool,
    /// Everybody has a user's name and password.
    pub named: bool,
    /// Authentication, roles and certificates matter.
    pub guarded: bool,
    /// Leases of others that are kept alive stay to the end.
    pub others_stay: bool,
    /// In the end backends are turned, and agents stopped.
    pub epilogue: bool,
}

/// A change of an agent's file. Those of a service that is not there change nothing.
#[derive(Clone, Copy, Debug)]
pub enum Edit {
    /// In the place of the one with that key, if there is one.
    Put(Service),
    Remove,
    Value(u8),
    Ttl(Time),
    Check(usize),
    Drained(bool),
}

/// How an agent finds its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Works,
    Fails,
    /// For so long.
    Hangs(Time),
}

#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// After the last one.
    pub after: Time,
    pub what: What,
}

/// `client`: an agent by its number, or the proxy side.
#[derive(Clone, Copy, Debug)]
pub enum What {
    Backend {
        agent: usize,
        key: usize,
        check: usize,
        met: Met,
    },
    /// The agent's file is another, which it sees when it starts or is told to reload.
    Edit {
        agent: usize,
        key: usize,
        edit: Edit,
    },
    /// A service is taken out from outside, or put back in.
    Say {
        agent: usize,
        key: usize,
        drained: bool,
    },
    /// SIGHUP.
    ReloadAgent {
        agent: usize,
        reading: Reading,
    },
    Start {
        client: usize,
    },
    Stop {
        client: usize,
    },
    Kill {
        client: usize,
    },
    Freeze {
        client: usize,
        time: Time,
    },
    /// Its service manager takes nothing, or does again.
    Deaf {
        client: usize,
        deaf: bool,
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
    /// A member does not take our certificate, or does again.
    Picky {
        member: usize,
        picky: bool,
    },
    /// Authentication is enabled or disabled.
    Users {
        enabled: bool,
    },
    /// Our role covers a tree, or does not.
    Role {
        tree: usize,
        allowed: bool,
    },
    /// Our role covers keys alone, or only what lies below them.
    Bare {
        allowed: bool,
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
    /// At one revision.
    PutInAllTrees {
        value: u8,
    },
    /// More than there is room for.
    Burst {
        key: usize,
        count: u8,
    },
    Delete {
        key: usize,
    },
    /// The lease that holds the key is revoked.
    Revoke {
        key: usize,
    },
    /// SIGHUP.
    ReloadProxy {
        other_keys: bool,
    },
    /// The action on the files after so many meets this.
    Disk {
        after: usize,
        fate: disk::Fate,
    },
    /// Somebody writes into a file, and has it read.
    Meddle {
        file: usize,
    },
    Daemon {
        broken: bool,
    },
    /// What one action on the files takes.
    Pace {
        time: Time,
    },
    /// The child does not end when it is told to, or does again.
    Child {
        stubborn: bool,
    },
    ChildEnds,
    /// A signal for the child.
    ForChild,
    /// A watch only tells how far it is.
    Notify,
}

impl Service {
    /// Not drained.
    pub fn new(key: usize, value: u8, ttl: Time) -> Self {
        Self {
            key,
            value,
            ttl,
            check: 0,
            drained: false,
        }
    }
}

impl Agent {
    /// The agent of these services alone, which their backends are up for.
    pub fn of_services(services: Vec<Service>) -> Self {
        Self {
            services,
            lasting: true,
            drain: 0,
            stop_timeout: 1_000,
            seed: 0,
        }
    }
}

impl Setting {
    /// One member, and one agent whose backend is up; nothing else is in its way.
    pub fn of_one_agent(ttl: Time) -> Self {
        Self {
            members: 1,
            slack: 0,
            agents: vec![Agent {
                services: vec![Service::new(0, 1, ttl)],
                lasting: false,
                drain: 0,
                stop_timeout: 1_000,
                seed: 2,
            }],
            proxy: None,
            interval: None,
            pace: 2,
            paged: false,
            watched: true,
            named: true,
            guarded: true,
            others_stay: false,
            epilogue: false,
        }
    }

    pub fn kinds(&self) -> Kinds {
        let unused = Kinds {
            checks: [Check::Never; RESOURCES],
            reloads: [0, 1, 2],
            reload_interval: None,
            wide: false,
            child: false,
        };
        self.proxy.map_or(unused, |(kinds, _)| kinds)
    }
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
    // Agents on keys of their own, on one, or both; with several each; or none, and only the proxy.
    let keys: &[&[usize]] = match rng.u8(0..14) {
        0 => &[],
        1 | 2 => &[&[0]],
        3 => &[&[0], &[2]],
        4 | 5 => &[&[0], &[0]],
        6 => &[&[0], &[0], &[2]],
        7 => &[&[1], &[1], &[1]],
        8 | 9 => &[&[0, 2]],
        10 => &[&[0, 1, 2, 3]],
        11 => &[&[1, 2, 3]],
        12 => &[&[0, 2], &[2]],
        _ => &[&[0, 1], &[1, 2]],
    };
    let same_value = rng.u8(0..4) == 0;
    let ttl = *pick(rng, &TTLS);
    let mut agents = Vec::new();
    for (number, keys) in (1..).zip(keys) {
        let value = if same_value { 1 } else { number };
        agents.push(agent(keys, value, ttl, rng));
    }
    let proxy = (agents.is_empty() || rng.bool()).then(|| {
        let kinds = Kinds {
            checks: *pick(
                rng,
                &[
                    [Check::Never; 3],
                    [Check::Staged; 3],
                    [Check::Swapped(0); 3],
                    [Check::Swapped(0), Check::Swapped(1), Check::Swapped(2)],
                    [Check::Staged, Check::Swapped(0), Check::Swapped(0)],
                    [Check::Never, Check::Swapped(0), Check::Staged],
                ],
            ),
            reloads: *pick(rng, &[[0, 1, 2], [0, 1, 2], [0, 0, 1], [0, 1, 0], [0; 3]]),
            reload_interval: (rng.u8(0..4) == 0).then(|| rng.u64(200..4_000)),
            wide: rng.bool(),
            child: rng.u8(0..3) == 0,
        };
        (kinds, rng.u64(..))
    });
    Setting {
        members: *pick(rng, &[1, 3, 3]),
        slack: rng.u64(0..=SLACK),
        agents,
        proxy,
        interval: match rng.u8(0..32) {
            0 => Some(20),
            1..=4 => Some(rng.u64(2_000..9_000)),
            _ => None,
        },
        pace: *pick(rng, &[2, 2, 2, 30]),
        paged: rng.u8(0..4) == 0,
        watched: rng.bool(),
        named: rng.bool(),
        guarded: rng.u8(0..4) == 0,
        others_stay: rng.bool(),
        epilogue: rng.bool(),
    }
}

fn agent(keys: &[usize], value: u8, ttl: Time, rng: &mut Rng) -> Agent {
    let several = keys.len() > 1;
    let mut service = |key: &usize| Service {
        drained: several && rng.u8(0..8) == 0,
        ttl: if several && rng.u8(0..4) == 0 {
            *pick(rng, &TTLS)
        } else {
            ttl
        },
        ..Service::new(*key, value, ttl)
    };
    Agent {
        services: keys.iter().map(&mut service).collect(),
        lasting: several || rng.u8(0..4) == 0,
        drain: *pick(rng, &[0, 0, 2_000]),
        stop_timeout: *pick(rng, &[1_000, 5_000]),
        seed: rng.u64(..),
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
    match rng.u8(0..14) {
        0..=3 if about_agents => {
            let number = rng.usize(0..agents);
            about_agent(number, &setting.agents[number], rng)
        }
        4 | 5 if setting.proxy.is_some() => about_proxy(agents, setting.kinds(), rng),
        6 if setting.proxy.is_some() => What::Disk {
            after: rng.usize(0..10),
            fate: *pick(
                rng,
                &[
                    disk::Fate::Fails,
                    disk::Fate::Hangs,
                    disk::Fate::KilledBefore,
                    disk::Fate::KilledAfter,
                ],
            ),
        },
        7 if setting.guarded => about_users(setting.members, rng),
        0..=7 => about_network(rng.usize(0..clients), setting.members, rng),
        8 | 9 => about_etcd(setting.members, rng),
        10 => What::Deaf {
            client: rng.usize(0..clients),
            deaf: rng.bool(),
        },
        _ => by_others(rng),
    }
}

fn about_agent(number: usize, agent: &Agent, rng: &mut Rng) -> What {
    let client = number;
    if agent.lasting && rng.u8(0..3) == 0 {
        return about_file(number, agent, rng);
    }
    match rng.u8(0..11) {
        10 => What::Say {
            agent: number,
            key: some_key(agent, rng),
            drained: rng.bool(),
        },
        0..=3 => What::Backend {
            agent: number,
            key: some_key(agent, rng),
            check: usize::from(agent.lasting && rng.u8(0..4) == 0),
            met: *pick(rng, &[Met::Up, Met::Up, Met::Down, Met::Down, Met::Unknown]),
        },
        4 => What::Kill { client },
        5 => What::Stop { client },
        6..=8 => What::Start { client },
        _ => What::Freeze {
            client,
            time: rng.u64(0..15_000),
        },
    }
}

/// One of the agent's keys.
fn some_key(agent: &Agent, rng: &mut Rng) -> usize {
    agent.services[rng.usize(0..agent.services.len())].key
}

fn about_file(number: usize, agent: &Agent, rng: &mut Rng) -> What {
    if rng.bool() {
        return What::ReloadAgent {
            agent: number,
            reading: match rng.u8(0..6) {
                0 => Reading::Fails,
                1 => Reading::Hangs(rng.u64(2..LATEST)),
                _ => Reading::Works,
            },
        };
    }
    let key = some_key(agent, rng);
    let value = rng.u8(1..4);
    let edit = match rng.u8(0..10) {
        0 | 1 => Edit::Remove,
        2..=4 => Edit::Put(Service::new(key, value, *pick(rng, &TTLS))),
        5 | 6 => Edit::Value(value),
        7 => Edit::Ttl(*pick(rng, &TTLS)),
        8 => Edit::Check(rng.usize(0..CHECKS)),
        _ => Edit::Drained(rng.bool()),
    };
    What::Edit {
        agent: number,
        key,
        edit,
    }
}

fn about_proxy(client: usize, kinds: Kinds, rng: &mut Rng) -> What {
    match rng.u8(0..13) {
        0 => What::Kill { client },
        1 => What::Stop { client },
        2 | 3 => What::Start { client },
        4 | 5 => What::ReloadProxy {
            other_keys: rng.bool(),
        },
        6 if kinds.child => What::ChildEnds,
        7 if kinds.child => What::Child {
            stubborn: rng.bool(),
        },
        8 if kinds.child => What::ForChild,
        6..=8 => What::Daemon { broken: rng.bool() },
        9 => What::Freeze {
            client,
            time: rng.u64(0..15_000),
        },
        11 => What::Meddle {
            file: rng.usize(0..RESOURCES),
        },
        10 => What::Pace {
            time: *pick(rng, &[2, 300]),
        },
        _ => What::Notify,
    }
}

fn about_users(members: usize, rng: &mut Rng) -> What {
    match rng.u8(0..7) {
        6 => What::Bare {
            allowed: rng.bool(),
        },
        0..=2 => What::Users {
            enabled: rng.bool(),
        },
        3 | 4 => What::Role {
            tree: rng.usize(0..TREES),
            allowed: rng.bool(),
        },
        _ => What::Picky {
            member: rng.usize(0..members),
            picky: rng.bool(),
        },
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
            state: *pick(rng, &[Member::Up, Member::Hung, Member::Hung, Member::Dead]),
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
        2 => What::Put { key, value },
        3 => What::PutInAllTrees { value },
        4 => What::Burst {
            key,
            count: rng.u8(2..40),
        },
        5 | 6 => What::Delete { key },
        _ => What::Revoke { key },
    }
}

fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(0..of.len())]
}
