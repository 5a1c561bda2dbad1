//! In which order files that share a reload are staged, checked, swapped in and reloaded, and what is
//! undone when a step fails. Pure: answers come in, one action at a time goes out.

mod event;
mod member;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use event::{Action, Answer, Check, CheckId, Found, Verdict};
use member::{File, Member, Owed};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
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
    members: Vec<Member<F>>,
    reload: bool,
    /// Some check judges swapped files, so that what they replace is kept.
    keeps: bool,
    phase: Phase,
    pending: Option<Action>,
    /// Checks that passed on the files as they are now.
    passed: BTreeSet<CheckId>,
    /// No reload any more: the files are not known to be good, or we are to stop.
    halted: bool,
    reloaded: bool,
}

impl<F: Clone> Transaction<F> {
    /// `reload`: they have a reload command.
    pub fn new(found: impl IntoIterator<Item = Found>, reload: bool) -> Self {
        let members: Vec<Member<F>> = found.into_iter().map(Member::from).collect();
        let keeps = members
            .iter()
            .any(|member| member.file == File::Wanted && member.swapped_check().is_some());
        Self {
            members,
            reload,
            keeps,
            phase: Phase::Preparing,
            pending: None,
            passed: BTreeSet::new(),
            halted: false,
            reloaded: false,
        }
    }

    /// The first action.
    pub fn begin(&mut self) -> Option<Action> {
        self.pending = self.next();
        self.pending
    }

