//! What an agent knows of its services.

use std::fmt;
use std::time::Instant;

use super::super::report::{AgentReport, ServiceReport};
use super::sheet::{Label, Sheet};
use crate::health::Verdict;
use crate::registration::Status;

const STATES: [Status; 8] = [
    Status::Starting,
    Status::Registered,
    Status::Unhealthy,
    Status::Drained,
    Status::Displaced,
    Status::Pending,
    Status::Stopping,
    Status::Draining,
];

pub(super) fn write(sheet: &mut Sheet, report: &AgentReport, now: Instant) -> fmt::Result {
    sheet.gauge(
        "register_services_without_address",
        "Services that have no address now, and are not among the others.",
        report.without_address as u64,
    )?;
    probes(sheet, report)?;
    registrations(sheet, report)?;
    leases(sheet, report, now)
}

fn labels(service: &ServiceReport) -> [Label<'_>; 2] {
    [("service", &service.name), ("key", &service.key)]
}

/// The service's, and one more.
fn labels_and<'a>(service: &'a ServiceReport, label: Label<'a>) -> [Label<'a>; 3] {
    let [name, key] = labels(service);
    [name, key, label]
}

fn probes(sheet: &mut Sheet, report: &AgentReport) -> fmt::Result {
    let services = || report.services.iter();
    sheet.counters(
        "register_probes",
        "Probes that passed or failed.",
        services().flat_map(|service| {
            let results = [("passed", service.passed), ("failed", service.failed)];
            results.map(|(result, count)| (labels_and(service, ("result", result)), count))
        }),
    )?;
    sheet.histograms(
        "register_probe_duration_seconds",
        "How long probes took, those of all services together.",
        [([], &report.probes)],
    )?;
    sheet.gauges(
        "register_probe_last_duration_seconds",
        "How long the last probe took. Absent before the first.",
        services().filter_map(|service| {
            let probe = service.probe.as_ref()?;
            Some((labels(service), probe.took.as_secs_f64()))
        }),
    )?;
    sheet.states(
        "register_backend_up",
        "Whether the backend is held to be up. Absent before the first verdict.",
        services().filter_map(|service| Some((labels(service), service.verdict? == Verdict::Up))),
    )
}

fn registrations(sheet: &mut Sheet, report: &AgentReport) -> fmt::Result {
    let services = || report.services.iter();
    sheet.states(
        "register_service_state",
        "1 for the state that the service is in, 0 for the others.",
        services().flat_map(|service| {
            STATES.map(|state| {
                let labels = labels_and(service, ("state", state.name()));
                (labels, service.status == state)
            })
        }),
    )?;
    sheet.states(
        "register_drained",
        "Whether the service has been taken out, be its backend up or not.",
        services().map(|service| (labels(service), service.is_drained)),
    )?;
    sheet.counters(
        "register_announcements",
        "How often the key was put.",
        services().map(|service| (labels(service), service.announced)),
    )?;
    sheet.counters(
        "register_displaced",
        "How often another registration took the key.",
        services().map(|service| (labels(service), service.displaced)),
    )
}

fn leases(sheet: &mut Sheet, report: &AgentReport, now: Instant) -> fmt::Result {
    let services = || report.services.iter();
    sheet.gauges(
        "register_lease_ttl_seconds",
        "The TTL that the key is to have.",
        services().map(|service| (labels(service), service.ttl.as_secs_f64())),
    )?;
    sheet.gauges(
        "register_lease_ttl_left_seconds",
        "After how long the key expires unless its lease is renewed. Absent without a lease.",
        services().filter_map(|service| {
            let left = service.lease?.expires_at.saturating_duration_since(now);
            Some((labels(service), left.as_secs_f64()))
        }),
    )
}
