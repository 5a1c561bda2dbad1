//! Being cut off from etcd is logged once when it starts and once when it ends.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::error::EtcdError;

/// Whether etcd is away, and since when.
#[derive(Debug, Default)]
pub(super) struct Outage {
    since: Option<Instant>,
}

impl Outage {
    /// Etcd could not be reached, or a connection broke.
    pub(super) fn goes_on(&mut self, error: &EtcdError) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
            warn!("{error}; trying again until it answers");
        }
    }

    /// The endpoint answered.
    pub(super) fn ends(&mut self, endpoint: &str) {
        if let Some(since) = self.since.take() {
            let away = humantime::format_duration(Duration::from_secs(since.elapsed().as_secs()));
            info!(endpoint, "etcd answers again after {away}");
        }
    }
}
