//! The files of a proxy side, those that need somebody first.

use super::super::report::{FileReport, ResourceReport, ResourceState, StageReport};
use super::markup::{Mark, Text, Tone, count, grouped, nothing, row, small, table as table_of};
use super::spans::{Times, short};

const COLUMNS: [&str; 6] = [
    "Resource",
    "State",
    "Last render",
    "Last check",
    "Last reload",
    "File",
];

/// Of a digest: enough to tell two files apart.
const SHORT_DIGEST: usize = 8;

pub(super) fn table(resources: &[ResourceReport], times: &Times) -> String {
    if resources.is_empty() {
        return "<p class=\"quiet\">There are no resources.</p>\n".to_owned();
    }
    let mut ordered: Vec<_> = resources.iter().collect();
    ordered.sort_by_key(|resource| (rank(resource), &resource.name));
    let rows = ordered.into_iter().map(|resource| show(resource, times));
    table_of("Resources", &COLUMNS, rows)
}

fn rank(resource: &ResourceReport) -> Tone {
    let tone = tone(resource.state);
    match tone {
        Tone::Good if resource.owes_reload => Tone::Doubtful,
        tone => tone,
    }
}

pub(super) fn tone(state: ResourceState) -> Tone {
    match state {
        ResourceState::Denied
        | ResourceState::RenderFailed
        | ResourceState::CheckFailed
        | ResourceState::ReloadFailed
        | ResourceState::FileFailed => Tone::Bad,
        ResourceState::Waiting => Tone::Passing,
        ResourceState::InStep => Tone::Good,
    }
}

pub(super) fn words(state: ResourceState) -> &'static str {
    match state {
        ResourceState::Waiting => "waiting",
        ResourceState::InStep => "in step",
        ResourceState::Denied => "denied",
        ResourceState::RenderFailed => "render failed",
        ResourceState::CheckFailed => "check failed",
        ResourceState::ReloadFailed => "reload failed",
        ResourceState::FileFailed => "file failed",
    }
}

fn show(resource: &ResourceReport, times: &Times) -> String {
    let dest = format!("<code>{}</code>", Text(&resource.dest));
    let head = format!("{}{}", Text(&resource.name), small(dest));
    row(
        &head,
        [
            ("State", state(resource, times)),
            ("Last render", stage(&resource.render, times)),
            ("Last check", stage(&resource.check, times)),
            ("Last reload", stage(&resource.reload, times)),
            ("File", file(resource)),
        ],
    )
}

fn state(resource: &ResourceReport, times: &Times) -> String {
    let mark = Mark(tone(resource.state), words(resource.state));
    let since = times.since(resource.state_since);
    let mut notes = format!("for {since}");
    if resource.owes_reload {
        notes += "; reload owed";
    }
    if resource.is_pending {
        notes += "; changes pending";
    }
    format!("{mark}{}", small(notes))
}

fn stage(stage: &StageReport, times: &Times) -> String {
    let Some(last) = stage.last else {
        return nothing("none");
    };
    let mark = match last.succeeded {
        true => Mark(Tone::Good, "succeeded"),
        false => Mark(Tone::Bad, "failed"),
    };
    let (took, ago) = (short(last.took), times.since(last.ended_at));
    format!("{mark}{}", small(format!("in {took}, {ago} ago")))
}

fn file(resource: &ResourceReport) -> String {
    let Some(FileReport { size, digest }) = &resource.file else {
        return nothing("not rendered yet");
    };
    let dropped = match usize::try_from(resource.keys_dropped).unwrap_or(usize::MAX) {
        0 => String::new(),
        dropped => small(format!(
            "{} left out by validate",
            count(dropped, "key", "keys")
        )),
    };
    let short: String = digest.chars().take(SHORT_DIGEST).collect();
    let digest = format!(
        "MD5 <code title=\"{}\">{}</code>",
        Text(digest),
        Text(&short)
    );
    format!("{} bytes{}{dropped}", grouped(*size), small(digest))
}
