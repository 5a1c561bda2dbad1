//! What a proxy side knows of its files.

use std::fmt;
use std::time::Instant;

use super::super::report::{ProxyReport, ResourceReport, ResourceState, StageReport};
use super::sheet::{Label, Name, Sheet};

const STATES: [ResourceState; 7] = [
    ResourceState::Waiting,
    ResourceState::InStep,
    ResourceState::Denied,
    ResourceState::RenderFailed,
    ResourceState::CheckFailed,
    ResourceState::ReloadFailed,
    ResourceState::FileFailed,
];

/// What is done of one kind, and how its metrics are called.
struct Stage {
    of: fn(&ResourceReport) -> &StageReport,
    count: Name,
    count_help: &'static str,
    took: Name,
    took_help: &'static str,
}

const STAGES: [Stage; 3] = [
    Stage {
        of: |resource| &resource.render,
        count: "register_renders",
        count_help: "Templates executed, with their results.",
        took: "register_render_duration_seconds",
        took_help: "How long executing the template took.",
    },
    Stage {
        of: |resource| &resource.check,
        count: "register_checks",
        count_help: "Runs of check_cmd, with their results.",
        took: "register_check_duration_seconds",
        took_help: "How long check_cmd took.",
    },
    Stage {
        of: |resource| &resource.reload,
        count: "register_reloads",
        count_help: "Runs of reload_cmd, with their results.",
        took: "register_reload_duration_seconds",
        took_help: "How long reload_cmd took.",
    },
];

pub(super) fn write(sheet: &mut Sheet, report: &ProxyReport, now: Instant) -> fmt::Result {
    keys(sheet, report, now)?;
    for stage in STAGES {
        write_stage(sheet, report, &stage)?;
    }
    resources(sheet, report)
}

fn keys(sheet: &mut Sheet, report: &ProxyReport, now: Instant) -> fmt::Result {
    sheet.gauge(
        "register_keys_watched",
        "Keys known, of all trees that resources read.",
        report.keys as u64,
    )?;
    sheet.gauge(
        "register_revision",
        "etcd's revision of the last change taken in; 0 before anything was read.",
        report.revision,
    )?;
    let changed_at = report.changed_at.into_iter();
    sheet.gauges(
        "register_last_change_age_seconds",
        "Time since a change was last taken in. Absent before the first.",
        changed_at.map(|at| ([], now.saturating_duration_since(at).as_secs_f64())),
    )?;
    sheet.gauge(
        "register_conf_files_rejected",
        "Files of conf.d that are left out for their faults.",
        report.rejected as u64,
    )
}

fn labels(resource: &ResourceReport) -> [Label<'_>; 1] {
    [("resource", &resource.name)]
}

fn write_stage(sheet: &mut Sheet, report: &ProxyReport, stage: &Stage) -> fmt::Result {
    let resources = || report.resources.iter();
    sheet.counters(
        stage.count,
        stage.count_help,
        resources().flat_map(|resource| {
            let StageReport {
                succeeded, failed, ..
            } = (stage.of)(resource);
            let results = [("succeeded", *succeeded), ("failed", *failed)];
            let [name] = labels(resource);
            results.map(|(result, count)| ([name, ("result", result)], count))
        }),
    )?;
    sheet.histograms(
        stage.took,
        stage.took_help,
        resources().map(|resource| (labels(resource), &(stage.of)(resource).took)),
    )
}

fn resources(sheet: &mut Sheet, report: &ProxyReport) -> fmt::Result {
    let resources = || report.resources.iter();
    sheet.states(
        "register_resource_state",
        "1 for the state that the resource is in, 0 for the others.",
        resources().flat_map(|resource| {
            let [name] = labels(resource);
            STATES.map(|state| ([name, ("state", state.name())], resource.state == state))
        }),
    )?;
    sheet.states(
        "register_resource_pending",
        "Whether something changed that the resource is not in step with yet.",
        resources().map(|resource| (labels(resource), resource.is_pending)),
    )?;
    sheet.states(
        "register_reload_pending",
        "Whether the file was replaced and its reload has not succeeded yet.",
        resources().map(|resource| (labels(resource), resource.owes_reload)),
    )?;
    sheet.gauges(
        "register_file_size_bytes",
        "Size of the file as last rendered. Absent before that.",
        resources().filter_map(|resource| Some((labels(resource), resource.file.as_ref()?.size))),
    )?;
    sheet.gauges(
        "register_keys_dropped",
        "Keys that validate left out of the last render.",
        resources().map(|resource| (labels(resource), resource.keys_dropped)),
    )
}
