//! Being cut off from etcd is logged when it starts, when its reason changes, and when it ends.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::error::EtcdError;
use crate::deadline::now;

/// As many reasons are said of one outage. Those that name a port or a time are without end.
const MOST_REASONS: usize = 20;

/// Whether etcd is away, and since when.
#[derive(Debug, Default)]
pub(super) struct Outage {
    since: Option<Instant>,
    /// What has been said of this one.
    reasons: Vec<String>,
}

impl Outage {
    /// Etcd could not be reached, or a connection broke.
    pub(super) fn goes_on(&mut self, error: &EtcdError) {
        let is_news = self.since.is_none();
        self.since.get_or_insert_with(now);
        let reason = error.to_string();
        if self.reasons.len() < MOST_REASONS && !self.reasons.contains(&reason) {
            if is_news {
                warn!("{reason}; trying again until it answers");
            } else {
                warn!("{reason}; still trying");
            }
            self.reasons.push(reason);
        }
    }

    /// The endpoint answered.
    pub(super) fn ends(&mut self, endpoint: &str) {
        if let Some(since) = self.since.take() {
            self.reasons.clear();
            let away = now().saturating_duration_since(since).as_secs();
            let away = humantime::format_duration(Duration::from_secs(away));
            info!(endpoint, "etcd answers again after {away}");
        }
    }
}
