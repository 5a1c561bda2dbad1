//! The services of an agent, those that need somebody first.

use super::super::report::{LeaseReport, ProbeReport, ServiceReport};
use super::markup::{Mark, Text, Tone, nothing, row, small, table as table_of};
use super::spans::{Times, short};
use crate::health::Verdict;
use crate::registration::Status;

const COLUMNS: [&str; 5] = ["Service", "State", "Backend", "Last probe", "Lease"];

pub(super) fn table(services: &[ServiceReport], times: &Times) -> String {
    if services.is_empty() {
        return "<p class=\"quiet\">There are no services.</p>\n".to_owned();
    }
    let mut ordered: Vec<_> = services.iter().collect();
    ordered.sort_by_key(|service| (rank(service), &service.name, &service.key));
    let rows = ordered.into_iter().map(|service| show(service, times));
    table_of("Services", &COLUMNS, rows)
}

/// A backend that is down comes before all else, unless it was taken out.
fn rank(service: &ServiceReport) -> (Tone, bool) {
    let is_down = service.verdict == Some(Verdict::Down) && !service.is_drained;
    let tone = tone(service.status);
    (if is_down { Tone::Bad } else { tone }, !is_down)
}

pub(super) fn tone(status: Status) -> Tone {
    match status {
        Status::Unhealthy => Tone::Bad,
        Status::Displaced | Status::Pending => Tone::Doubtful,
        Status::Starting | Status::Stopping | Status::Draining => Tone::Passing,
        Status::Drained => Tone::Out,
        Status::Registered => Tone::Good,
    }
}

fn show(service: &ServiceReport, times: &Times) -> String {
    let head = format!("{}{}", Text(&service.name), small(code(&service.key)));
    row(
        &head,
        [
            ("State", state(service, times)),
            ("Backend", backend(service, times)),
            ("Last probe", probe(service.probe.as_ref(), times)),
            ("Lease", lease(service, times)),
        ],
    )
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", Text(text))
}

fn state(service: &ServiceReport, times: &Times) -> String {
    let mark = Mark(tone(service.status), service.status.name());
    let since = times.since(service.status_since);
    let note = match service.status {
        Status::Displaced => ": another registration holds the key",
        Status::Pending => ": etcd does not have it as it should be",
        // Its state says otherwise while it is on its way out.
        Status::Drained | Status::Draining | Status::Stopping => "",
        _ if service.is_drained => ": being taken out",
        _ => "",
    };
    format!("{mark}{}", small(format!("for {since}{note}")))
}

fn backend(service: &ServiceReport, times: &Times) -> String {
    let mark = match service.verdict {
        Some(Verdict::Up) => Mark(Tone::Good, "up"),
        Some(Verdict::Down) => Mark(Tone::Bad, "down"),
        None => return nothing("no verdict yet"),
    };
    let since = service
        .verdict_since
        .map(|at| format!("for {}", times.since(at)));
    format!("{mark}{}", small(since.unwrap_or_default()))
}

fn probe(probe: Option<&ProbeReport>, times: &Times) -> String {
    let Some(probe) = probe else {
        return nothing("none yet");
    };
    let result = match probe.passed {
        // Some checks have no more to say.
        true if probe.reason == "passed" => "",
        true => "passed ",
        false => "failed ",
    };
    let (took, ago) = (short(probe.took), times.since(probe.ended_at));
    let detail = small(format!("{result}in {took}, {ago} ago"));
    format!("{}{detail}", Text(&probe.reason))
}

fn lease(service: &ServiceReport, times: &Times) -> String {
    let Some(LeaseReport { expires_at, .. }) = service.lease else {
        return nothing("none");
    };
    let left = times.left(expires_at);
    let (ttl, shown) = (service.ttl.as_secs_f64(), left.as_secs());
    // Renewed after a third.
    let low = ttl * 0.3;
    let meter = format!(
        "<meter aria-hidden=\"true\" max=\"{ttl}\" low=\"{low:.1}\" optimum=\"{ttl}\" value=\"{shown}\"></meter>"
    );
    format!("{shown}s left of {}{meter}", short(service.ttl))
}
