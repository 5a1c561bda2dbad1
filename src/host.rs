//! The world as it is: the network, this host's processes, files and clocks.

use crate::agent::source::HostSettings;
use crate::etcd::wire::renewals::WireRenewals;
use crate::etcd::wire::{WireDial, WireLink, WireWatch};
use crate::os::alarm::Alarm;
use crate::os::notify::NotifySocket;
use crate::os::signal::Caught;
use crate::probe::checks::Checks;
use crate::proxy::child::HostChild;
use crate::proxy::pass::HostFiles;
use crate::world::World;
use renderer::descriptors::raise_limit;
use rustix::process::{Resource, getrlimit};

#[derive(Debug)]
pub enum ThisHost {}

/// For what is to be random in a loop.
#[must_use]
pub fn seed() -> u64 {
    fastrand::u64(..)
}

/// Descriptors for all but probes: etcd, logs, signals, files that are being read.
const OTHER_DESCRIPTORS: u64 = 64;

/// How many descriptors probes may use at one time, once the limit was raised. `of_doors`: the most that who
/// looks in takes.
#[must_use]
pub fn descriptors(of_doors: usize) -> usize {
    raise_limit();
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let room = limit
        .saturating_sub(OTHER_DESCRIPTORS + of_doors as u64)
        .max(LEAST_ROOM);
    usize::try_from(room).unwrap_or(usize::MAX)
}

/// For one probe at a time, whatever it is.
const LEAST_ROOM: u64 = 8;

impl World for ThisHost {
    type Dial = WireDial;
    type Link = WireLink;
    type Watch = WireWatch;
    type Renewals = WireRenewals;
    type Backend = Checks;
    type Source = HostSettings;
    type Timer = Alarm;
    type Manager = NotifySocket;
    type Signals = Caught;
    type Files = HostFiles;
    type Child = HostChild;
}
