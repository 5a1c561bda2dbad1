//! Reports as they may be at some moment of a host's life: each state that there is, and what goes with it.

use std::time::{Duration, Instant};

use register::health::Verdict;
use register::observe::histogram::Histogram;
use register::observe::report::{
    AgentReport, CallReport, EtcdReport, FileReport, LeaseReport, ProbeReport, ProxyReport, Report,
    ResourceReport, ResourceState, ServiceReport, Side, StageReport,
};
use register::registration::Status;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Far enough from the clock's beginning for what is long ago.
fn now() -> Instant {
    Instant::now() + 1_000 * HOUR
}

fn report(now: Instant, side: Side) -> Report {
    let mut took = Histogram::default();
    (1..40).for_each(|millis| took.observe(Duration::from_millis(millis)));
    let call = CallReport {
        succeeded: 39,
        took,
        ..CallReport::default()
    };
    Report {
        at: now,
        began_at: now - 76 * HOUR - 12 * MINUTE,
        is_ready: true,
        is_stopping: false,
        etcd: EtcdReport {
            endpoint: Some("http://10.0.0.1:2379".to_owned()),
            answered_at: Some(now - SECOND),
            connections: 2,
            failures: 1,
            outage: None,
            away: 4 * SECOND,
            calls: ["grant", "put", "read"]
                .map(|name| (name, call.clone()))
                .into(),
        },
        side,
    }
}

/// So that no two services have the same times.
fn weight(name: &str) -> u64 {
    name.bytes().map(u64::from).sum::<u64>() % 23
}

/// A service that has been as it is for so long.
pub fn service(
    name: &str,
    status: Status,
    long: Duration,
    reason: &str,
    now: Instant,
) -> ServiceReport {
    let is_up = !matches!(status, Status::Unhealthy | Status::Starting);
    let verdict =
        (status != Status::Starting).then_some(if is_up { Verdict::Up } else { Verdict::Down });
    let is_registered = status == Status::Registered;
    let age = Duration::from_millis(400 * (1 + weight(name) % 10));
    ServiceReport {
        name: name.to_owned(),
        key: format!("/services/{name}/10.0.0.5"),
        status,
        status_since: now - long,
        verdict,
        verdict_since: verdict.map(|_| now - long),
        probe: (status != Status::Starting).then(|| ProbeReport {
            ended_at: now - age,
            took: Duration::from_micros(900 + 377 * weight(name)),
            passed: is_up,
            reason: reason.to_owned(),
        }),
        passed: 54_720,
        failed: 3,
        is_drained: status == Status::Drained,
        lease: is_registered.then(|| LeaseReport {
            id: 0x694d_8f2b_3c1a_0e55,
            expires_at: now + 30 * SECOND - 2 * age,
        }),
        ttl: 30 * SECOND,
        announced: 2,
        displaced: u64::from(status == Status::Displaced),
    }
}

/// One service of each kind that a host may have.
pub fn agent() -> Report {
    let now = now();
    let mut probes = Histogram::default();
    (1..9).for_each(|millis| probes.observe(Duration::from_millis(millis)));
    let ok = "HTTP status 200";
    let services = vec![
        service("apache", Status::Registered, 75 * HOUR, ok, now),
        service(
            "grafana",
            Status::Registered,
            3 * HOUR + 20 * MINUTE,
            ok,
            now,
        ),
        service("mailman", Status::Drained, 25 * MINUTE, "connected", now),
        service(
            "postgres",
            Status::Registered,
            75 * HOUR,
            "exit status 0",
            now,
        ),
        service(
            "redis",
            Status::Unhealthy,
            134 * SECOND,
            "connection refused",
            now,
        ),
        service("search", Status::Displaced, 9 * MINUTE, ok, now),
    ];
    report(
        now,
        Side::Agent(AgentReport {
            services,
            without_address: 0,
            probes,
        }),
    )
}

/// An agent of so many services, each fifth of which is down.
pub fn crowd(count: usize) -> Report {
    let now = now();
    let mut report = agent();
    let services = (0..count).map(|number| {
        let status = match number % 5 {
            0 => Status::Unhealthy,
            _ => Status::Registered,
        };
        service(
            &format!("app-{number:04}"),
            status,
            HOUR,
            "HTTP status 200",
            now,
        )
    });
    report.at = now;
    report.side = Side::Agent(AgentReport {
        services: services.collect(),
        ..AgentReport::default()
    });
    report
}

/// A file that has been as it is since then.
fn resource(name: &str, dest: &str, state: ResourceState, then: Instant) -> ResourceReport {
    let weight = weight(name);
    let spent = |micros| Duration::from_micros(micros + 61 * weight);
    let is_good = |bad| state != bad;
    let mut resource = ResourceReport {
        name: name.to_owned(),
        dest: dest.to_owned(),
        state,
        state_since: then,
        is_pending: false,
        owes_reload: state == ResourceState::ReloadFailed,
        render: StageReport::default(),
        check: StageReport::default(),
        reload: StageReport::default(),
        file: Some(FileReport {
            size: 1_200 + 97 * weight,
            digest: format!("{:032x}", u128::MAX / (3 + u128::from(weight))),
        }),
        keys_dropped: 0,
    };
    let rendered = is_good(ResourceState::RenderFailed);
    resource.render.note(rendered, spent(1_200), then);
    let checked = is_good(ResourceState::CheckFailed);
    resource.check.note(checked, spent(30_000), then);
    if checked {
        let reloaded = is_good(ResourceState::ReloadFailed);
        resource.reload.note(reloaded, spent(17_000), then);
    }
    resource
}

/// Files of which one is as it should be.
pub fn proxy() -> Report {
    let now = now();
    let mut left_out = resource(
        "nginx.toml",
        "/etc/nginx/sites-enabled/app.conf",
        ResourceState::InStep,
        now - 42 * MINUTE,
    );
    left_out.keys_dropped = 1;
    let resources = vec![
        left_out,
        resource(
            "haproxy.toml",
            "/etc/haproxy/haproxy.cfg",
            ResourceState::CheckFailed,
            now - 8 * MINUTE,
        ),
        resource(
            "patroni.toml",
            "/etc/haproxy/patroni.cfg",
            ResourceState::ReloadFailed,
            now - 96 * SECOND,
        ),
    ];
    report(
        now,
        Side::Proxy(ProxyReport {
            resources,
            rejected: 1,
            keys: 214,
            revision: 90_211,
            changed_at: Some(now - 96 * SECOND),
        }),
    )
}
