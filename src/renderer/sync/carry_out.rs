//! Carries out what a transaction decides.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tracing::debug;

use super::member::{Kept, Member};
use super::{Outcome, Step, SyncError, Synced, Syncer};
use crate::backup::Backup;
use crate::cancel::{Cancel, EventFd};
use crate::command::{self, CommandError};
use crate::error::FileError;
use crate::replace::NotSwapped;
use crate::slots::Slot;
use crate::stage::Stage;
use crate::swap;
use crate::transaction::{Check, CheckId, Conclusion, Found, Task, TaskResult, Transaction};
use crate::wording;

/// Files that share a reload, and how far their transaction is.
pub(super) struct Execution<'a, 's> {
    syncer: &'s Syncer,
    members: Vec<Member<'a>>,
    reload: Option<Reload>,
    cancel: Option<&'s Cancel>,
    /// For rendering. Obtained back before a command.
    slot: Option<Slot<'s>>,
    last_failure: Option<SyncError>,
}

struct Reload {
    text: String,
    timeout: Duration,
}

impl<'a, 's> Execution<'a, 's> {
    /// Here it is decided whether there will be a reload.
    pub(super) fn new(
        syncer: &'s Syncer,
        mut members: Vec<Member<'a>>,
        slot: Option<Slot<'s>>,
        cancel: Option<&'s Cancel>,
    ) -> Self {
        let holds_reload = syncer.holds_reloads.load(Ordering::Relaxed);
        if holds_reload {
            members.iter_mut().for_each(Member::hold_reload);
        }
        let is_left_out = holds_reload || syncer.options.sync_only;
        Self {
            syncer,
            reload: Reload::of(&members).filter(|_| !is_left_out),
            members,
            cancel,
            slot,
            last_failure: None,
        }
    }

    /// Does it all. The members again, and what became of each.
    pub(super) fn carry_out(mut self) -> Vec<(Member<'a>, Outcome)> {
        let mut transaction = Transaction::new(self.found(), self.reload.is_some());
        let mut next = transaction.begin();
        while let Some(task) = next {
            let answer = self.answer(task);
            next = transaction.on(answer);
        }
        let outcome = |(mut member, (verdict, reload_owed)): (Member<'a>, _)| {
            let outcome = Outcome {
                result: result(&member, verdict),
                reload_owed,
                steps: std::mem::take(&mut member.steps),
            };
            (member, outcome)
        };
        let members = self.members.into_iter();
        members.zip(transaction.verdicts()).map(outcome).collect()
    }

    fn answer(&mut self, task: Task) -> TaskResult<SyncError> {
        let begun_at = Instant::now();
        let done = self.perform(task);
        if !matches!(done, Err(SyncError::Cancelled)) {
            self.note(task, Step::since(begun_at, done.is_ok()));
        }
        let Err(error) = done else {
            return TaskResult::Done;
        };
        self.last_failure = Some(error.clone());
        if matches!(error, SyncError::Cancelled) {
            TaskResult::Cancelled(error)
        } else {
            TaskResult::Failed(error)
        }
    }

    /// For those who look on.
    fn note(&mut self, task: Task, step: Step) {
        match task {
            Task::CheckStaged(number) => self.members[number].steps.check = Some(step),
            Task::CheckSwapped(first) => {
                let shared = self.members[first].resource.shared_check();
                let (is_shared, first) = (shared.is_some(), self.members[first].dest());
                for member in &mut self.members {
                    let shares = is_shared && member.resource.shared_check() == shared;
                    if shares || member.dest() == first {
                        member.steps.check = Some(step);
                    }
                }
            }
            Task::Reload => {
                let concerned = |member: &&mut Member| member.changed() || member.is_owed;
                for member in self.members.iter_mut().filter(concerned) {
                    member.steps.reload = Some(step);
                }
            }
            _ => {}
        }
    }

    fn found(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for member in &self.members {
            found.push(Found {
                changed: member.changed(),
                check: self.check_of(member, &found),
                owed: member.is_owed,
            });
        }
        found
    }

    /// `before`: what was found of the members before this one.
    fn check_of(&self, member: &Member, before: &[Found]) -> Check {
        match &member.resource.check_cmd {
            Some(_) if self.syncer.options.sync_only => Check::Never,
            None => Check::Never,
            Some(text) if wording::names_staged_file(text) => Check::Staged,
            Some(_) if !member.resource.check_swapped => Check::Staged,
            // It cannot pass: the file need not be touched to know.
            Some(text) if wording::check(text, member.dest(), member.dest()).is_err() => {
                Check::Staged
            }
            Some(_) => Check::Swapped(self.check_id(member, before)),
        }
    }

