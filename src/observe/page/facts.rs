//! What else there is to know, in pairs.

use super::super::report::{AgentReport, EtcdReport, ProxyReport, Report, Side};
use super::markup::{Text, count, grouped};
use super::spans::Times;

type Fact = (&'static str, String);

pub(super) fn list(report: &Report, times: &Times) -> String {
    let mut facts = vec![("etcd", etcd(&report.etcd, times))];
    facts.push((
        "Ready",
        if report.is_ready { "yes" } else { "no" }.to_owned(),
    ));
    match &report.side {
        Side::Agent(agent) => facts.extend(of_agent(agent)),
        Side::Proxy(proxy) => facts.extend(of_proxy(proxy, times)),
    }
    let mut html = "<dl>\n".to_owned();
    for (name, value) in facts {
        html += &format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n");
    }
    html + "</dl>\n"
}

fn etcd(report: &EtcdReport, times: &Times) -> String {
    let endpoint = match &report.endpoint {
        Some(endpoint) => format!("<code>{}</code>", Text(endpoint)),
        None => "not connected".to_owned(),
    };
    match report.answered_at {
        Some(at) => format!("{endpoint}, last answer {} ago", times.since(at)),
        None => endpoint,
    }
}

fn of_agent(report: &AgentReport) -> Option<Fact> {
    let without = report.without_address;
    let shown = count(without, "service waits", "services wait");
    (without > 0).then(|| {
        (
            "Without an address",
            format!("{shown} for a network interface"),
        )
    })
}

fn of_proxy(report: &ProxyReport, times: &Times) -> Vec<Fact> {
    let keys = grouped(report.keys as u64);
    let changed = match report.changed_at {
        Some(at) => format!("{} ago, at revision {}", times.since(at), report.revision),
        None => "none yet".to_owned(),
    };
    let mut facts = vec![("Keys watched", keys), ("Last change", changed)];
    if report.rejected > 0 {
        let files = count(report.rejected, "file of conf.d is", "files of conf.d are");
        let advice = "run <code>register render lint</code>";
        facts.push(("Left out", format!("{files} wrong: {advice}")));
    }
    facts
}
