//! A process's status for people.

use std::fmt::Write as _;

use serde_json::Value;

use super::times::{ago, shortened};
use crate::columns;
use crate::wording::printable;

const OF_SERVICES: [&str; 6] = [
    "SERVICE",
    "STATUS",
    "SINCE",
    "LAST PROBE",
    "TTL LEFT",
    "KEY",
];
const OF_RESOURCES: [&str; 7] = [
    "RESOURCE", "STATE", "SINCE", "RENDERED", "CHECKED", "RELOADED", "FILE",
];

/// `names`: services to show; none for all.
pub(super) fn of(socket: &str, status: &Value, names: &[String]) -> String {
    let mut text = head(socket, status);
    if let Some(services) = status["services"].as_array() {
        let wanted = services.iter().filter(|one| is_wanted(one, names));
        let rows: Vec<_> = wanted.map(|one| service(one, &status["at"])).collect();
        if !rows.is_empty() {
            text += &columns::aligned(&OF_SERVICES, &rows);
        }
        if let Some(count @ 1..) = status["without_address"].as_u64() {
            let _ = writeln!(text, "{count} more without an address of their interface");
        }
    }
    if let Some(resources) = status["resources"].as_array() {
        let rows: Vec<_> = resources
            .iter()
            .map(|one| resource(one, &status["at"]))
            .collect();
        if !rows.is_empty() {
            text += &columns::aligned(&OF_RESOURCES, &rows);
        }
    }
    text
}

/// Whether a service is one of those named.
pub(super) fn is_wanted(service: &Value, names: &[String]) -> bool {
    let is_it = |name: &String| service["name"] == **name || service["key"] == **name;
    names.is_empty() || names.iter().any(is_it)
}

fn head(socket: &str, status: &Value) -> String {
    let process = &status["process"];
    let standing = match (process["stopping"].as_bool(), process["ready"].as_bool()) {
        (Some(true), _) => "stopping",
        (_, Some(true)) => "ready",
        _ => "starting",
    };
    let (role, version) = (text(&process["role"]), text(&process["version"]));
    let (pid, etcd) = (&process["pid"], etcd(&status["etcd"], &status["at"]));
    format!("{socket}: {role} {version}, process {pid}, {standing}; {etcd}\n")
}

fn etcd(etcd: &Value, at: &Value) -> String {
    match &etcd["outage"] {
        Value::Null if etcd["endpoint"].is_null() => "not connected to etcd".to_owned(),
        Value::Null => format!("etcd at {}", text(&etcd["endpoint"])),
        outage => {
            let (since, reason) = (ago(&outage["since"], at), text(&outage["reason"]));
            format!("etcd away for {since}: {reason}")
        }
    }
}

fn service(service: &Value, at: &Value) -> Vec<String> {
    let probe = &service["probe"];
    let last = match probe {
        Value::Null => "-".to_owned(),
        probe => format!("{}, {} ago", text(&probe["reason"]), ago(&probe["at"], at)),
    };
    let left = service["lease"]["ttl_left"].as_f64().map(|left| {
        let left = std::time::Duration::try_from_secs_f64(left);
        shortened(left.unwrap_or_default())
    });
    vec![
        text(&service["name"]),
        text(&service["status"]),
        ago(&service["status_since"], at),
        last,
        left.unwrap_or_else(|| "-".to_owned()),
        text(&service["key"]),
    ]
}

fn resource(resource: &Value, at: &Value) -> Vec<String> {
    let stage = |name: &str| match &resource[name] {
        Value::Null => "-".to_owned(),
        stage => {
            let failed = match stage["succeeded"].as_bool() {
                Some(false) => "failed, ",
                _ => "",
            };
            format!("{failed}{} ago", ago(&stage["at"], at))
        }
    };
    let pending = match resource["pending"].as_bool() {
        Some(true) => " (pending)",
        _ => "",
    };
    vec![
        text(&resource["name"]),
        format!("{}{pending}", text(&resource["state"])),
        ago(&resource["state_since"], at),
        stage("render"),
        stage("check"),
        stage("reload"),
        text(&resource["dest"]),
    ]
}

fn text(value: &Value) -> String {
    printable(value.as_str().unwrap_or("-").as_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::observe::{json, sample};

    fn status(report: &crate::observe::report::Report) -> Value {
        json::of(report, SystemTime::now())
    }

    fn lines(text: &str) -> Vec<&str> {
        text.lines().skip(1).collect()
    }

    #[test]
    fn services_are_shown_with_what_an_operator_asks_for_first() {
        let status = status(&sample::agent(&["web"]));
        let told = of("/s", &status, &[]);
        let head = told.lines().next().expect("a head");
        assert!(head.starts_with("/s: agent "), "{head}");
        assert!(
            head.ends_with(", ready; etcd at http://127.0.0.1:2379"),
            "{head}"
        );
        assert_eq!(
            lines(&told),
            [
                "SERVICE  STATUS      SINCE  LAST PROBE   TTL LEFT  KEY",
                "web      registered  1m     200, 0s ago  25s       /services/web/10.0.0.5",
            ]
        );
    }

    #[test]
    fn only_services_that_are_named_are_shown() {
        let status = status(&sample::agent(&["web", "db"]));
        let told = of("/s", &status, &["/services/db/10.0.0.5".to_owned()]);
        assert_eq!(lines(&told).len(), 2, "{told}");
        assert_eq!(lines(&of("/s", &status, &["x".to_owned()])), [""; 0]);
    }

    #[test]
    fn resources_are_shown_with_the_last_of_each_kind() {
        let told = of("/s", &status(&sample::proxy(&["nginx.toml"])), &[]);
        assert_eq!(
            lines(&told),
            [
                "RESOURCE    STATE    SINCE  RENDERED  CHECKED  RELOADED  FILE",
                "nginx.toml  in_step  1m     1m ago    -        1m ago    /etc/nginx.toml.conf",
            ]
        );
    }

    #[test]
    fn names_do_not_act_on_the_terminal() {
        let told = of("/s", &status(&sample::agent(&["\u{1b}[2J"])), &[]);
        assert!(!told.contains('\u{1b}'), "{told:?}");
    }
}
