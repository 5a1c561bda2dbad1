//! Brings the files of resources in step with a snapshot: render, compare, stage, check, swap,
//! reload.

mod carry_out;
mod member;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use tracing::{debug, info, warn};

use crate::cancel::Cancel;
use crate::command::CommandError;
use crate::directory::Directories;
use crate::error::FileError;
use crate::groups::transactions;
use crate::options::Options;
use crate::permissions::{Permissions, UnknownOwner, Wanted};
use crate::recover;
use crate::render::{RenderError, Renderer};
use crate::resource::Resource;
use crate::snapshot::Snapshot;
use crate::target::Target;
use carry_out::Group;
use member::Member;

/// What became of a resource.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The file, or why it is not in step.
    pub result: Result<Synced, SyncError>,
    /// The file was replaced, now or earlier, and its reload has not succeeded yet.
    pub reload_owed: bool,
}

/// A file that is in step, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Synced {
    /// It was.
    InStep,
    /// It was replaced, and what uses it was reloaded.
    Updated,
    /// It would be replaced. Only with [`Options::noop`].
    Pending {
        /// A unified diff.
        diff: String,
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

/// Brings resources in step, time after time. What it remembers only makes it quicker, and keeps it
/// from saying things twice.
#[derive(Debug, Default)]
pub struct Syncer {
    options: Options,
    renderer: Renderer,
    /// Files whose leftovers were removed.
    swept: HashSet<PathBuf>,
    /// What was tried last, where that failed: a digest of the contents.
    failed: HashMap<PathBuf, String>,
    directories: Directories,
    /// What files came to have, where it was found out, and what they were to have.
    came_out: HashMap<PathBuf, (Wanted, Permissions)>,
    /// Of which file was said what.
    warned: HashSet<(PathBuf, String)>,
}

impl Syncer {
    /// For these options.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Whether to leave reloads out: what uses the files is not running yet, and will read them when
    /// it starts.
    pub fn hold_reloads(&mut self, hold: bool) {
        self.options.hold_reloads = hold;
    }

    /// Puts back what a killed process had replaced and not checked. A sync does it as well: this is
    /// for who cannot sync yet.
    pub fn recover(&self, resources: &[Resource]) {
        for resource in resources {
            let put_back = Target::of(&resource.dest)
                .and_then(|target| recover::put_back(&target, &resource.dest));
            if let Err(error) = put_back {
                debug!("{error}");
            }
        }
    }

    /// Brings `batch` in step with `snapshot`; an outcome for each, in the same order. Those with
    /// the same reload share one: all are checked, all swapped in, and reloaded once.
    ///
    /// Blocks as long as commands run. `cancel` ends that: a check is killed, and in its second stage a
    /// reload as well.
    pub fn sync(
        &mut self,
        batch: &[&Resource],
        snapshot: &Snapshot,
        cancel: Option<&Cancel>,
    ) -> Vec<Outcome> {
        let transactions = if self.options.sync_only {
            (0..batch.len()).map(|number| vec![number]).collect()
        } else {
            transactions(batch.iter().copied())
        };
        let mut outcomes = BTreeMap::new();
        for numbers in transactions {
            let group = numbers.into_iter().map(|number| (number, batch[number]));
            outcomes.extend(self.sync_group(group, snapshot, cancel));
        }
        outcomes.into_values().collect()
    }

    fn sync_group<'a>(
        &mut self,
        group: impl Iterator<Item = (usize, &'a Resource)>,
        snapshot: &Snapshot,
        cancel: Option<&Cancel>,
    ) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::new();
        let (mut numbers, mut members) = (Vec::new(), Vec::new());
        for (number, resource) in group {
            match Member::prepare(self, resource, snapshot) {
                Ok(member) => {
                    numbers.push(number);
                    members.push(member);
                }
                Err(error) => outcomes.push((number, Outcome::of(error))),
            }
        }
        let done = if self.options.noop {
            members.into_iter().map(Member::would_be).collect()
        } else {
            Group::new(members, &self.options, cancel).carry_out()
        };
        for (number, (member, outcome)) in numbers.into_iter().zip(done) {
            self.note(&member, &outcome);
            outcomes.push((number, outcome));
        }
        outcomes
    }

    /// Once for each file, and again while others work on it.
    fn sweep(&mut self, target: &Target) {
        let wanted = !self.options.keep_stage_file && !self.swept.contains(target.path());
        if wanted && recover::sweep(target) {
            self.swept.insert(target.path().to_owned());
        }
    }

    /// Logs a success; the failures are the caller's to tell.
    fn note(&mut self, member: &Member, outcome: &Outcome) {
        let dest = member.dest();
        self.came_out
            .extend(member.came_out().map(|out| (dest.to_owned(), out)));
        for missing in member.missing() {
            if self.warned.insert((dest.to_owned(), missing.clone())) {
                warn!(
                    event = "keys_missing",
                    "{}: {missing}; written all the same",
                    dest.display()
                );
            }
        }
        match &outcome.result {
            Ok(synced) => {
                if *synced == Synced::Updated {
                    info!(
                        event = "file_updated",
                        "Target config {} has been updated",
                        dest.display()
                    );
                }
                self.failed.remove(dest);
            }
            Err(_) => {
                let digest = member.digest();
                self.failed
                    .extend(digest.map(|digest| (dest.to_owned(), digest)));
            }
        }
    }
}

impl Outcome {
    /// It failed before anything was begun.
    fn of(error: SyncError) -> Self {
        Self {
            result: Err(error),
            reload_owed: false,
        }
    }
}
