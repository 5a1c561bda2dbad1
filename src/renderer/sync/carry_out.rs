//! Carries out what a transaction decides.

use std::io;
use std::time::Duration;

use tracing::debug;

use super::member::Member;
use super::{Outcome, SyncError, Synced};
use crate::backup::Backup;
use crate::cancel::Cancel;
use crate::command::{self, CommandError};
use crate::error::FileError;
use crate::options::Options;
use crate::stage::Stage;
use crate::swap::{self, NotSwapped};
use crate::transaction::{Action, Answer, Check, CheckId, Found, Transaction, Verdict};
use crate::wording;

/// Files that share a reload.
pub(super) struct Group<'a, 'o> {
    members: Vec<Member<'a>>,
    /// Of each member, while the new file is not known to be good.
    backups: Vec<Option<Kept>>,
    /// Checks of swapped files: whose they are.
    checks: Vec<usize>,
    options: &'o Options,
    cancel: Option<&'o Cancel>,
    failures: Vec<SyncError>,
}

/// Of a member that is about to be replaced, or was.
struct Kept {
    backup: Backup,
    replaced: bool,
}

impl<'a, 'o> Group<'a, 'o> {
    pub(super) fn new(
        members: Vec<Member<'a>>,
        options: &'o Options,
        cancel: Option<&'o Cancel>,
    ) -> Self {
        Self {
            backups: members.iter().map(|_| None).collect(),
            members,
            checks: Vec::new(),
            options,
            cancel,
            failures: Vec::new(),
        }
    }

    /// Does it all. The members again, and what became of each.
    pub(super) fn carry_out(mut self) -> Vec<(Member<'a>, Outcome)> {
        let found: Vec<_> = (0..self.members.len())
            .filter_map(|number| self.found(number))
            .collect();
        let mut transaction = Transaction::new(found, self.reload_text().is_some());
        let mut next = transaction.begin();
        while let Some(action) = next {
            let answer = self.answer(action);
            next = transaction.on(answer);
        }
        let failures = self.failures;
        let outcome = |(member, (verdict, reload_owed)): (Member<'a>, _)| {
            let result = result(&member, verdict, &failures);
            let outcome = Outcome {
                result,
                reload_owed,
            };
            (member, outcome)
        };
        let members = self.members.into_iter();
        members.zip(transaction.verdicts()).map(outcome).collect()
    }

    fn answer(&mut self, action: Action) -> Answer {
        let Err(error) = self.perform(action) else {
            return Answer::Done;
        };
        let answer = if matches!(error, SyncError::Cancelled) {
            Answer::Cancelled
        } else {
            Answer::Failed
        };
        self.failures.push(error);
        answer
    }

    fn found(&mut self, number: usize) -> Option<Found> {
        let member = self.members.get(number)?;
        let check = match &member.resource.check_cmd {
            Some(_) if self.options.sync_only => Check::Never,
            None => Check::Never,
            Some(text) if wording::names_staged_file(text) => Check::Staged,
            Some(_) if !member.resource.check_swapped => Check::Staged,
            // It cannot pass: the file need not be touched to know.
            Some(text) if wording::check(text, member.dest(), member.dest()).is_err() => {
                Check::Staged
            }
            Some(text) => Check::Swapped(self.check_id(number, text.clone())),
        };
        let member = self.members.get(number)?;
        Some(Found {
            changed: member.changed(),
            check,
            owed: member.is_owed,
        })
    }

    /// Members with the same check share it, unless it names a file.
    fn check_id(&mut self, number: usize, text: String) -> CheckId {
        let shared = !text.contains("{{");
        let same = |owner: &usize| {
            let owner = self.members.get(*owner);
            shared && owner.is_some_and(|owner| owner.resource.check_cmd.as_ref() == Some(&text))
        };
        let known = self.checks.iter().position(same);
        known.unwrap_or_else(|| {
            self.checks.push(number);
            self.checks.len() - 1
        })
    }

    fn reload_text(&self) -> Option<String> {
        let member = self
            .members
            .first()
            .filter(|_| !self.options.sync_only && !self.options.hold_reloads)?;
        let text = member.resource.reload_cmd.as_ref()?;
        Some(wording::reload(text, member.dest()))
    }

    fn perform(&mut self, action: Action) -> Result<(), SyncError> {
        if self.cancel.is_some_and(Cancel::is_cancelled) && may_be_left(action) {
            return Err(SyncError::Cancelled);
        }
        match action {
            Action::Stage(number) => self.stage(number),
            Action::CheckStaged(number) => self.check(number, self.is_quiet(number)),
            Action::CheckSwapped(check) => {
                let owner = self.checks.get(check).copied().unwrap_or_default();
                self.check(owner, self.all_quiet())
            }
            Action::MarkOwed(number) => {
                self.with(number, |member| Ok(member.owed.record(&member.target)?))
            }
            Action::ClearOwed(number) => {
                self.with(number, |member| Ok(member.owed.clear(&member.target)?))
            }
            Action::Backup(number) => self.back_up(number),
            Action::Swap(number) => self.swap(number),
            Action::Restore(number) => self.restore(number),
            Action::DropBackup(number) => self.drop_backup(number),
            Action::Reload => self.reload(),
        }
    }

