//! By which doors others may look in.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::limits::Limits;
use crate::fault::Place;

/// Nothing listens unless it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObserveConfig {
    /// Where HTTP is served.
    pub listen: Option<DoorConfig<SocketAddr>>,
    /// The names by which it may be asked for there, besides this host's.
    pub hosts: Vec<String>,
    /// The socket for status, drain and resume.
    pub control: Option<DoorConfig<PathBuf>>,
}

/// A door, and where it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorConfig<T> {
    pub place: Place,
    pub at: T,
}

/// The runtime of the thread, the listener, and a connection that is being turned away.
const BESIDE_CONNECTIONS: usize = 8;

impl ObserveConfig {
    /// Whether others are let in by other doors, wherever that was asked for.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> bool {
        let listen = |config: &Self| config.listen.as_ref().map(|door| door.at);
        let control = |config: &Self| config.control.as_ref().map(|door| door.at.clone());
        listen(self) != listen(other)
            || control(self) != control(other)
            || self.hosts != other.hosts
    }

    /// The most descriptors that the doors take.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        let doors = usize::from(self.listen.is_some()) + usize::from(self.control.is_some());
        doors * (Limits::of_this_host().connections + BESIDE_CONNECTIONS)
    }
}
