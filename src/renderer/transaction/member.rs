//! One file of a transaction: where it stands.

use super::event::{Check, CheckId, Conclusion, Found};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    InStep,
    /// Changed, to be staged.
    Wanted,
    Staged,
    /// Fit to be swapped in.
    Ready,
    BackedUp,
    /// The new file is in, and not judged yet.
    Swapped,
    /// Judged to be good; the old one is still kept.
    Passed,
    Settled,
    /// Judged to be bad, or half swapped. `again`: others were swapped in beside it.
    Rejected {
        again: bool,
    },
    /// The old file is in.
    Refused,
    /// The old file could not be put back.
    Stuck,
    /// The new file is in, but what was kept could not be removed and will be put back.
    Unsettled,
}

/// Whether a record on disk says that a reload is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwedRecord {
    No,
    Earlier,
    /// Since this transaction.
    Now,
    /// It could not be cleared.
    Stays,
}

#[derive(Debug)]
pub(super) struct MemberState<F> {
    pub(super) file: File,
    pub(super) check: Check,
    pub(super) owed: OwedRecord,
    pub(super) failure: Option<F>,
}

impl<F: Clone> MemberState<F> {
    pub(super) fn swapped_check(&self) -> Option<CheckId> {
        match self.check {
            Check::Swapped(check) => Some(check),
            Check::Never | Check::Staged => None,
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.file == File::Wanted
    }

    /// What it has on disk was judged to be good, and waits for a reload.
    pub(super) fn is_due(&self) -> bool {
        match self.file {
            File::InStep | File::Settled => self.owed != OwedRecord::No,
            File::Refused => self.owed == OwedRecord::Earlier,
            File::Wanted
            | File::Staged
            | File::Ready
            | File::BackedUp
            | File::Swapped
            | File::Passed
            | File::Rejected { .. }
            | File::Stuck
            | File::Unsettled => false,
        }
    }

    pub(super) fn blame(&mut self, failure: &F, file: File) {
        self.failure = Some(failure.clone());
        self.file = file;
    }

    /// Unless it has failed already.
    pub(super) fn note(&mut self, failure: &F) {
        self.failure.get_or_insert_with(|| failure.clone());
    }

    /// What became of it, once there is nothing more to do.
    #[expect(
        clippy::expect_used,
        reason = "what is neither in step nor settled has failed"
    )]
    pub(super) fn verdict(&self) -> Conclusion<F> {
        match (&self.failure, self.file) {
            (None, File::InStep) => Conclusion::InStep,
            (None, File::Settled) => Conclusion::Updated,
            (failure, _) => Conclusion::Failed(failure.clone().expect("a failure")),
        }
    }
}

impl<F> From<Found> for MemberState<F> {
    fn from(found: Found) -> Self {
        Self {
            file: if found.changed {
                File::Wanted
            } else {
                File::InStep
            },
            check: found.check,
            owed: if found.owed {
                OwedRecord::Earlier
            } else {
                OwedRecord::No
            },
            failure: None,
        }
    }
}
