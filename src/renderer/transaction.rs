//! In which order files that share a reload are staged, checked, swapped in and reloaded, and what is
//! undone when a step fails. Pure: results come in, one task at a time goes out.

mod event;
mod member;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use event::{Check, CheckId, Conclusion, Found, Task, TaskResult};
use member::{File, MemberState, OwedRecord};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TransactionPhase {
    Preparing,
    Marking,
    Swapping,
    Settling,
    Confirming,
    Reloading,
    Clearing,
    Done,
}

/// The files that one reload serves.
///
/// ```text
///             Stage, CheckStaged          Backup          Swap
///   Wanted ─────────────────────▶ Ready ─────────▶ BackedUp ───▶ Swapped ───▶ Passed ───▶ Settled
///     ▲ │ failed                                                  │  CheckSwapped   DropBackup
///     │ └────────▶ Refused ◀──── Rejected ◀───────────────────────┘ failed
///     └───────────────────────────┘ Restore, when several were swapped in
/// ```
///
/// All are swapped in before the first check of swapped files, so that files which need each other
/// can change together. When such a check fails all go back, and are tried one by one.
#[derive(Debug)]
pub struct Transaction<F> {
    members: Vec<MemberState<F>>,
    reload: bool,
    /// Some check judges swapped files, so that what they replace is kept.
    keeps: bool,
    phase: TransactionPhase,
    pending: Option<Task>,
    /// Checks that passed on the files as they are now.
    passed: BTreeSet<CheckId>,
    /// No reload any more: the files are not known to be good, or we are to stop.
    halted: bool,
    reloaded: bool,
}

impl<F: Clone> Transaction<F> {
    /// `reload`: they have a reload command.
    pub fn new(found: impl IntoIterator<Item = Found>, reload: bool) -> Self {
        let members: Vec<MemberState<F>> = found.into_iter().map(MemberState::from).collect();
        let keeps = members
            .iter()
            .any(|member| member.file == File::Wanted && member.swapped_check().is_some());
        Self {
            members,
            reload,
            keeps,
            phase: TransactionPhase::Preparing,
            pending: None,
            passed: BTreeSet::new(),
            halted: false,
            reloaded: false,
        }
    }

    /// The first task.
    pub fn begin(&mut self) -> Option<Task> {
        self.pending = self.next();
        self.pending
    }

    /// Takes in the result of the last task and gives the next.
    ///
    /// # Panics
    /// If there was none.
    #[expect(clippy::expect_used, reason = "each result is of a task")]
    pub fn on(&mut self, answer: TaskResult<F>) -> Option<Task> {
        let task = self.pending.take().expect("a task");
        match answer {
            TaskResult::Done => self.done(task),
            TaskResult::Failed(failure) => self.failed(task, &failure),
            TaskResult::Cancelled(failure) => {
                self.failed(task, &failure);
                self.call_off(&failure);
            }
        }
        self.judge();
        self.begin()
    }

    /// What became of each member, and whether a reload is still owed for it.
    ///
    /// # Panics
    /// If there is more to do.
    pub fn verdicts(&self) -> impl Iterator<Item = (Conclusion<F>, bool)> {
        let members = self.members.iter();
        members.map(|member| (member.verdict(), member.owed != OwedRecord::No))
    }

    fn next(&mut self) -> Option<Task> {
        loop {
            if let Some(rejected) = self.last(|member| matches!(member.file, File::Rejected { .. }))
            {
                return Some(Task::Restore(rejected));
            }
            let (task, following) = match self.phase {
                TransactionPhase::Preparing => (self.prepare(), TransactionPhase::Marking),
                TransactionPhase::Marking => (self.mark(), TransactionPhase::Swapping),
                TransactionPhase::Swapping => (self.swap(), TransactionPhase::Settling),
                TransactionPhase::Settling => (self.settle(), TransactionPhase::Confirming),
                TransactionPhase::Confirming => (self.confirm(), TransactionPhase::Reloading),
                TransactionPhase::Reloading => (self.reload(), TransactionPhase::Clearing),
                TransactionPhase::Clearing => (self.clear(), TransactionPhase::Done),
                TransactionPhase::Done => return None,
            };
            if task.is_some() {
                return task;
            }
            self.phase = following;
        }
    }

    fn prepare(&self) -> Option<Task> {
        self.first(|member| member.file == File::Staged)
            .map(Task::CheckStaged)
            .or_else(|| self.first(MemberState::is_wanted).map(Task::Stage))
    }

    fn mark(&self) -> Option<Task> {
        self.first(|member| {
            self.reload && member.file == File::Ready && member.owed == OwedRecord::No
        })
        .map(Task::MarkOwed)
    }

    fn swap(&self) -> Option<Task> {
        let backed_up = self.first(|member| member.file == File::BackedUp);
        let ready = self.first(|member| member.file == File::Ready);
        match (backed_up, ready) {
            (Some(member), _) => Some(Task::Swap(member)),
            (None, Some(member)) if self.keeps => Some(Task::Backup(member)),
            (None, Some(member)) => Some(Task::Swap(member)),
            (None, None) => self
                .unjudged()
                .map(Task::CheckSwapped)
                .or_else(|| self.retry().map(Task::Stage)),
        }
    }

    /// Those that have no check of their own are judged by the others', so they come last.
    fn retry(&self) -> Option<usize> {
        self.first(|member| member.is_wanted() && member.swapped_check().is_some())
            .or_else(|| self.first(MemberState::is_wanted))
    }

    fn settle(&self) -> Option<Task> {
        self.first(|member| member.file == File::Passed)
            .map(Task::DropBackup)
    }

