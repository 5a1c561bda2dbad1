//! What whoever looks in may take up.

use std::time::Duration;

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

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            request: Duration::from_secs(5),
            response: Duration::from_secs(10),
            farewell: Duration::from_secs(1),
            report: Duration::from_secs(1),
            fresh: Duration::from_millis(250),
            stop: Duration::from_millis(250),
        }
    }
}
