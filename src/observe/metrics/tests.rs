use std::time::Duration;

use super::super::report::{CallReport, OutageReport, Side};
use super::super::sample;
use super::*;

fn has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "{line} in {text}");
}

#[test]
fn a_service_has_its_labels_and_is_in_one_state() {
    let text = text(&sample::agent(&["web"]), 7);
    let web = r#"service="web",key="/services/web/10.0.0.5""#;
    has(&text, &format!("register_backend_up{{{web}}} 1"));
    has(
        &text,
        &format!("register_lease_ttl_left_seconds{{{web}}} 25.0"),
    );
    has(
        &text,
        &format!(r#"register_probes_total{{{web},result="passed"}} 12"#),
    );
    has(
        &text,
        &format!(r#"register_service_state{{{web},state="registered"}} 1"#),
    );
    has(&text, "register_log_lines_dropped_total 7");
    has(&text, "# UNIT register_lease_ttl_left_seconds seconds");
    let states = text
        .lines()
        .filter(|line| line.starts_with("register_service_state{"));
    assert_eq!(states.clone().count(), STATES);
    assert_eq!(states.filter(|line| line.ends_with(" 1")).count(), 1);
    assert!(text.ends_with("\n# EOF\n"), "{text}");
}

const STATES: usize = 8;

#[test]
fn buckets_are_cumulative_and_end_with_all() {
    let mut report = sample::agent(&[]);
    if let Side::Agent(agent) = &mut report.side {
        for millis in [1, 2, 60_000] {
            agent.probes.observe(Duration::from_millis(millis));
        }
    }
    let text = text(&report, 0);
    let bucket = "register_probe_duration_seconds_bucket";
    has(&text, &format!(r#"{bucket}{{le="0.001"}} 1"#));
    has(&text, &format!(r#"{bucket}{{le="10.0"}} 2"#));
    has(&text, &format!(r#"{bucket}{{le="+Inf"}} 3"#));
    has(&text, "register_probe_duration_seconds_count 3");
}

#[test]
fn an_outage_that_lasts_counts_with_those_before() {
    let mut report = sample::agent(&["web"]);
    report.etcd.away = Duration::from_secs(5);
    report.etcd.outage = Some(OutageReport {
        since: report.at - Duration::from_secs(10),
        reason: "connection refused".to_owned(),
    });
    let put = CallReport {
        refused: 2,
        ..CallReport::default()
    };
    report.etcd.calls.insert("put", put);
    let text = text(&report, 0);
    has(&text, "register_etcd_up 0");
    has(&text, "register_etcd_outage_seconds_total 15.0");
    has(
        &text,
        r#"register_etcd_requests_total{call="put",result="refused"} 2"#,
    );
    assert!(!text.contains("connection refused"), "{text}");
}

#[test]
fn a_resource_has_each_stage_and_what_it_owes() {
    let mut report = sample::proxy(&["nginx.toml"]);
    if let Side::Proxy(proxy) = &mut report.side {
        proxy.resources[0].owes_reload = true;
    }
    let text = text(&report, 0);
    let nginx = r#"resource="nginx.toml""#;
    has(
        &text,
        &format!(r#"register_reloads_total{{{nginx},result="succeeded"}} 1"#),
    );
    has(
        &text,
        &format!("register_reload_duration_seconds_sum{{{nginx}}} 0.02"),
    );
    has(
        &text,
        &format!("register_check_duration_seconds_count{{{nginx}}} 0"),
    );
    has(&text, &format!("register_reload_pending{{{nginx}}} 1"));
    has(&text, "register_revision 17");
    has(&text, "register_last_change_age_seconds 60.0");
}

#[test]
fn a_name_cannot_leave_its_label() {
    let name = "a\"} 1\n# EOF\\";
    let text = text(&sample::agent(&[name]), 0);
    let shown = r##"service="a\"} 1\n# EOF\\",key="/services/a\"} 1\n# EOF\\/10.0.0.5""##;
    has(&text, &format!("register_backend_up{{{shown}}} 1"));
    let ends = text.lines().filter(|line| *line == "# EOF").count();
    assert_eq!(ends, 1);
}

#[test]
fn what_is_not_known_yet_is_absent() {
    let mut report = sample::agent(&["web"]);
    if let Side::Agent(agent) = &mut report.side {
        let web = &mut agent.services[0];
        (web.verdict, web.probe, web.lease) = (None, None, None);
    }
    report.etcd.answered_at = None;
    let text = text(&report, 0);
    for name in [
        "backend_up",
        "probe_last_duration_seconds",
        "lease_ttl_left_seconds",
        "etcd_last_answer_age_seconds",
    ] {
        let sample = format!("\nregister_{name}");
        assert!(!text.contains(&sample), "{name} in {text}");
    }
}
