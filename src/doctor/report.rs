//! The findings, as text or JSON.

use serde_json::{Value, json};

use super::finding::{Finding, FindingState};
use crate::cli::OutputFormat;
use crate::exit::Exit;
use crate::wording::printable_json;

pub(super) fn print(findings: &[Finding], format: OutputFormat) -> String {
    match format {
        OutputFormat::Text => text(findings),
        OutputFormat::Json => {
            let findings = findings.iter().map(object).collect();
            printable_json(&Value::Array(findings)) + "\n"
        }
    }
}

/// Failed if anything is at fault.
pub(super) fn exit(findings: &[Finding]) -> Exit {
    match count(findings, FindingState::Fault) {
        0 => Exit::Done,
        _ => Exit::Failed,
    }
}

fn text(findings: &[Finding]) -> String {
    let lines: String = findings.iter().map(lines).collect();
    lines + &summary(findings)
}

fn lines(finding: &Finding) -> String {
    let Finding {
        name,
        state,
        message,
        advice,
    } = finding;
    let line = format!("{:<8} {name}: {message}\n", state.word());
    match advice {
        Some(advice) => format!("{line}{:<8} → {advice}\n", ""),
        None => line,
    }
}

fn summary(findings: &[Finding]) -> String {
    let counted = |state, one: &str, more: &str| match count(findings, state) {
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    };
    let parts = [
        counted(FindingState::Ok, "ok", "ok"),
        counted(FindingState::Warning, "warning", "warnings"),
        counted(FindingState::Fault, "fault", "faults"),
        counted(FindingState::Skipped, "skipped", "skipped"),
    ];
    parts.join(", ") + "\n"
}

fn count(findings: &[Finding], state: FindingState) -> usize {
    findings
        .iter()
        .filter(|finding| finding.state == state)
        .count()
}

fn object(finding: &Finding) -> Value {
    json!({
        "name": finding.name,
        "state": finding.state.word(),
        "message": finding.message,
        "advice": finding.advice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok("etcd http://e: TCP", "connected to 10.0.0.1:2379"),
            Finding::warning("TTL 1s", "etcd grants 3s", "ask for 3s"),
            Finding::fault("service /a: check", "refused\n", "start it"),
            Finding::skipped("proxy side", "none is given"),
        ]
    }

    #[test]
    fn text_lines_up_gives_advice_below_and_ends_with_the_count() {
        assert_eq!(
            print(&findings(), OutputFormat::Text),
            "ok       etcd http://e: TCP: connected to 10.0.0.1:2379\n\
             warning  TTL 1s: etcd grants 3s\n         → ask for 3s\n\
             fault    service /a: check: refused\\n\n         → start it\n\
             skipped  proxy side: not looked at: none is given\n\
             1 ok, 1 warning, 1 fault, 1 skipped\n"
        );
    }

    #[test]
    fn json_is_an_array_with_null_where_there_is_no_advice() {
        let text = print(&findings()[..2], OutputFormat::Json);
        let expected = json!([
            {"name": "etcd http://e: TCP", "state": "ok", "message": "connected to 10.0.0.1:2379", "advice": null},
            {"name": "TTL 1s", "state": "warning", "message": "etcd grants 3s", "advice": "ask for 3s"},
        ]);
        assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(expected));
        assert!(text.ends_with("]\n"), "{text}");
    }

    #[test]
    fn only_a_fault_fails_the_run() {
        let mut findings = findings();
        assert_eq!(exit(&findings), Exit::Failed);
        findings.remove(2);
        assert_eq!(exit(&findings), Exit::Done);
    }
}
