//! Reports to show, for tests.

use std::time::{Duration, Instant};

use super::report::{
    AgentReport, EtcdReport, FileReport, LeaseReport, ProbeReport, ProxyReport, Report,
    ResourceReport, ResourceState, ServiceReport, Side, StageReport,
};
use crate::health::Verdict;
use crate::registration::Status;

const MINUTE: Duration = Duration::from_secs(60);

/// Registered services of these names, all well.
pub(crate) fn agent(names: &[&str]) -> Report {
    let now = Instant::now() + 10 * MINUTE;
    let services = names.iter().map(|name| service(name, now));
    of(
        now,
        Side::Agent(AgentReport {
            services: services.collect(),
            ..AgentReport::default()
        }),
    )
}

/// Resources of these names, all in step.
pub(crate) fn proxy(names: &[&str]) -> Report {
    let now = Instant::now() + 10 * MINUTE;
    let resources = names.iter().map(|name| resource(name, now));
    of(
        now,
        Side::Proxy(ProxyReport {
            resources: resources.collect(),
            keys: 3,
            revision: 17,
            changed_at: Some(now - MINUTE),
            ..ProxyReport::default()
        }),
    )
}

fn of(now: Instant, side: Side) -> Report {
    Report {
        at: now,
        began_at: now - 5 * MINUTE,
        is_ready: true,
        is_stopping: false,
        etcd: EtcdReport {
            endpoint: Some("http://127.0.0.1:2379".to_owned()),
            answered_at: Some(now),
            connections: 1,
            ..EtcdReport::default()
        },
        side,
    }
}

fn service(name: &str, now: Instant) -> ServiceReport {
    ServiceReport {
        name: name.to_owned(),
        key: format!("/services/{name}/10.0.0.5"),
        status: Status::Registered,
        status_since: now - MINUTE,
        verdict: Some(Verdict::Up),
        verdict_since: Some(now - MINUTE),
        probe: Some(ProbeReport {
            ended_at: now,
            took: Duration::from_millis(3),
            passed: true,
            reason: "200".to_owned(),
        }),
        passed: 12,
        failed: 0,
        is_drained: false,
        lease: Some(LeaseReport {
            id: 0x1f,
            expires_at: now + Duration::from_secs(25),
        }),
        ttl: Duration::from_secs(30),
        announced: 1,
        displaced: 0,
    }
}

fn resource(name: &str, now: Instant) -> ResourceReport {
    let mut report = ResourceReport {
        name: name.to_owned(),
        dest: format!("/etc/{name}.conf"),
        state: ResourceState::InStep,
        state_since: now - MINUTE,
        is_pending: false,
        owes_reload: false,
        render: StageReport::default(),
        check: StageReport::default(),
        reload: StageReport::default(),
        file: Some(FileReport {
            size: 120,
            digest: "ab".repeat(32),
        }),
        keys_dropped: 0,
    };
    let then = now - MINUTE;
    report.render.note(true, Duration::from_millis(1), then);
    report.reload.note(true, Duration::from_millis(20), then);
    report
}
