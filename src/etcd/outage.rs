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
    pub(super) fn continues(&mut self, error: &EtcdError) {
        let is_news = self.since.is_none();
        self.since.get_or_insert_with(now);
        let reason = error.to_string();
        if self.reasons.len() < MOST_REASONS && !self.reasons.contains(&reason) {
            if is_news {
                warn!(
                    event = "etcd_lost",
                    "{reason}; trying again until it answers"
                );
            } else {
                warn!(event = "etcd_still_lost", "{reason}; still trying");
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
            info!(
                event = "etcd_back",
                endpoint, "etcd answers again after {away}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::Problem;
    use super::*;
    use crate::log::captured;

    const ENDPOINT: &str = "http://e";

    fn error(reason: &str) -> EtcdError {
        EtcdError::new(ENDPOINT, Problem::Unavailable, reason)
    }

    /// What is logged as etcd fails for these reasons, one after the other.
    fn failing(outage: &mut Outage, reasons: &[&str]) -> Vec<String> {
        captured::lines(|| {
            for reason in reasons {
                outage.continues(&error(reason));
            }
        })
    }

    fn ending(outage: &mut Outage) -> Vec<String> {
        captured::lines(|| outage.ends(ENDPOINT))
    }

    #[test]
    fn an_outage_is_said_when_it_starts_and_each_of_its_reasons_once() {
        let mut outage = Outage::default();
        assert_eq!(
            failing(&mut outage, &["refused", "refused", "reset", "refused"]),
            [
                "WARN etcd at http://e: refused; trying again until it answers",
                "WARN etcd at http://e: reset; still trying",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_an_outage_is_said_once_and_how_long_it_took_in_whole_seconds() {
        let mut outage = Outage::default();
        failing(&mut outage, &["refused"]);
        tokio::time::advance(Duration::from_millis(61_500)).await;
        failing(&mut outage, &["refused", "reset"]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(
            ending(&mut outage),
            ["INFO etcd answers again after 1m 2s endpoint=\"http://e\""]
        );
        assert_eq!(ending(&mut outage), [""; 0]);
    }

    #[test]
    fn an_answer_without_an_outage_is_not_worth_a_word() {
        assert_eq!(ending(&mut Outage::default()), [""; 0]);
    }

    #[test]
    fn the_next_outage_is_said_anew() {
        let mut outage = Outage::default();
        failing(&mut outage, &["refused"]);
        ending(&mut outage);
        assert_eq!(
            failing(&mut outage, &["refused"]),
            ["WARN etcd at http://e: refused; trying again until it answers"]
        );
    }

    #[test]
    fn of_endless_reasons_the_first_twenty_are_said() {
        let mut outage = Outage::default();
        let reasons: Vec<_> = (1..=30).map(|port| format!("port {port}")).collect();
        let reasons: Vec<_> = reasons.iter().map(String::as_str).collect();
        let lines = failing(&mut outage, &reasons);
        assert_eq!(lines.len(), 20);
        assert_eq!(lines[19], "WARN etcd at http://e: port 20; still trying");
    }
}
