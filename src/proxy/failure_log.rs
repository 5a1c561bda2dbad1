//! A failure is logged once when it starts and once when it ends, not on every try.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use renderer::resource::{LoadError, Resource};
use tracing::{error, info, warn};

use super::catalog::Faults;

/// What has been logged and still holds.
#[derive(Debug, Default)]
pub(super) struct FailureLog {
    /// By the resource's file.
    failures: BTreeMap<PathBuf, String>,
    faults: BTreeSet<String>,
    warnings: BTreeSet<String>,
}

impl FailureLog {
    /// What became of the resource in `file`.
    pub(super) fn tell(&mut self, file: &Path, failure: Option<String>) {
        match failure {
            None => {
                if self.failures.remove(file).is_some() {
                    info!("{}: in step again", file.display());
                }
            }
            Some(failure) => {
                let before = self.failures.insert(file.to_owned(), failure.clone());
                if before.as_ref() != Some(&failure) {
                    error!("{failure}");
                }
            }
        }
    }

    /// Forgets resources that are no more.
    pub(super) fn keep_only(&mut self, resources: &[Resource]) {
        self.failures
            .retain(|file, _| resources.iter().any(|resource| resource.file == *file));
    }

    /// Whether anything does not work, as far as it was tried.
    pub(super) fn has_failures(&self) -> bool {
        !self.failures.is_empty() || !self.faults.is_empty()
    }

    /// All that is wrong in `conf.d`.
    pub(super) fn tell_faults(&mut self, faults: &Faults) {
        let errors: BTreeSet<_> = faults.errors.iter().map(ToString::to_string).collect();
        for error in errors.difference(&self.faults) {
            error!("{error}");
        }
        self.faults = errors;
        let warnings: BTreeSet<_> = faults.warnings.iter().flat_map(LoadError::lines).collect();
        for warning in warnings.difference(&self.warnings) {
            warn!("{warning}");
        }
        self.warnings = warnings;
    }
}
