//! What came of the resources of one pass, told in the order of their files as confd does, whatever
//! the order in which they were done.

use std::collections::BTreeMap;
use std::path::Path;

use renderer::resource::Resource;
use renderer::sync::Synced;
use tracing::error;

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

impl Report {
    /// What became of the resource whose file is `dest`, or why it failed.
    fn tell(&mut self, dest: &Path, result: Result<Synced, String>) {
        match result {
            Ok(Synced::InStep | Synced::Updated) => {}
            Ok(Synced::Pending { diff, fault }) => {
                self.diff += &diff;
                self.is_pending = true;
                if let Some(fault) = fault {
                    self.fail(format!("{}: {fault}", dest.display()));
                }
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn fail(&mut self, failure: String) {
        error!(event = "resource_failed", "{failure}");
        self.failure = Some(failure);
    }
}

/// Each resource is told once all before it are.
pub(super) struct InOrder<'a> {
    resources: &'a [Resource],
    report: Report,
    /// How many were told.
    told: usize,
    /// Of those behind them, by number.
    early: BTreeMap<usize, Result<Synced, String>>,
}

impl<'a> InOrder<'a> {
    pub(super) fn new(resources: &'a [Resource], report: Report) -> Self {
        Self {
            resources,
            report,
            told: 0,
            early: BTreeMap::new(),
        }
    }

    /// What became of a resource, or why it failed.
    pub(super) fn take_in(&mut self, number: usize, result: Result<Synced, String>) {
        self.early.insert(number, result);
        while let Some(result) = self.early.remove(&self.told) {
            let dest = &self.resources[self.told].dest;
            self.report.tell(dest, result);
            self.told += 1;
        }
    }

    pub(super) fn report(self) -> Report {
        self.report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::captured;

    fn resources(count: usize) -> Vec<Resource> {
        let dir = tempfile::tempdir().expect("directory");
        let load = |number| {
            let file = dir.path().join(format!("{number}.toml"));
            let text = format!("[template]\nsrc = 'a'\ndest = '/tmp/{number}'\n");
            std::fs::write(&file, text).expect("resource");
            Resource::load(&file, dir.path()).expect("resource")
        };
        (0..count).map(load).collect()
    }

    fn pending(diff: &str, fault: Option<&str>) -> Result<Synced, String> {
        Ok(Synced::Pending {
            diff: diff.to_owned(),
            fault: fault.map(str::to_owned),
        })
    }

    #[test]
    fn failures_come_in_the_order_of_the_files_and_the_last_of_them_is_reported() {
        let resources = resources(4);
        let mut in_order = InOrder::new(&resources, Report::default());
        let mut lines_of = |number, result| captured::lines(|| in_order.take_in(number, result));
        assert_eq!(lines_of(3, Err("d".to_owned())), [""; 0]);
        assert_eq!(lines_of(1, Err("b".to_owned())), [""; 0]);
        assert_eq!(lines_of(0, Err("a".to_owned())), ["ERROR a", "ERROR b"]);
        assert_eq!(lines_of(2, Ok(Synced::Updated)), ["ERROR d"]);
        assert_eq!(in_order.report().failure.as_deref(), Some("d"));
    }

    #[test]
    fn diffs_come_in_that_order_too_and_a_fault_names_its_file() {
        let resources = resources(2);
        let mut in_order = InOrder::new(&resources, Report::default());
        in_order.take_in(1, pending("second", Some("no")));
        in_order.take_in(0, pending("first ", None));
        let report = in_order.report();
        assert_eq!(report.diff, "first second");
        assert!(report.is_pending);
        assert_eq!(report.failure.as_deref(), Some("/tmp/1: no"));
    }
}
