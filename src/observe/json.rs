//! A report as JSON: what `/api/v1/status` and `register status --output json` show. Times are RFC 3339,
//! spans are in seconds; what is not known is null.

use std::time::{Duration, Instant, SystemTime};

use humantime::format_rfc3339_millis;
use serde_json::{Value, json};

use super::report::{
    EtcdReport, FileReport, LeaseReport, OutageReport, ProbeReport, Report, ResourceReport,
    ServiceReport, Side, StageReport,
};
use crate::health::Verdict;

/// Relates what was measured to the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    at: Instant,
    wall: SystemTime,
}

impl Clock {
    #[must_use]
    pub fn new(at: Instant, wall: SystemTime) -> Self {
        Self { at, wall }
    }

    /// The time of day then.
    #[must_use]
    pub fn wall(&self, then: Instant) -> SystemTime {
        let after = then.checked_duration_since(self.at);
        let wall = match after {
            Some(after) => self.wall.checked_add(after),
            None => self.wall.checked_sub(self.at.duration_since(then)),
        };
        wall.unwrap_or(SystemTime::UNIX_EPOCH)
    }

    fn text(&self, then: Instant) -> String {
        format_rfc3339_millis(self.wall(then)).to_string()
    }
}

/// `wall`: the time of day when the report was made.
#[must_use]
pub fn of(report: &Report, wall: SystemTime) -> Value {
    let clock = Clock::new(report.at, wall);
    let process = json!({
        "role": match report.side {
            Side::Agent(_) => "agent",
            Side::Proxy(_) => "proxy",
        },
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "began_at": clock.text(report.began_at),
        "ready": report.is_ready,
        "stopping": report.is_stopping,
    });
    let mut json = json!({
        "at": clock.text(report.at),
        "process": process,
        "etcd": etcd(&report.etcd, &clock),
    });
    match &report.side {
        Side::Agent(agent) => {
            let services = agent.services.iter();
            let services: Vec<_> = services
                .map(|one| service(one, report.at, &clock))
                .collect();
            json["services"] = services.into();
            json["without_address"] = agent.without_address.into();
        }
        Side::Proxy(proxy) => {
            let resources = proxy.resources.iter();
            let resources: Vec<_> = resources.map(|one| resource(one, &clock)).collect();
            json["resources"] = resources.into();
            json["rejected"] = proxy.rejected.into();
            json["keys"] = proxy.keys.into();
            json["revision"] = proxy.revision.into();
            json["changed_at"] = proxy.changed_at.map(|at| clock.text(at)).into();
        }
    }
    json
}

fn etcd(report: &EtcdReport, clock: &Clock) -> Value {
    let outage = report.outage.as_ref();
    json!({
        "endpoint": report.endpoint,
        "answered_at": report.answered_at.map(|at| clock.text(at)),
        "connections": report.connections,
        "outage": outage.map(|OutageReport { since, reason }| json!({
            "since": clock.text(*since),
            "reason": reason,
        })),
    })
}

fn service(report: &ServiceReport, now: Instant, clock: &Clock) -> Value {
    let verdict = report.verdict.map(|verdict| match verdict {
        Verdict::Up => "up",
        Verdict::Down => "down",
    });
    json!({
        "name": report.name,
        "key": report.key,
        "status": report.status.name(),
        "status_since": clock.text(report.status_since),
        "verdict": verdict,
        "verdict_since": report.verdict_since.map(|at| clock.text(at)),
        "probe": report.probe.as_ref().map(|probe| self::probe(probe, clock)),
        "drained": report.is_drained,
        "lease": report.lease.map(|LeaseReport { id, expires_at }| json!({
            "id": format!("{id:x}"),
            "ttl_left": seconds(expires_at.saturating_duration_since(now)),
        })),
        "ttl": seconds(report.ttl),
    })
}

fn probe(report: &ProbeReport, clock: &Clock) -> Value {
    json!({
        "at": clock.text(report.ended_at),
        "took": seconds(report.took),
        "passed": report.passed,
        "reason": report.reason,
    })
}

fn resource(report: &ResourceReport, clock: &Clock) -> Value {
    json!({
        "name": report.name,
        "dest": report.dest,
        "state": report.state.name(),
        "state_since": clock.text(report.state_since),
        "pending": report.is_pending,
        "reload_owed": report.owes_reload,
        "render": stage(&report.render, clock),
        "check": stage(&report.check, clock),
        "reload": stage(&report.reload, clock),
        "file": report.file.as_ref().map(|FileReport { size, digest }| json!({
            "size": size,
            "md5": digest,
        })),
        "keys_dropped": report.keys_dropped,
    })
}

/// The last of its kind.
fn stage(report: &StageReport, clock: &Clock) -> Value {
    json!(report.last.map(|last| json!({
        "at": clock.text(last.ended_at),
        "took": seconds(last.took),
        "succeeded": last.succeeded,
    })))
}

fn seconds(span: Duration) -> f64 {
    // To the millisecond.
    (span.as_secs_f64() * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    const NOON: &str = "2026-01-02T12:00:00Z";

    fn noon() -> SystemTime {
        humantime::parse_rfc3339(NOON).expect("a time")
    }

    #[test]
    fn a_service_is_shown_with_times_of_day_and_what_is_left_of_its_lease() {
        let json = of(&sample::agent(&["web"]), noon());
        assert_eq!(json["process"]["role"], "agent");
        let web = &json["services"][0];
        assert_eq!(web["name"], "web");
        assert_eq!(web["status"], "registered");
        assert_eq!(web["status_since"], "2026-01-02T11:59:00.000Z");
        assert_eq!(web["lease"]["ttl_left"], 25.0);
        assert_eq!(json["resources"], Value::Null);
    }

    #[test]
    fn a_resource_is_shown_with_the_last_of_each_kind() {
        let json = of(&sample::proxy(&["nginx.toml"]), noon());
        assert_eq!(json["process"]["role"], "proxy");
        let nginx = &json["resources"][0];
        assert_eq!(nginx["state"], "in_step");
        assert_eq!(nginx["reload"]["took"], 0.02);
        assert_eq!(nginx["check"], Value::Null);
    }
}
