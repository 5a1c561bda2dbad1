//! Brings the files of resources in step with a snapshot: render, compare, stage, check, swap,
//! reload.

mod busy;
mod carry_out;
mod member;
mod memory;
mod rehearsal;
mod steps;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::iter;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{debug, info, warn};

use crate::cancel::Cancel;
use crate::command::CommandError;
use crate::directory::Directories;
use crate::error::FileError;
use crate::groups::{groups, transactions};
use crate::options::Options;
use crate::permissions::UnknownOwner;
use crate::recover;
use crate::render::{RenderError, Renderer};
use crate::resource::Resource;
use crate::slots::{Slot, Slots};
use crate::snapshot::Snapshot;
use crate::target::Target;
use busy::Busy;
use carry_out::Execution;
use member::Member;
use memory::Memory;
pub use steps::{Rendered, Step, Steps};

/// So many groups are rendered, compared and staged at once.
const RENDERED_AT_ONCE: usize = 4;

/// So many commands run at once, of all groups.
const COMMANDS_AT_ONCE: usize = 64;

/// What became of a resource.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The file, or why it is not in step.
    pub result: Result<Synced, SyncError>,
    /// The file was replaced, now or earlier, and its reload has not succeeded yet. Not said where we
    /// were told to stop before it was looked at.
    pub reload_owed: bool,
    /// What was done on the way.
    pub steps: Steps,
}

/// A file that is in step, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Synced {
    /// It was.
    InStep,
    /// It was replaced, and what uses it was reloaded; or put back, where an earlier sync could not.
    Updated,
    /// It would be replaced. Only with [`Options::noop`].
    Pending {
        /// A unified diff.
        diff: String,
        /// Why it would not pass its check, as far as that can be known.
        fault: Option<String>,
    },
}

/// Why a file is not in step, or its reload is owed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SyncError {
    /// There is nothing to write.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// `owner` or `group` is not known.
    #[error(transparent)]
    Owner(#[from] UnknownOwner),
    /// Something could not be done to the file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The check did not pass; the previous file stays.
    #[error("Config check failed: {0}")]
    Check(CommandError),
    /// The check's text is no template; in Go's words.
    #[error("Config check failed: {0}")]
    CheckText(String),
    /// The new file is in place, and the reload is tried again at the next sync.
    #[error("{0}")]
    Reload(CommandError),
    /// We were told to stop. What was not checked to the end is as it was; a reload that was not run
    /// to the end is owed.
    #[error("given up: stopping")]
    Cancelled,
}

/// Brings resources in step, time after time, and groups of them side by side: one syncer for all
/// threads. What it remembers only makes it quicker, and keeps it from saying things twice.
#[derive(Debug)]
pub struct Syncer {
    options: Options,
    holds_reloads: AtomicBool,
    renderer: Renderer,
    directories: Directories,
    busy: Busy,
    memory: Memory,
    rendering: Slots,
    commands: Slots,
    /// As many others of it are there as files that are not judged yet.
    judged: Arc<()>,
}

