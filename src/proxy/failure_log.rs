//! A failure is logged once when it starts and once when it ends, not on every try.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use renderer::resource::{LoadError, Resource};
use tracing::{error, info, warn};

use super::catalog::ConfdirFaults;

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
                    info!(
                        event = "resource_recovered",
                        "{}: in step again",
                        file.display()
                    );
                }
            }
            Some(failure) => {
                let before = self.failures.insert(file.to_owned(), failure.clone());
                if before.as_ref() != Some(&failure) {
                    error!(event = "resource_failed", "{failure}");
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

    /// How many files in `conf.d` are left out for their faults.
    pub(super) fn faults(&self) -> usize {
        self.faults.len()
    }

    /// All that is wrong in `conf.d`.
    pub(super) fn tell_faults(&mut self, faults: &ConfdirFaults) {
        let errors: BTreeSet<_> = faults.errors.iter().map(ToString::to_string).collect();
        for error in errors.difference(&self.faults) {
            error!(event = "resource_rejected", "{error}");
        }
        self.faults = errors;
        let warnings: BTreeSet<_> = faults.warnings.iter().flat_map(LoadError::lines).collect();
        for warning in warnings.difference(&self.warnings) {
            warn!(event = "resource_doubtful", "{warning}");
        }
        self.warnings = warnings;
    }
}

#[cfg(test)]
mod tests {
    use renderer::resource::Fault;

    use super::*;
    use crate::log::captured;

    /// What is logged as the resource in this file fails, or does not.
    fn telling(log: &mut FailureLog, file: &str, failure: Option<&str>) -> Vec<String> {
        captured::lines(|| log.tell(Path::new(file), failure.map(str::to_owned)))
    }

    fn telling_faults(
        log: &mut FailureLog,
        errors: &[&'static str],
        warnings: &[&'static str],
    ) -> Vec<String> {
        let faults = ConfdirFaults {
            errors: errors.iter().map(|message| fault(message)).collect(),
            warnings: warnings.iter().map(|message| fault(message)).collect(),
        };
        captured::lines(|| log.tell_faults(&faults))
    }

    fn fault(message: &str) -> LoadError {
        LoadError {
            file: "a.toml".into(),
            faults: vec![Fault {
                line: None,
                message: message.to_owned(),
                harmless: false,
            }],
            is_kept: false,
        }
    }

    #[test]
    fn a_failure_is_said_when_it_starts_when_it_changes_and_when_it_ends() {
        let mut log = FailureLog::default();
        assert_eq!(telling(&mut log, "a.toml", None), [""; 0]);
        assert_eq!(telling(&mut log, "a.toml", Some("a: no")), ["ERROR a: no"]);
        assert_eq!(telling(&mut log, "a.toml", Some("a: no")), [""; 0]);
        assert_eq!(
            telling(&mut log, "a.toml", Some("a: nay")),
            ["ERROR a: nay"]
        );
        assert_eq!(
            telling(&mut log, "a.toml", None),
            ["INFO a.toml: in step again"]
        );
        assert_eq!(telling(&mut log, "a.toml", None), [""; 0]);
    }

    #[test]
    fn each_resource_fails_by_itself() {
        let mut log = FailureLog::default();
        telling(&mut log, "a.toml", Some("no"));
        assert_eq!(telling(&mut log, "b.toml", Some("no")), ["ERROR no"]);
        telling(&mut log, "a.toml", None);
        assert!(log.has_failures());
        telling(&mut log, "b.toml", None);
        assert!(!log.has_failures());
    }

    #[test]
    fn a_fault_is_said_when_it_is_new() {
        let mut log = FailureLog::default();
        assert_eq!(
            telling_faults(&mut log, &["no src"], &["odd"]),
            [
                "ERROR Cannot process template resource a.toml - no src",
                "WARN a.toml: odd",
            ]
        );
        assert_eq!(telling_faults(&mut log, &["no src"], &["odd"]), [""; 0]);
        assert_eq!(telling_faults(&mut log, &[], &[]), [""; 0]);
        assert_eq!(
            telling_faults(&mut log, &[], &["odd"]),
            ["WARN a.toml: odd"]
        );
    }

    #[test]
    fn a_faulty_file_is_a_failure_and_an_odd_one_is_not() {
        let mut log = FailureLog::default();
        assert!(!log.has_failures());
        telling_faults(&mut log, &[], &["odd"]);
        assert!(!log.has_failures());
        telling_faults(&mut log, &["no src"], &[]);
        assert!(log.has_failures());
        telling_faults(&mut log, &[], &[]);
        assert!(!log.has_failures());
    }

    #[test]
    fn a_resource_that_is_no_more_does_not_fail_any_more() {
        let dir = tempfile::tempdir().expect("directory");
        let file = dir.path().join("kept.toml");
        std::fs::write(&file, "[template]\nsrc = 'a'\ndest = '/tmp/a'\n").expect("resource");
        let kept = [Resource::load(&file, dir.path()).expect("resource")];
        let name = file.to_str().expect("a name");

        let mut log = FailureLog::default();
        telling(&mut log, name, Some("no"));
        telling(&mut log, "gone.toml", Some("no"));
        log.keep_only(&kept);
        assert_eq!(telling(&mut log, name, Some("no")), [""; 0]);
        assert_eq!(telling(&mut log, "gone.toml", None), [""; 0]);
        log.keep_only(&[]);
        assert!(!log.has_failures());
    }
}
