//! Brings the files of resources in step with a snapshot: render, compare, stage, check, swap,
//! reload.

mod carry_out;
mod member;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::cancel::Cancel;
use crate::command::CommandError;
use crate::error::FileError;
use crate::options::Options;
use crate::permissions::UnknownOwner;
use crate::render::{RenderError, Renderer};
use crate::resource::Resource;
use crate::snapshot::Snapshot;
use crate::wording;
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
    /// We were told to stop before it was its turn.
    #[error("given up: stopping")]
    Cancelled,
}

/// Brings resources in step, time after time. What it remembers only makes it quicker, and keeps it
/// from saying things twice.
#[derive(Debug, Default)]
pub struct Syncer {
    options: Options,
    renderer: Renderer,
    /// Directories whose leftovers were removed.
    swept: HashSet<PathBuf>,
    /// What was tried last, where that failed: a digest of the contents.
    failed: HashMap<PathBuf, String>,
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

    /// Brings `batch` in step with `snapshot`; an outcome for each, in the same order. Those with
    /// the same reload share one: all are checked, all swapped in, and reloaded once.
    ///
    /// Blocks as long as commands run. `cancel` ends that: a check is killed, a reload may finish.
    pub fn sync(
        &mut self,
        batch: &[&Resource],
        snapshot: &Snapshot,
        cancel: Option<&Cancel>,
    ) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = batch.iter().map(|_| None).collect();
        for numbers in groups(batch) {
            let mut members = Vec::new();
            for number in numbers {
                let Some(resource) = batch.get(number) else {
                    continue;
                };
                match Member::prepare(self, resource, snapshot) {
                    Ok(member) if self.options.noop => {
                        set(&mut outcomes, number, member.pending());
                    }
                    Ok(member) => members.push((number, member)),
                    Err((error, reload_owed)) => {
                        let result = Err(error);
                        set(
                            &mut outcomes,
                            number,
                            Outcome {
                                result,
                                reload_owed,
                            },
                        );
                    }
                }
            }
            let (numbers, members): (Vec<_>, Vec<_>) = members.into_iter().unzip();
            let group = Group::new(members, &self.options, cancel);
            for (number, (outcome, tried)) in numbers.into_iter().zip(group.carry_out()) {
                if let Some(resource) = batch.get(number) {
                    self.note(resource, &outcome, tried);
                }
                set(&mut outcomes, number, outcome);
            }
        }
        outcomes.into_iter().flatten().collect()
    }

    fn note(&mut self, resource: &Resource, outcome: &Outcome, tried: String) {
        match outcome.result {
            Ok(_) => self.failed.remove(&resource.dest),
            Err(_) => self.failed.insert(resource.dest.clone(), tried),
        };
    }
}

fn set(outcomes: &mut [Option<Outcome>], number: usize, outcome: Outcome) {
    if let Some(place) = outcomes.get_mut(number) {
        *place = Some(outcome);
    }
}

/// The numbers of those that share a reload, in the order of the first of each.
fn groups(batch: &[&Resource]) -> Vec<Vec<usize>> {
    let mut groups: Vec<(Option<&str>, Vec<usize>)> = Vec::new();
    for (number, resource) in batch.iter().enumerate() {
        let shared = resource
            .reload_cmd
            .as_deref()
            .filter(|command| !wording::names_a_file(command));
        let known = groups
            .iter_mut()
            .find(|(command, _)| command.is_some() && *command == shared);
        match known {
            Some((_, numbers)) => numbers.push(number),
            None => groups.push((shared, vec![number])),
        }
    }
    groups.into_iter().map(|(_, numbers)| numbers).collect()
}
