//! What was with etcd.

use std::fmt;
use std::time::Instant;

use super::super::report::{CallReport, EtcdReport};
use super::sheet::Sheet;

pub(super) fn write(sheet: &mut Sheet, report: &EtcdReport, now: Instant) -> fmt::Result {
    connections(sheet, report, now)?;
    sheet.counters(
        "register_etcd_requests",
        "Requests by what was asked, and whether etcd did it, refused it or gave no answer.",
        report.calls.iter().flat_map(|(call, report)| {
            results(report).map(|(result, count)| ([("call", *call), ("result", result)], count))
        }),
    )?;
    sheet.histograms(
        "register_etcd_request_duration_seconds",
        "How long requests took, however they ended.",
        report
            .calls
            .iter()
            .map(|(call, report)| ([("call", *call)], &report.took)),
    )
}

fn connections(sheet: &mut Sheet, report: &EtcdReport, now: Instant) -> fmt::Result {
    sheet.gauge(
        "register_etcd_up",
        "Whether there is a connection to etcd that serves us.",
        u64::from(report.endpoint.is_some() && report.outage.is_none()),
    )?;
    let answered_at = report.answered_at.into_iter();
    sheet.gauges(
        "register_etcd_last_answer_age_seconds",
        "Time since etcd last answered anything. Absent before it has.",
        answered_at.map(|at| ([], now.saturating_duration_since(at).as_secs_f64())),
    )?;
    sheet.counter(
        "register_etcd_connections",
        "Connections made to etcd.",
        report.connections,
    )?;
    sheet.counter(
        "register_etcd_failures",
        "Connections to etcd that broke or could not be made.",
        report.failures,
    )?;
    sheet.counter(
        "register_etcd_outage_seconds",
        "How long etcd has been away, all outages together, with one that lasts.",
        seconds_away(report, now),
    )
}

fn seconds_away(report: &EtcdReport, now: Instant) -> f64 {
    let outage = report.outage.as_ref();
    let current = outage.map(|outage| now.saturating_duration_since(outage.since));
    (report.away + current.unwrap_or_default()).as_secs_f64()
}

fn results(report: &CallReport) -> [(&'static str, u64); 3] {
    [
        ("succeeded", report.succeeded),
        ("refused", report.refused),
        ("failed", report.failed),
    ]
}
