//! Everything brought in step once.

use std::path::Path;

use renderer::descriptors::raise_limit;
use renderer::resource::LoadError;
use tracing::{error, warn};

use super::catalog::Catalog;
use super::data;
use super::helpers::HELPERS;
use super::in_order::{InOrder, Report};
use super::known::{Known, Standing};
use super::pass::{HostFiles, denied, failure};
use crate::config::{RenderConfig, Source};
use crate::etcd::follow::{CALL_TIMEOUT, read_once};
use crate::etcd::reach::{self, CommandLimits};
use crate::etcd::wire::WireDial;
use crate::exit::{Exit, RunError};
use crate::host::{self, ThisHost};
use crate::os::output;
use crate::world::{Files, Finished, Pass};

/// # Errors
/// When etcd cannot be asked, or the data file not be read.
pub async fn once(config: RenderConfig) -> Result<Report, RunError> {
    raise_limit();
    let mut files = HostFiles::new(&config.files)?;
    let options = config.files.options;
    let (catalog, faults) = Catalog::of(&options, files.load(None));
    let mut report = Report::default();
    for warning in faults.warnings.iter().flat_map(LoadError::lines) {
        warn!(event = "resource_doubtful", "{warning}");
    }
    for error in &faults.errors {
        error!(event = "resource_rejected", "{error}");
        report.failure = Some(error.to_string());
    }
    if !options.noop {
        // Etcd may be away, and a daemon may read the files meanwhile.
        files.recover(&catalog.resources);
    }
    let trees = catalog.trees();
    let mut known = Known::default();
    match config.source {
        Source::File(path) => known = Known::all(data::read(&path)?, trees),
        Source::Etcd(_) if trees.is_empty() => {}
        Source::Etcd(etcd) => {
            let limits = CommandLimits {
                call: CALL_TIMEOUT,
                reach: CALL_TIMEOUT
                    * 2
                    * u32::try_from(etcd.likely_endpoints()).unwrap_or(u32::MAX),
            };
            let (dial, seed) = (WireDial::new(etcd), host::seed());
            let read = reach::once(dial, limits, seed, async |connection| {
                read_once::<ThisHost>(connection, &trees).await
            });
            known.take_in(read.await?);
        }
    }
    let mut told = InOrder::new(&catalog.resources, report);
    let mut due = Vec::new();
    for (number, (resource, trees)) in catalog.iter().enumerate() {
        match known.standing(trees) {
            Standing::Denied(tree) => {
                let failure = denied(&tree, &resource.dest, options.dialect);
                told.take_in(number, Err(failure));
            }
            Standing::Known | Standing::Unread => due.push(number),
        }
    }
    for group in catalog.by_group(due) {
        let mut pass = files.start(&catalog.resources, group, known.lend());
        let Finished { due, outcomes, .. } = pass.finished().await?;
        for (number, outcome) in due.into_iter().zip(outcomes) {
            let dest = &catalog.resources[number].dest;
            let result = outcome.result;
            let result = result.map_err(|error| failure(&error, dest, options.dialect));
            told.take_in(number, result);
        }
    }
    Ok(told.report())
}

/// `register render --once`, `--noop` and `--data`.
///
/// # Errors
/// As [`once`], and when standard output cannot be written.
pub async fn command(config: RenderConfig) -> Result<Exit, RunError> {
    let report = once(config).await?;
    output::print(&report.diff)?;
    Ok(if report.failure.is_none() && !report.is_pending {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// `register render lint`.
///
/// # Errors
/// When standard output cannot be written.
pub fn lint(confdir: &Path) -> Result<Exit, RunError> {
    let mut exit = Exit::Done;
    let mut text = String::new();
    for defect in renderer::lint(confdir, HELPERS) {
        let kind = if defect.fault.harmless {
            "warning"
        } else {
            "error"
        };
        if !defect.fault.harmless {
            exit = Exit::Failed;
        }
        let line = defect
            .fault
            .line
            .map_or(String::new(), |line| format!(":{line}"));
        let (file, message) = (defect.file.display(), &defect.fault.message);
        text += &format!("{file}{line}: {kind}: {message}\n");
    }
    output::print(&text)?;
    Ok(exit)
}
