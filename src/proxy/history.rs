//! What has been with each resource so far, for those who look on from outside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use renderer::resource::Resource;
use renderer::sync::{Outcome, Step, Steps, SyncError};

use crate::observe::report::{FileReport, ResourceReport, ResourceState, StageReport};

/// By the resource's file.
#[derive(Debug, Default)]
pub(super) struct Histories(BTreeMap<PathBuf, History>);

#[derive(Debug)]
struct History {
    state: ResourceState,
    state_since: Instant,
    owes_reload: bool,
    /// When its reload last ended, be it for what the resource was before.
    reloaded_at: Option<Instant>,
    render: StageReport,
    check: StageReport,
    reload: StageReport,
    file: Option<FileReport>,
    keys_dropped: u64,
}

impl Histories {
    /// These are the resources now.
    pub(super) fn keep_only(&mut self, resources: &[Resource]) {
        self.0
            .retain(|file, _| resources.iter().any(|resource| resource.file == *file));
    }

    /// A pass over it is done.
    pub(super) fn note(&mut self, resource: &Resource, outcome: &Outcome, now: Instant) {
        let history = self.of(&resource.file, now);
        history.owes_reload = outcome.reload_owed;
        history.take_in(&outcome.steps, now);
        history.stands(state(outcome), now);
    }

    /// Its reload was run.
    pub(super) fn note_reload(&mut self, resource: &Resource, ended_at: Instant) {
        self.of(&resource.file, ended_at).reloaded_at = Some(ended_at);
    }

    /// When its reload last ended, if it was run.
    pub(super) fn reloaded_at(&self, resource: &Resource) -> Option<Instant> {
        self.0.get(&resource.file)?.reloaded_at
    }

    /// It may not read what it reads.
    pub(super) fn denied(&mut self, resource: &Resource, now: Instant) {
        self.of(&resource.file, now)
            .stands(ResourceState::Denied, now);
    }

    fn of(&mut self, file: &Path, now: Instant) -> &mut History {
        let history = self.0.entry(file.to_owned());
        history.or_insert_with(|| History::new(now))
    }

    /// `is_pending`: something changed that it was not brought in step with yet. `began_at`: when it was
    /// first known of, if nothing has become of it.
    pub(super) fn report(
        &self,
        resource: &Resource,
        is_pending: bool,
        began_at: Instant,
    ) -> ResourceReport {
        let none = History::new(began_at);
        let history = self.0.get(&resource.file).unwrap_or(&none);
        let name = resource.file.file_name().unwrap_or_default();
        ResourceReport {
            name: name.to_string_lossy().into_owned(),
            dest: resource.dest.display().to_string(),
            state: history.state,
            state_since: history.state_since,
            is_pending,
            owes_reload: history.owes_reload,
            render: history.render.clone(),
            check: history.check.clone(),
            reload: history.reload.clone(),
            file: history.file.clone(),
            keys_dropped: history.keys_dropped,
        }
    }
}

impl History {
    fn new(now: Instant) -> Self {
        Self {
            state: ResourceState::Waiting,
            state_since: now,
            owes_reload: false,
            reloaded_at: None,
            render: StageReport::default(),
            check: StageReport::default(),
            reload: StageReport::default(),
            file: None,
            keys_dropped: 0,
        }
    }

    fn stands(&mut self, state: ResourceState, now: Instant) {
        if self.state != state {
            self.state = state;
            self.state_since = now;
        }
    }

    fn take_in(&mut self, steps: &Steps, now: Instant) {
        let stages = [
            (&mut self.render, steps.render),
            (&mut self.check, steps.check),
            (&mut self.reload, steps.reload),
        ];
        for (stage, step) in stages {
            if let Some(Step { took, succeeded }) = step {
                stage.note(succeeded, took, now);
            }
        }
        if steps.render.is_some() {
            self.keys_dropped = steps.left_out as u64;
        }
        if let Some(rendered) = &steps.rendered {
            self.file = Some(FileReport {
                size: rendered.size as u64,
                digest: rendered.digest.clone(),
            });
        }
    }
}

fn state(outcome: &Outcome) -> ResourceState {
    match &outcome.result {
        Ok(_) => ResourceState::InStep,
        Err(SyncError::Render(_) | SyncError::Owner(_)) => ResourceState::RenderFailed,
        Err(SyncError::Check(_) | SyncError::CheckText(_)) => ResourceState::CheckFailed,
        Err(SyncError::Reload(_)) => ResourceState::ReloadFailed,
        Err(SyncError::File(_) | SyncError::Cancelled) => ResourceState::FileFailed,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use renderer::sync::{Rendered, Synced};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn resource() -> Resource {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("a.toml");
        std::fs::write(&file, "[template]\nsrc = 'a'\ndest = '/tmp/a'\n").expect("written");
        Resource::load(&file, dir.path()).expect("sound")
    }

    fn rendered(result: Result<Synced, SyncError>) -> Outcome {
        let step = Step {
            took: SECOND,
            succeeded: true,
        };
        Outcome {
            result,
            reload_owed: false,
            steps: Steps {
                render: Some(step),
                rendered: Some(Rendered {
                    size: 7,
                    digest: "d".to_owned(),
                }),
                left_out: 2,
                ..Steps::default()
            },
        }
    }

    #[test]
    fn what_was_done_is_counted_and_the_state_lasts_while_it_is_the_same() {
        let (resource, now) = (resource(), Instant::now());
        let mut histories = Histories::default();
        histories.note(&resource, &rendered(Ok(Synced::Updated)), now);
        histories.note(&resource, &rendered(Ok(Synced::InStep)), now + SECOND);
        let report = histories.report(&resource, false, now);
        assert_eq!(report.state, ResourceState::InStep);
        assert_eq!(report.state_since, now);
        assert_eq!((report.render.succeeded, report.check.succeeded), (2, 0));
        assert_eq!(report.keys_dropped, 2);
        assert_eq!(report.file.expect("a file").size, 7);
        let failed = SyncError::CheckText("no".to_owned());
        histories.note(&resource, &rendered(Err(failed)), now + 2 * SECOND);
        let report = histories.report(&resource, false, now);
        assert_eq!(report.state, ResourceState::CheckFailed);
        assert_eq!(report.state_since, now + 2 * SECOND);
    }

    #[test]
    fn nothing_has_become_of_one_that_was_not_brought_in_step_yet() {
        let (resource, now) = (resource(), Instant::now());
        let mut histories = Histories::default();
        let report = histories.report(&resource, true, now);
        assert_eq!(report.state, ResourceState::Waiting);
        assert!(report.is_pending);
        histories.denied(&resource, now);
        assert_eq!(
            histories.report(&resource, true, now).state,
            ResourceState::Denied
        );
        histories.keep_only(&[]);
        let report = histories.report(&resource, true, now);
        assert_eq!(report.state, ResourceState::Waiting);
    }
}
