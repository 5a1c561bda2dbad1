use std::time::Duration;

use super::super::report::{AgentReport, OutageReport, ProxyReport, ServiceReport};
use super::super::sample;
use super::*;
use crate::health::Verdict;
use crate::registration::Status;

const MARKUP: &str = "<img src=x onerror=alert(1)>\"'&";

fn noon() -> SystemTime {
    humantime::parse_rfc3339("2026-01-02T12:00:00Z").expect("a time")
}

fn page(report: &Report) -> String {
    html_of_host(report, noon(), "web-1")
}

fn agent(report: &mut Report) -> &mut AgentReport {
    match &mut report.side {
        Side::Agent(agent) => agent,
        Side::Proxy(_) => panic!("an agent"),
    }
}

fn proxy(report: &mut Report) -> &mut ProxyReport {
    match &mut report.side {
        Side::Proxy(proxy) => proxy,
        Side::Agent(_) => panic!("a proxy"),
    }
}

fn has(page: &str, text: &str) {
    assert!(page.contains(text), "{text} in {page}");
}

fn outage(report: &mut Report) {
    report.etcd.endpoint = None;
    report.etcd.outage = Some(OutageReport {
        since: report.at - Duration::from_secs(134),
        reason: "connection refused".to_owned(),
    });
}

#[test]
fn the_policy_allows_what_the_page_has_inline_and_nothing_else() {
    let page = page(&sample::agent(&["web"]));
    for name in ["style", "script"] {
        let (_, rest) = page.split_once(&format!("<{name}>")).expect("begins");
        let (inline, after) = rest.split_once(&format!("</{name}>")).expect("ends");
        has(&policy(), &format!("{name}-src {};", source(inline)));
        assert!(!after.contains(&format!("<{name}")), "only one");
    }
    assert!(
        !page.contains(" style="),
        "no attribute is covered by a hash"
    );
    assert!(!policy().contains("unsafe"), "{}", policy());
}

#[test]
fn the_hash_is_as_browsers_compute_it() {
    let known = "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='";
    assert_eq!(source("abc"), known);
}

#[test]
fn others_text_stays_text() {
    let mut report = sample::agent(&[MARKUP]);
    report.etcd.endpoint = Some(MARKUP.to_owned());
    if let Some(probe) = &mut agent(&mut report).services[0].probe {
        probe.reason = MARKUP.to_owned();
    }
    let mut away = report.clone();
    outage(&mut away);
    if let Some(outage) = &mut away.etcd.outage {
        outage.reason = MARKUP.to_owned();
    }
    let mut resources = sample::proxy(&[MARKUP]);
    if let Some(file) = &mut proxy(&mut resources).resources[0].file {
        file.digest = MARKUP.to_owned();
    }
    for report in [report, away, resources] {
        let page = html_of_host(&report, noon(), MARKUP);
        assert!(!page.contains("<img"), "{page}");
        has(&page, "&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;");
    }
}

#[test]
fn what_would_turn_text_around_is_written_out() {
    let page = page(&sample::agent(&["a\u{202e}b"]));
    has(&page, "a\\u{202e}b");
}

#[test]
fn services_that_are_down_come_first() {
    let mut report = sample::agent(&["a", "b", "c", "d"]);
    let services = &mut agent(&mut report).services;
    turn(&mut services[3], Status::Unhealthy, Verdict::Down);
    turn(&mut services[2], Status::Displaced, Verdict::Up);
    turn(&mut services[1], Status::Drained, Verdict::Down);
    services[1].is_drained = true;
    let page = page(&report);
    let places = ["d", "c", "b", "a"].map(|name| page.find(&format!(">{name}<small>")));
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
    has(&page, "<title>1 unhealthy – web-1 – register</title>");
}

fn turn(service: &mut ServiceReport, status: Status, verdict: Verdict) {
    service.status = status;
    service.verdict = Some(verdict);
}

#[test]
fn a_service_tells_its_state_its_backend_and_its_lease() {
    let page = page(&sample::agent(&["web"]));
    has(&page, "<h1>web-1</h1>");
    has(&page, "register agent");
    has(
        &page,
        "as of <time datetime=\"2026-01-02T12:00:00Z\">2026-01-02 12:00:00 UTC</time>",
    );
    has(&page, "<code>/services/web/10.0.0.5</code>");
    has(&page, "<b class=\"mark good\">registered</b>");
    has(
        &page,
        "for <time title=\"2026-01-02 11:59:00 UTC\">1m</time>",
    );
    has(&page, "25s left of 30s");
    has(&page, "200<small>passed in 3.0ms, ");
    has(&page, "<code>http://127.0.0.1:2379</code>");
    assert!(!page.contains("class=\"banner doubtful\""), "{page}");
}

#[test]
fn a_resource_tells_each_stage_and_what_it_owes() {
    let mut report = sample::proxy(&["nginx.toml"]);
    let nginx = &mut proxy(&mut report).resources[0];
    (nginx.owes_reload, nginx.keys_dropped) = (true, 2);
    let page = page(&report);
    has(&page, "; reload owed");
    has(&page, "2 keys left out by validate");
    has(&page, "120 bytes");
    has(&page, ">abababab</code>");
    has(&page, "in 20.0ms, ");
    has(&page, "ago, at revision 17");
}

#[test]
fn an_outage_tells_an_agent_s_keys_apart() {
    let mut report = sample::agent(&["a", "b", "c", "d", "e"]);
    let now = report.at;
    let services = &mut agent(&mut report).services;
    services[1].lease = None;
    if let Some(lease) = &mut services[2].lease {
        lease.expires_at = now;
    }
    turn(&mut services[4], Status::Pending, Verdict::Down);
    services[4].lease = None;
    outage(&mut report);
    let page = page(&report);
    has(&page, "</time>: connection refused.</strong>");
    has(
        &page,
        "etcd has been away for <time title=\"2026-01-02 11:57:46 UTC\">2m 14s</time>",
    );
    has(&page, "2 keys may expire, the first in 25s.");
    has(&page, "1 key has probably expired.");
    has(&page, "1 service is up and not registered.");
    has(
        &page,
        "1 service is to be out of etcd, and may be in it until the TTL.",
    );
    has(&page, "<title>etcd away – web-1 – register</title>");
}

#[test]
fn an_outage_tells_a_proxy_side_that_its_files_stay() {
    let mut report = sample::proxy(&["a.toml", "b.toml"]);
    outage(&mut report);
    has(&page(&report), "Files stay as they were last rendered");
}

#[test]
fn a_process_that_starts_or_stops_says_so() {
    let mut report = sample::agent(&["web"]);
    report.is_ready = false;
    agent(&mut report).services[0].verdict = None;
    has(
        &page(&report),
        "<strong>Not ready.</strong> 1 service has no verdict yet.",
    );
    report.is_stopping = true;
    has(
        &page(&report),
        "<strong>Stopping.</strong> Keys are deleted",
    );
    assert!(!page(&report).contains("Not ready."));
}

#[test]
fn a_thousand_services_take_less_than_a_megabyte() {
    let names: Vec<_> = (0..1_000).map(|number| format!("app-{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let page = page(&sample::agent(&names));
    assert!(page.len() < 1_000_000, "{}", page.len());
    has(&page, "<span>1,000</span> services");
}
