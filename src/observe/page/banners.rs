//! What has to be known before the rest is read, and what it means.

use std::time::Instant;

use super::super::report::{AgentReport, OutageReport, ProxyReport, Report, ServiceReport, Side};
use super::markup::{Text, count};
use super::spans::{Times, short};
use crate::health::Verdict;
use crate::registration::Status;

pub(super) fn all(report: &Report, times: &Times) -> String {
    let mut html = String::new();
    if report.is_stopping {
        html += &banner("doubtful", "Stopping.", stopping(&report.side));
    }
    if let Some(outage) = &report.etcd.outage {
        html += &away(outage, report, times);
    } else if report.etcd.endpoint.is_none() {
        html += &banner("doubtful", "Not connected to etcd yet.", "");
    }
    if !report.is_ready && !report.is_stopping {
        html += &banner("doubtful", "Not ready.", &starting(&report.side));
    }
    html
}

fn banner(class: &str, head: &str, text: &str) -> String {
    format!("<p class=\"banner {class}\"><strong>{head}</strong> {text}</p>\n")
}

fn away(outage: &OutageReport, report: &Report, times: &Times) -> String {
    let since = times.since(outage.since);
    let head = format!("etcd has been away for {since}: {}.", Text(&outage.reason));
    let meaning = match &report.side {
        Side::Agent(agent) => keys(agent, times),
        Side::Proxy(proxy) => files(proxy),
    };
    banner("bad", &head, &meaning)
}

/// What becomes of keys whose leases nobody renews.
fn keys(agent: &AgentReport, times: &Times) -> String {
    let expiries = agent.services.iter().filter_map(expiry);
    let (lasting, expired): (Vec<_>, Vec<_>) = expiries.partition(|at| *at > times.now);
    let mut html = "No lease is renewed and no key is written.".to_owned();
    if let Some(first) = lasting.iter().min() {
        let keys = count(lasting.len(), "key may expire", "keys may expire");
        let left = short(times.left(*first));
        html += &format!(" Unless etcd is reached again, {keys}, the first in {left}.");
    }
    if !expired.is_empty() {
        let keys = count(expired.len(), "key has", "keys have");
        html += &format!(" {keys} probably expired.");
    }
    let absent = agent.services.iter().filter(|service| is_absent(service));
    match absent.count() {
        0 => {}
        absent => {
            let services = count(absent, "service is", "services are");
            html += &format!(" {services} up and not registered.");
        }
    }
    let lingering = agent.services.iter().filter(|service| lingers(service));
    match lingering.count() {
        0 => {}
        lingering => {
            let services = count(lingering, "service is", "services are");
            html += &format!(" {services} to be out of etcd, and may be in it until the TTL.");
        }
    }
    html + " Probes go on; etcd is told what has changed once it is back."
}

fn expiry(service: &ServiceReport) -> Option<Instant> {
    Some(service.lease?.expires_at)
}

fn is_absent(service: &ServiceReport) -> bool {
    let is_wanted = !service.is_drained && service.status != Status::Displaced;
    service.verdict == Some(Verdict::Up) && service.lease.is_none() && is_wanted
}

/// Its key was to be deleted.
fn lingers(service: &ServiceReport) -> bool {
    let is_unwanted = service.verdict == Some(Verdict::Down) || service.is_drained;
    service.status == Status::Pending && is_unwanted
}

fn files(proxy: &ProxyReport) -> String {
    let files = match proxy.resources.len() {
        1 => "The file stays as it was",
        _ => "Files stay as they were",
    };
    format!(
        "{files} last rendered, and daemons keep running. Changes in etcd are not seen; they are taken in \
         once it is back."
    )
}

fn stopping(side: &Side) -> &'static str {
    match side {
        Side::Agent(_) => {
            "Keys are deleted before the process exits; what cannot be deleted expires."
        }
        Side::Proxy(_) => "Files stay as they are.",
    }
}

/// What has not happened for the first time yet.
fn starting(side: &Side) -> String {
    match side {
        Side::Agent(agent) => {
            let without = agent.services.iter().filter(|one| one.verdict.is_none());
            match without.count() {
                0 => "Verdicts are being carried out for the first time.".to_owned(),
                without => format!(
                    "{} no verdict yet.",
                    count(without, "service has", "services have")
                ),
            }
        }
        Side::Proxy(_) => "Files are being brought in step for the first time.".to_owned(),
    }
}
