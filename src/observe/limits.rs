//! What whoever looks in may take up.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};

/// At one door, unless descriptors are scarce.
const CONNECTIONS: usize = 128;

/// A door takes no more than this part of the descriptors that we may have.
const PART: u64 = 8;

const LEAST_CONNECTIONS: usize = 4;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At one door. When there are as many, the one that has waited longest makes room.
    pub connections: usize,
    /// Until a request is complete.
    pub request: Duration,
    /// Until its answer is taken.
    pub response: Duration,
    /// Until the other side has closed, once all is said.
    pub farewell: Duration,
    /// Until the loop has made a report.
    pub report: Duration,
    /// How long a report is good for.
    pub fresh: Duration,
    /// How long requests under way may take when the process ends.
    pub stop: Duration,
}

impl Limits {
    /// With no more connections than there are descriptors for.
    #[must_use]
    pub fn of_this_host() -> Self {
        let limit = getrlimit(Resource::Nofile).maximum;
        Self {
            connections: limit.map_or(CONNECTIONS, connections),
            ..Self::default()
        }
    }
}

fn connections(descriptors: u64) -> usize {
    let part = usize::try_from(descriptors / PART).unwrap_or(usize::MAX);
    part.clamp(LEAST_CONNECTIONS, CONNECTIONS)
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            request: Duration::from_secs(5),
            response: Duration::from_secs(10),
            farewell: Duration::from_secs(1),
            report: Duration::from_secs(1),
            fresh: Duration::from_millis(250),
            stop: Duration::from_millis(250),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_descriptors_are_scarce_doors_leave_most_of_them() {
        let table = [(40, 5), (256, 32), (1024, 128), (u64::MAX, 128), (0, 4)];
        for (descriptors, held) in table {
            assert_eq!(connections(descriptors), held);
        }
    }
}