    /// A reload that is owed from earlier also needs files that pass.
    fn confirm(&self) -> Option<Task> {
        let mut due = self.members.iter().filter(|member| member.is_due());
        due.find_map(|member| self.not_passed(member))
            .filter(|_| self.reload && !self.halted)
            .map(Task::CheckSwapped)
    }

    fn reload(&self) -> Option<Task> {
        let wanted = self.reload && !self.halted && !self.reloaded;
        self.first(|member| wanted && member.is_due())
            .map(|_| Task::Reload)
    }

    fn clear(&self) -> Option<Task> {
        self.first(|member| match member.owed {
            OwedRecord::Now if member.file == File::Refused => true,
            OwedRecord::Now | OwedRecord::Earlier => self.reloaded && member.is_due(),
            OwedRecord::No | OwedRecord::Stays => false,
        })
        .map(Task::ClearOwed)
    }

    fn done(&mut self, task: Task) {
        match task {
            Task::Stage(member) => {
                let check_first = self.phase == TransactionPhase::Preparing;
                let member = &mut self.members[member];
                member.file = match member.check {
                    Check::Staged if check_first => File::Staged,
                    Check::Never | Check::Staged | Check::Swapped(_) => File::Ready,
                };
            }
            Task::CheckStaged(member) => self.members[member].file = File::Ready,
            Task::MarkOwed(member) => self.members[member].owed = OwedRecord::Now,
            Task::Backup(member) => self.members[member].file = File::BackedUp,
            Task::Swap(member) => {
                let file = if self.keeps {
                    File::Swapped
                } else {
                    File::Settled
                };
                self.passed.clear();
                self.members[member].file = file;
            }
            Task::CheckSwapped(check) => {
                self.passed.insert(check);
            }
            Task::Restore(member) => {
                let member = &mut self.members[member];
                let again = member.file == File::Rejected { again: true };
                member.file = if again { File::Wanted } else { File::Refused };
                self.passed = self.kept_checks().collect();
            }
            Task::DropBackup(member) => self.members[member].file = File::Settled,
            Task::Reload => self.reloaded = true,
            Task::ClearOwed(member) => self.members[member].owed = OwedRecord::No,
        }
    }

    fn failed(&mut self, task: Task, failure: &F) {
        match task {
            Task::Stage(member)
            | Task::CheckStaged(member)
            | Task::MarkOwed(member)
            | Task::Backup(member) => self.members[member].blame(failure, File::Refused),
            Task::Swap(member) if self.keeps => {
                self.members[member].blame(failure, File::Rejected { again: false });
            }
            Task::Swap(member) => self.members[member].blame(failure, File::Refused),
            Task::CheckSwapped(_) => self.reject(failure),
            Task::Restore(member) => {
                self.members[member].blame(failure, File::Stuck);
                self.call_off(failure);
            }
            Task::DropBackup(member) => self.members[member].blame(failure, File::Unsettled),
            Task::Reload => self.withhold(failure),
            Task::ClearOwed(member) => {
                let member = &mut self.members[member];
                member.owed = OwedRecord::Stays;
                member.note(failure);
            }
        }
    }

    /// A check did not pass: whatever was swapped in since goes back.
    fn reject(&mut self, failure: &F) {
        let members = self.members.iter_mut();
        let mut swapped: Vec<_> = members
            .filter(|member| member.file == File::Swapped)
            .collect();
        let again = swapped.len() > 1;
        for member in &mut swapped {
            member.blame(failure, File::Rejected { again });
        }
        if swapped.is_empty() {
            self.withhold(failure);
        }
    }

    /// Starts nothing more, and puts back what was not judged.
    fn call_off(&mut self, failure: &F) {
        for member in &mut self.members {
            match member.file {
                File::Wanted | File::Staged | File::Ready => member.file = File::Refused,
                File::BackedUp | File::Swapped | File::Rejected { .. } => {
                    member.file = File::Rejected { again: false };
                }
                File::InStep
                | File::Passed
                | File::Settled
                | File::Refused
                | File::Stuck
                | File::Unsettled => continue,
            }
            member.note(failure);
        }
        self.withhold(failure);
    }

    /// No reload this time.
    fn withhold(&mut self, failure: &F) {
        self.halted = true;
        for member in &mut self.members {
            let waits = member.is_due() || member.file == File::Passed;
            if self.reload && waits {
                member.note(failure);
            }
        }
    }

    /// Once every file is in and every check of them has passed, they are good.
    fn judge(&mut self) {
        let more = |member: &MemberState<F>| matches!(member.file, File::Ready | File::BackedUp);
        if self.members.iter().any(more) || self.unjudged().is_some() {
            return;
        }
        for member in &mut self.members {
            if member.file == File::Swapped {
                member.file = File::Passed;
                member.failure = None;
            }
        }
    }

    /// A check that the files which were swapped in have yet to pass.
    fn unjudged(&self) -> Option<CheckId> {
        self.first(|member| member.file == File::Swapped)?;
        let swapped =
            |member: &&MemberState<F>| matches!(member.file, File::Swapped | File::Passed);
        let mut swapped = self.members.iter().filter(swapped);
        swapped.find_map(|member| self.not_passed(member))
    }

    fn not_passed(&self, member: &MemberState<F>) -> Option<CheckId> {
        member
            .swapped_check()
            .filter(|check| !self.passed.contains(check))
    }

    fn kept_checks(&self) -> impl Iterator<Item = CheckId> {
        let passed = |member: &&MemberState<F>| member.file == File::Passed;
        self.members
            .iter()
            .filter(passed)
            .filter_map(MemberState::swapped_check)
    }

    fn first(&self, is: impl Fn(&MemberState<F>) -> bool) -> Option<usize> {
        self.members.iter().position(is)
    }

    fn last(&self, is: impl Fn(&MemberState<F>) -> bool) -> Option<usize> {
        self.members.iter().rposition(is)
    }
}