    /// The number of the first member with the check.
    fn check_id(&self, member: &Member, before: &[Found]) -> CheckId {
        let shared = member.resource.shared_check();
        let mut earlier = self.members.iter().zip(before);
        let first = earlier.position(|(member, found)| {
            let same = shared.is_some() && member.resource.shared_check() == shared;
            same && matches!(found.check, Check::Swapped(_))
        });
        first.unwrap_or(before.len())
    }

    fn perform(&mut self, task: Task) -> Result<(), SyncError> {
        if self.cancel.is_some_and(Cancel::is_cancelled) && may_be_left(task) {
            return Err(SyncError::Cancelled);
        }
        self.change_slot(task)?;
        match task {
            Task::Stage(number) => stage(&mut self.members[number]),
            Task::CheckStaged(number) => self.check_staged(&self.members[number]),
            Task::CheckSwapped(first) => self.check_swapped(&self.members[first]),
            Task::MarkOwed(number) => mark_owed(&self.members[number]),
            Task::ClearOwed(number) => clear_owed(&self.members[number]),
            Task::Backup(number) => back_up(&mut self.members[number], &self.syncer.judged),
            Task::Swap(number) => swap(&mut self.members[number]),
            Task::Restore(number) => self.settle(number, restore),
            Task::DropBackup(number) => self.settle(number, drop_backup),
            Task::Reload => self.reload(),
        }
    }

    /// What stages has a slot; what waits for a command has none.
    fn change_slot(&mut self, task: Task) -> Result<(), SyncError> {
        match task {
            Task::Stage(_) if self.slot.is_none() => {
                let slot = self.syncer.rendering.take(self.cancel);
                self.slot = Some(slot.ok_or(SyncError::Cancelled)?);
            }
            Task::CheckStaged(_) | Task::CheckSwapped(_) | Task::Reload => self.slot = None,
            _ => {}
        }
        Ok(())
    }

    /// Ends the time in which a file may be put back.
    fn settle(
        &mut self,
        number: usize,
        how: impl FnOnce(&mut Member) -> Result<(), FileError>,
    ) -> Result<(), SyncError> {
        let member = &mut self.members[number];
        let settled = how(member);
        member.is_unsettled = settled.is_err();
        settled.map_err(|error| self.after_the_first(error))
    }

    fn check_staged(&self, member: &Member) -> Result<(), SyncError> {
        self.check(member, &staged_path(member), member.quiet)
    }

    /// What was staged has become the file, unless it still lies beside it.
    fn check_swapped(&self, member: &Member) -> Result<(), SyncError> {
        let staged = member.stage.as_ref().map(Stage::path);
        let file = staged.as_deref().unwrap_or(member.dest());
        self.check(member, file, self.all_quiet())
    }

    fn check(&self, member: &Member, staged: &Path, quiet: bool) -> Result<(), SyncError> {
        let text = wording::check(check_text(member), staged, member.dest());
        let text = text.map_err(SyncError::CheckText)?;
        let timeout = member.resource.check_timeout;
        let stop = self.cancel.map(Cancel::cancelled);
        self.run(&text, timeout, stop, quiet)
            .map_err(|error| failure(error, SyncError::Check))
    }

    #[expect(
        clippy::expect_used,
        reason = "the transaction asks for a reload only where it is told of one"
    )]
    fn reload(&self) -> Result<(), SyncError> {
        let Reload { text, timeout } = self.reload.as_ref().expect("a reload");
        let stop = self.cancel.map(Cancel::killed);
        self.run(text, *timeout, stop, self.all_quiet())
            .map_err(|error| failure(error, SyncError::Reload))
    }

    /// `stop` kills it.
    fn run(
        &self,
        text: &str,
        timeout: Duration,
        stop: Option<&EventFd>,
        quiet: bool,
    ) -> Result<(), CommandError> {
        let slot = self.syncer.commands.take(self.cancel);
        let _slot = slot.ok_or(CommandError::Cancelled)?;
        debug!(event = "command_running", "Running {text}");
        let options = &self.syncer.options;
        let (output, result) = command::run(text, timeout, stop, options.withheld);
        output.log(result.is_err() && !quiet, options.dialect);
        result
    }

    /// Whether nobody is concerned for whom this is the first time.
    fn all_quiet(&self) -> bool {
        let concerned = |member: &&Member| member.changed() || member.is_owed;
        let mut concerned = self.members.iter().filter(concerned);
        concerned.all(|member| member.quiet)
    }

    /// A failure to undo does not hide why it was to be undone.
    fn after_the_first(&self, error: FileError) -> SyncError {
        let Some(first) = &self.last_failure else {
            return error.into();
        };
        let text = format!("{}; before that: {first}", error.cause);
        let cause = Arc::new(io::Error::new(error.cause.kind(), text));
        FileError { cause, ..error }.into()
    }
}

