//! Everything brought in step once.

use std::path::Path;
use std::sync::Arc;

use renderer::cancel::Cancel;
use renderer::descriptors::raise_limit;
use renderer::resource::LoadError;
use renderer::snapshot::Snapshot;
use renderer::sync::{Synced, Syncer};
use tracing::{error, warn};

use super::catalog::Catalog;
use super::data;
use super::pass::{Finished, Pass, Work, failure};
use crate::config::{RenderConfig, Source};
use crate::etcd::connection::Connector;
use crate::etcd::follow;
use crate::exit::{Exit, RunError};
use crate::output;

/// What came of one pass.
#[derive(Debug, Default)]
pub struct Report {
    /// The last thing that failed.
    pub failure: Option<String>,
    /// What would be changed; with `--noop` only.
    pub diff: String,
    /// Whether anything would, shown or not.
    pub is_pending: bool,
}

/// # Errors
/// When etcd cannot be asked, or the data file not be read.
pub async fn once(config: RenderConfig) -> Result<Report, RunError> {
    raise_limit();
    let (catalog, faults) = Catalog::load(&config.files);
    let mut report = Report::default();
    for warning in faults.warnings.iter().flat_map(LoadError::lines) {
        warn!("{warning}");
    }
    for error in &faults.errors {
        report.fail(error.to_string());
    }
    let syncer = Syncer::new(config.files.options.clone());
    if !config.files.options.noop {
        // Etcd may be away, and a daemon may read the files meanwhile.
        syncer.recover(&catalog.resources);
    }
    let trees = catalog.trees();
    let snapshot = match config.source {
        Source::File(path) => data::read(&path)?,
        Source::Etcd(_) if trees.is_empty() => Snapshot::default(),
        Source::Etcd(etcd) => follow::read_once(&mut Connector::new(etcd), &trees).await?,
    };
    let work = Work { syncer, snapshot };
    let all = (0..catalog.resources.len()).collect();
    let cancel = Arc::new(Cancel::new()?);
    let mut pass = Pass::start(&catalog, all, work, &cancel);
    let Finished { due, outcomes, .. } = pass.finished().await?;
    for (number, outcome) in due.into_iter().zip(outcomes) {
        match outcome.result {
            Ok(Synced::InStep | Synced::Updated) => {}
            Ok(Synced::Pending { diff }) => {
                report.diff += &diff;
                report.is_pending = true;
            }
            Err(error) => {
                let dest = &catalog.resources[number].dest;
                report.fail(failure(&error, dest, config.files.options.dialect));
            }
        }
    }
    Ok(report)
}

impl Report {
    fn fail(&mut self, failure: String) {
        error!("{failure}");
        self.failure = Some(failure);
    }
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
    for defect in renderer::lint(confdir) {
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