    fn with(
        &mut self,
        number: usize,
        work: impl FnOnce(&mut Member<'a>) -> Result<(), SyncError>,
    ) -> Result<(), SyncError> {
        // The transaction names members that there are.
        self.members.get_mut(number).map_or(Ok(()), work)
    }

    fn stage(&mut self, number: usize) -> Result<(), SyncError> {
        self.with(number, |member| {
            if member.stage.is_none() {
                member.stage = Some(member.write_stage()?);
            }
            Ok(())
        })
    }

    fn check(&self, number: usize, quiet: bool) -> Result<(), SyncError> {
        let Some(member) = self.members.get(number) else {
            return Ok(());
        };
        let resource = member.resource;
        let text = resource.check_cmd.as_deref().unwrap_or_default();
        let staged = member
            .stage
            .as_ref()
            .map_or_else(|| member.dest().to_owned(), Stage::path);
        let text = wording::check(text, &staged, member.dest()).map_err(SyncError::CheckText)?;
        let timeout = resource.check_timeout;
        self.run(&text, timeout, self.cancel, quiet)
            .map_err(|error| match error {
                CommandError::Cancelled => SyncError::Cancelled,
                error => SyncError::Check(error),
            })
    }

    fn reload(&self) -> Result<(), SyncError> {
        let Some(text) = self.reload_text() else {
            return Ok(());
        };
        let timeouts = self
            .members
            .iter()
            .map(|member| member.resource.reload_timeout);
        let timeout = timeouts.max().unwrap_or_default();
        self.run(&text, timeout, None, self.all_quiet())
            .map_err(SyncError::Reload)
    }

    /// `cancel` kills it.
    fn run(
        &self,
        text: &str,
        timeout: Duration,
        cancel: Option<&Cancel>,
        quiet: bool,
    ) -> Result<(), CommandError> {
        debug!("Running {text}");
        let (output, result) = command::run(text, timeout, cancel, self.options.withheld);
        output.log(result.is_err() && !quiet, self.options.dialect);
        result
    }

    fn is_quiet(&self, number: usize) -> bool {
        self.members.get(number).is_some_and(|member| member.quiet)
    }

    /// Whether nobody is concerned for whom this is the first time.
    fn all_quiet(&self) -> bool {
        let concerned = |member: &&Member| member.changed() || member.is_owed;
        let mut concerned = self.members.iter().filter(concerned);
        concerned.all(|member| member.quiet)
    }

    fn back_up(&mut self, number: usize) -> Result<(), SyncError> {
        let (Some(member), Some(place)) = (self.members.get(number), self.backups.get_mut(number))
        else {
            return Ok(());
        };
        let backup = Backup::take(&member.target);
        let backup = backup.map_err(FileError::new("keep", member.dest()))?;
        *place = Some(Kept {
            backup,
            replaced: false,
        });
        Ok(())
    }

    fn swap(&mut self, number: usize) -> Result<(), SyncError> {
        let kept = self.backups.get_mut(number).and_then(Option::as_mut);
        let Some(member) = self.members.get_mut(number) else {
            return Ok(());
        };
        debug!("Overwriting target config {}", member.dest().display());
        let mut stage = match member.stage.take() {
            Some(stage) => stage,
            None => member.write_stage()?,
        };
        let swapped = swap::swap(&mut stage, &member.target, kept.is_some());
        if let Some(kept) = kept {
            kept.replaced = !matches!(swapped, Err(NotSwapped::Untouched(_)));
        }
        member.look_at_swapped(swapped.is_ok());
        let swapped = swapped.map_err(NotSwapped::into_error);
        Ok(swapped.map_err(FileError::new("replace", member.dest()))?)
    }

    /// Where nothing was replaced there is nothing to put back.
    fn restore(&mut self, number: usize) -> Result<(), SyncError> {
        let replaced = self.backups.get(number).and_then(Option::as_ref);
        if replaced.is_some_and(|kept| !kept.replaced) {
            return self.drop_backup(number);
        }
        self.end_backup(number, "put back", |backup, member| {
            backup.restore(&member.target)
        })
    }

    fn drop_backup(&mut self, number: usize) -> Result<(), SyncError> {
        self.end_backup(number, "remove what was kept of", |backup, member| {
            backup.discard(&member.target)
        })
    }

    fn end_backup(
        &mut self,
        number: usize,
        doing: &'static str,
        end: impl FnOnce(Backup, &Member<'a>) -> io::Result<()>,
    ) -> Result<(), SyncError> {
        let backup = self.backups.get_mut(number).and_then(Option::take);
        let (Some(member), Some(backup)) = (self.members.get(number), backup) else {
            return Ok(());
        };
        let ended = end(backup.backup, member).map_err(|error| self.after_the_first(&error));
        Ok(ended.map_err(FileError::new(doing, member.dest()))?)
    }
}

impl Group<'_, '_> {
    /// A failure to undo does not hide why it was to be undone.
    fn after_the_first(&self, error: &io::Error) -> io::Error {
        let text = match self.failures.last() {
            Some(first) => format!("{error}; before that: {first}"),
            None => error.to_string(),
        };
        io::Error::new(error.kind(), text)
    }
}

/// What has been begun is undone even when we are to stop.
fn may_be_left(action: Action) -> bool {
    match action {
        Action::Stage(_)
        | Action::CheckStaged(_)
        | Action::MarkOwed(_)
        | Action::Backup(_)
        | Action::Swap(_)
        | Action::CheckSwapped(_)
        | Action::Reload => true,
        Action::Restore(_) | Action::DropBackup(_) | Action::ClearOwed(_) => false,
    }
}

fn result(member: &Member, verdict: Verdict, failures: &[SyncError]) -> Result<Synced, SyncError> {
    match (&member.plan, verdict) {
        (Err(error), _) => Err(error.clone()),
        (Ok(_), Verdict::InStep) => Ok(Synced::InStep),
        (Ok(_), Verdict::Updated) => Ok(Synced::Updated),
        (Ok(_), Verdict::Failed(number)) => {
            let failure = failures.get(number).cloned();
            Err(failure.unwrap_or(SyncError::Cancelled))
        }
    }
}