impl Default for Syncer {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

/// With its number in the group.
type Numbered<T> = (usize, T);

impl Syncer {
    /// For these options.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            holds_reloads: AtomicBool::new(options.hold_reloads),
            renderer: Renderer::new(options.helpers, options.limits.clone()),
            options,
            directories: Directories::default(),
            busy: Busy::default(),
            memory: Memory::default(),
            rendering: Slots::new(RENDERED_AT_ONCE),
            commands: Slots::new(COMMANDS_AT_ONCE),
            judged: Arc::default(),
        }
    }

    /// Whether to leave reloads out: what uses the files is not running yet, and will read them when
    /// it starts. It counts for what has been rendered and not begun to be staged, and for all later.
    pub fn hold_reloads(&self, hold: bool) {
        self.holds_reloads.store(hold, Ordering::Relaxed);
    }

    /// Whether a new file is in place that may be put back still: what reads all files had better
    /// not do so now.
    #[must_use]
    pub fn is_judging(&self) -> bool {
        Arc::strong_count(&self.judged) > 1
    }

    /// Puts back what a killed process had replaced and not checked. A sync does it as well: this is
    /// for who cannot sync yet.
    pub fn recover(&self, resources: &[Resource]) {
        for resource in resources {
            if let Err(error) = self.put_back(&resource.dest) {
                debug!("{error}");
            }
        }
    }

    fn put_back(&self, dest: &Path) -> Result<(), FileError> {
        let target = Target::of(dest)?;
        let _claim = self.busy.claim(&target, dest)?;
        recover::put_back(&target, dest)
    }

    /// Brings `batch` in step with `snapshot`, group by group as in [`groups`]; an outcome for each,
    /// in the same order. Those with the same reload share one: all are checked, all swapped in, and
    /// reloaded once.
    ///
    /// Blocks as long as commands run. `cancel` ends that: a check is killed, and in its second stage
    /// a reload as well.
    pub fn sync(
        &self,
        batch: &[&Resource],
        snapshot: Arc<Snapshot>,
        cancel: Option<&Cancel>,
    ) -> Vec<Outcome> {
        let groups = self.unless_sync_only(batch, groups);
        // The last group gets the snapshot itself, and nobody keeps it.
        let snapshots = iter::repeat_n(snapshot, groups.len());
        in_order(
            groups
                .into_iter()
                .zip(snapshots)
                .flat_map(|(numbers, snapshot)| {
                    let group: Vec<_> = numbers.iter().map(|number| batch[*number]).collect();
                    let outcomes = self.sync_group(&group, snapshot, cancel);
                    numbers.into_iter().zip(outcomes)
                }),
        )
    }

    /// The same for resources of one group. The snapshot is let go as soon as all of them are
    /// rendered: no command keeps it.
    ///
    /// Several threads may do this at once, each for a group of its own.
    pub fn sync_group(
        &self,
        group: &[&Resource],
        snapshot: Arc<Snapshot>,
        cancel: Option<&Cancel>,
    ) -> Vec<Outcome> {
        let mut slot = self.rendering.take(cancel);
        if slot.is_none() {
            return vec![Outcome::of(SyncError::Cancelled); group.len()];
        }
        let transactions = self.unless_sync_only(group, transactions);
        let prepare = |number| (number, Member::prepare(self, group[number], &snapshot));
        let prepared: Vec<Vec<_>> = transactions
            .into_iter()
            .map(|numbers| numbers.into_iter().map(prepare).collect())
            .collect();
        drop(snapshot);
        in_order(
            prepared
                .into_iter()
                .flat_map(|prepared| self.carry_out(prepared, slot.take(), cancel)),
        )
    }

    /// What is neither checked nor reloaded has nothing in common.
    fn unless_sync_only<'a>(
        &self,
        resources: &[&'a Resource],
        together: impl FnOnce(Vec<&'a Resource>) -> Vec<Vec<usize>>,
    ) -> Vec<Vec<usize>> {
        if self.options.sync_only {
            return (0..resources.len()).map(|number| vec![number]).collect();
        }
        together(resources.to_vec())
    }

    /// One transaction.
    fn carry_out<'s>(
        &'s self,
        prepared: Vec<Numbered<Result<Member<'_>, SyncError>>>,
        slot: Option<Slot<'s>>,
        cancel: Option<&'s Cancel>,
    ) -> Vec<Numbered<Outcome>> {
        let mut outcomes = Vec::new();
        let (mut numbers, mut members) = (Vec::new(), Vec::new());
        for (number, prepared) in prepared {
            match prepared {
                Ok(member) => {
                    numbers.push(number);
                    members.push(member);
                }
                Err(error) => outcomes.push((number, Outcome::of(error))),
            }
        }
        let done = if self.options.noop {
            members
                .into_iter()
                .map(|member| {
                    let fault = rehearsal::fault_of(self, &member, cancel);
                    member.would_be(fault)
                })
                .collect()
        } else {
            Execution::new(self, members, slot, cancel).carry_out()
        };
        for (number, (member, outcome)) in numbers.into_iter().zip(done) {
            self.note(&member, &outcome);
            outcomes.push((number, outcome));
        }
        outcomes
    }

    /// Once for each file, and again while others work on it.
    fn sweep(&self, target: &Target) {
        let wanted = !self.options.keep_stage_file && !self.memory.is_swept(target.path());
        let is_ours = |neighbour: &OsStr| self.busy.has(target, neighbour);
        if wanted && recover::sweep(target, is_ours) {
            self.memory.swept(target.path());
        }
    }

    /// Logs a success; the failures are the caller's to tell.
    fn note(&self, member: &Member, outcome: &Outcome) {
        let dest = member.dest();
        for missing in member.missing() {
            if self.memory.is_news(dest, missing) {
                warn!(
                    event = "permissions_not_given",
                    "{}: {missing}; written all the same",
                    dest.display()
                );
            }
        }
        if matches!(outcome.result, Ok(Synced::Updated)) {
            info!(
                event = "file_updated",
                "Target config {} has been updated",
                dest.display()
            );
        }
        self.memory.note(member, outcome.result.is_ok());
    }
}

/// As they are numbered.
fn in_order(outcomes: impl Iterator<Item = Numbered<Outcome>>) -> Vec<Outcome> {
    let outcomes: BTreeMap<usize, Outcome> = outcomes.collect();
    outcomes.into_values().collect()
}

impl Outcome {
    /// It failed before anything was begun.
    fn of(error: SyncError) -> Self {
        Self {
            result: Err(error),
            reload_owed: false,
            steps: Steps::default(),
        }
    }
}