impl Reload {
    fn of(members: &[Member]) -> Option<Self> {
        let (first, others) = members.split_first()?;
        let text = first.resource.reload_cmd.as_ref()?;
        let timeouts = others.iter().map(|member| member.resource.reload_timeout);
        Some(Self {
            text: wording::reload(text, first.dest()),
            timeout: timeouts.fold(first.resource.reload_timeout, Duration::max),
        })
    }
}

/// Being told to stop is no failure of the command.
fn failure(error: CommandError, of: impl FnOnce(CommandError) -> SyncError) -> SyncError {
    match error {
        CommandError::Cancelled => SyncError::Cancelled,
        error => of(error),
    }
}

/// What has been begun is undone even when we are to stop.
fn may_be_left(task: Task) -> bool {
    match task {
        Task::Stage(_)
        | Task::CheckStaged(_)
        | Task::MarkOwed(_)
        | Task::Backup(_)
        | Task::Swap(_)
        | Task::CheckSwapped(_)
        | Task::Reload => true,
        Task::Restore(_) | Task::DropBackup(_) | Task::ClearOwed(_) => false,
    }
}

fn stage(member: &mut Member) -> Result<(), SyncError> {
    if member.stage.is_none() {
        member.stage = Some(member.write_stage()?);
    }
    Ok(())
}

#[expect(clippy::expect_used, reason = "a file is checked once it is staged")]
fn staged_path(member: &Member) -> PathBuf {
    member.stage.as_ref().expect("a staged file").path()
}

#[expect(clippy::expect_used, reason = "a file is swapped in once it is staged")]
fn take_staged(member: &mut Member) -> Stage {
    member.stage.take().expect("a staged file")
}

#[expect(
    clippy::expect_used,
    reason = "members without a check are not checked"
)]
fn check_text<'a>(member: &Member<'a>) -> &'a str {
    member.resource.check_cmd.as_deref().expect("a check")
}

fn mark_owed(member: &Member) -> Result<(), SyncError> {
    Ok(member.owed.record(&member.target)?)
}

fn clear_owed(member: &Member) -> Result<(), SyncError> {
    Ok(member.owed.clear(&member.target)?)
}

fn back_up(member: &mut Member, judged: &Arc<()>) -> Result<(), SyncError> {
    let backup = Backup::take(&member.target);
    let backup = backup.map_err(FileError::new("keep", member.dest()))?;
    member.kept = Some(Kept {
        backup,
        replaced: false,
        _judged: Arc::clone(judged),
    });
    Ok(())
}

fn swap(member: &mut Member) -> Result<(), SyncError> {
    debug!("Overwriting target config {}", member.dest().display());
    let mut stage = take_staged(member);
    let swapped = swap::swap(&mut stage, &member.target, member.kept.is_some());
    if let Some(kept) = &mut member.kept {
        kept.replaced = !matches!(swapped, Err(NotSwapped::Untouched(_)));
    }
    member.look_at_swapped(swapped.is_ok());
    let swapped = swapped.map_err(NotSwapped::into_error);
    Ok(swapped.map_err(FileError::new("replace", member.dest()))?)
}

/// Where nothing was replaced there is nothing to put back.
fn restore(member: &mut Member) -> Result<(), FileError> {
    let kept = take_kept(member);
    if !kept.replaced {
        return discard(kept.backup, member);
    }
    let restored = kept.backup.restore(&member.target);
    restored.map_err(FileError::new("put back", member.dest()))
}

fn drop_backup(member: &mut Member) -> Result<(), FileError> {
    let kept = take_kept(member);
    discard(kept.backup, member)
}

fn discard(backup: Backup, member: &Member) -> Result<(), FileError> {
    let discarded = backup.discard(&member.target);
    discarded.map_err(FileError::new("remove what was kept of", member.dest()))
}

#[expect(
    clippy::expect_used,
    reason = "only what was kept is put back or dropped, and only once"
)]
fn take_kept(member: &mut Member) -> Kept {
    member.kept.take().expect("a backup")
}

fn result(member: &Member, verdict: Conclusion<SyncError>) -> Result<Synced, SyncError> {
    match (&member.plan, verdict) {
        (Err(error), _) => Err(error.clone()),
        (Ok(_), Conclusion::InStep) if member.is_put_back => Ok(Synced::Updated),
        (Ok(_), Conclusion::InStep) => Ok(Synced::InStep),
        (Ok(_), Conclusion::Updated) => Ok(Synced::Updated),
        (Ok(_), Conclusion::Failed(error)) => Err(error),
    }
}