    /// Takes in the answer to the last action and gives the next.
    ///
    /// # Panics
    /// If there was none.
    #[expect(clippy::expect_used, reason = "each answer is to an action")]
    pub fn on(&mut self, answer: Answer<F>) -> Option<Action> {
        let action = self.pending.take().expect("an action");
        match answer {
            Answer::Done => self.done(action),
            Answer::Failed(failure) => self.failed(action, &failure),
            Answer::Cancelled(failure) => {
                self.failed(action, &failure);
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
    pub fn verdicts(&self) -> impl Iterator<Item = (Verdict<F>, bool)> {
        let members = self.members.iter();
        members.map(|member| (member.verdict(), member.owed != Owed::No))
    }

    fn next(&mut self) -> Option<Action> {
        loop {
            if let Some(rejected) = self.last(|member| matches!(member.file, File::Rejected { .. }))
            {
                return Some(Action::Restore(rejected));
            }
            let (action, following) = match self.phase {
                Phase::Preparing => (self.prepare(), Phase::Marking),
                Phase::Marking => (self.mark(), Phase::Swapping),
                Phase::Swapping => (self.swap(), Phase::Settling),
                Phase::Settling => (self.settle(), Phase::Confirming),
                Phase::Confirming => (self.confirm(), Phase::Reloading),
                Phase::Reloading => (self.reload(), Phase::Clearing),
                Phase::Clearing => (self.clear(), Phase::Done),
                Phase::Done => return None,
            };
            if action.is_some() {
                return action;
            }
            self.phase = following;
        }
    }

    fn prepare(&self) -> Option<Action> {
        self.first(|member| member.file == File::Staged)
            .map(Action::CheckStaged)
            .or_else(|| self.first(Member::is_wanted).map(Action::Stage))
    }

    fn mark(&self) -> Option<Action> {
        self.first(|member| self.reload && member.file == File::Ready && member.owed == Owed::No)
            .map(Action::MarkOwed)
    }

    fn swap(&self) -> Option<Action> {
        let backed_up = self.first(|member| member.file == File::BackedUp);
        let ready = self.first(|member| member.file == File::Ready);
        match (backed_up, ready) {
            (Some(member), _) => Some(Action::Swap(member)),
            (None, Some(member)) if self.keeps => Some(Action::Backup(member)),
            (None, Some(member)) => Some(Action::Swap(member)),
            (None, None) => self
                .unjudged()
                .map(Action::CheckSwapped)
                .or_else(|| self.retry().map(Action::Stage)),
        }
    }

    /// Those that have no check of their own are judged by the others', so they come last.
    fn retry(&self) -> Option<usize> {
        self.first(|member| member.is_wanted() && member.swapped_check().is_some())
            .or_else(|| self.first(Member::is_wanted))
    }

    fn settle(&self) -> Option<Action> {
        self.first(|member| member.file == File::Passed)
            .map(Action::DropBackup)
    }

    /// A reload that is owed from earlier also needs files that pass.
    fn confirm(&self) -> Option<Action> {
        let mut due = self.members.iter().filter(|member| member.is_due());
        due.find_map(|member| self.not_passed(member))
            .filter(|_| self.reload && !self.halted)
            .map(Action::CheckSwapped)
    }

    fn reload(&self) -> Option<Action> {
        let wanted = self.reload && !self.halted && !self.reloaded;
        self.first(|member| wanted && member.is_due())
            .map(|_| Action::Reload)
    }

    fn clear(&self) -> Option<Action> {
        self.first(|member| match member.owed {
            Owed::Now if member.file == File::Refused => true,
            Owed::Now | Owed::Earlier => self.reloaded && member.is_due(),
            Owed::No | Owed::Stays => false,
        })
        .map(Action::ClearOwed)
    }

    fn done(&mut self, action: Action) {
        match action {
            Action::Stage(member) => {
                let check_first = self.phase == Phase::Preparing;
                let member = &mut self.members[member];
                member.file = match member.check {
                    Check::Staged if check_first => File::Staged,
                    Check::Never | Check::Staged | Check::Swapped(_) => File::Ready,
                };
            }
            Action::CheckStaged(member) => self.members[member].file = File::Ready,
            Action::MarkOwed(member) => self.members[member].owed = Owed::Now,
            Action::Backup(member) => self.members[member].file = File::BackedUp,
            Action::Swap(member) => {
                let file = if self.keeps {
                    File::Swapped
                } else {
                    File::Settled
                };
                self.passed.clear();
                self.members[member].file = file;
            }
            Action::CheckSwapped(check) => {
                self.passed.insert(check);
            }
            Action::Restore(member) => {
                let member = &mut self.members[member];
                let again = member.file == File::Rejected { again: true };
                member.file = if again { File::Wanted } else { File::Refused };
                self.passed = self.kept_checks().collect();
            }
            Action::DropBackup(member) => self.members[member].file = File::Settled,
            Action::Reload => self.reloaded = true,
            Action::ClearOwed(member) => self.members[member].owed = Owed::No,
        }
    }

    fn failed(&mut self, action: Action, failure: &F) {
        match action {
            Action::Stage(member)
            | Action::CheckStaged(member)
            | Action::MarkOwed(member)
            | Action::Backup(member) => self.members[member].blame(failure, File::Refused),
            Action::Swap(member) if self.keeps => {
                self.members[member].blame(failure, File::Rejected { again: false });
            }
            Action::Swap(member) => self.members[member].blame(failure, File::Refused),
            Action::CheckSwapped(_) => self.reject(failure),
            Action::Restore(member) => {
                self.members[member].blame(failure, File::Stuck);
                self.call_off(failure);
            }
            Action::DropBackup(member) => self.members[member].blame(failure, File::Unsettled),
            Action::Reload => self.withhold(failure),
            Action::ClearOwed(member) => {
                let member = &mut self.members[member];
                member.owed = Owed::Stays;
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
        let more = |member: &Member<F>| matches!(member.file, File::Ready | File::BackedUp);
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
        let swapped = |member: &&Member<F>| matches!(member.file, File::Swapped | File::Passed);
        let mut swapped = self.members.iter().filter(swapped);
        swapped.find_map(|member| self.not_passed(member))
    }

    fn not_passed(&self, member: &Member<F>) -> Option<CheckId> {
        member
            .swapped_check()
            .filter(|check| !self.passed.contains(check))
    }

    fn kept_checks(&self) -> impl Iterator<Item = CheckId> {
        let passed = |member: &&Member<F>| member.file == File::Passed;
        self.members
            .iter()
            .filter(passed)
            .filter_map(Member::swapped_check)
    }

    fn first(&self, is: impl Fn(&Member<F>) -> bool) -> Option<usize> {
        self.members.iter().position(is)
    }

    fn last(&self, is: impl Fn(&Member<F>) -> bool) -> Option<usize> {
        self.members.iter().rposition(is)
    }
}
