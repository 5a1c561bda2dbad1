//! The world as it is: the network, this host's processes, files and clocks.

use crate::etcd::wire::{WireDial, WireLink, WireWatch};
use crate::os::alarm::Alarm;
use crate::os::notify::NotifySocket;
use crate::os::signal::Caught;
use crate::probe::checks::Checks;
use crate::proxy::child::HostChild;
use crate::proxy::pass::HostFiles;
use crate::world::World;

#[derive(Debug)]
pub enum ThisHost {}

/// For what is to be random in a loop.
#[must_use]
pub fn seed() -> u64 {
    fastrand::u64(..)
}

impl World for ThisHost {
    type Dial = WireDial;
    type Link = WireLink;
    type Watch = WireWatch;
    type Backend = Checks;
    type Timer = Alarm;
    type Manager = NotifySocket;
    type Signals = Caught;
    type Files = HostFiles;
    type Child = HostChild;
}
