//! The words of the transaction: what it is given, what it asks for, and what became of it.

/// A check of swapped files. Members with the same command have the same.
pub type CheckId = usize;

/// When a member's check command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// There is none.
    Never,
    /// On the staged file, before it is swapped in.
    Staged,
    /// With the file swapped in.
    Swapped(CheckId),
}

/// A file, as it was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// It is not what it should be.
    pub changed: bool,
    /// When its check runs.
    pub check: Check,
    /// A reload is owed from an earlier time.
    pub owed: bool,
}

/// What to do next, to which member. Each has one result before the next is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Write the new file beside the old one.
    Stage(usize),
    /// Run the check on the new file there.
    CheckStaged(usize),
    /// Record that a reload is owed.
    MarkOwed(usize),
    /// Keep the file that is about to be replaced.
    Backup(usize),
    /// Put the new file in place.
    Swap(usize),
    /// Run the check on all files as they are in place.
    CheckSwapped(CheckId),
    /// Put back what was kept.
    Restore(usize),
    /// From here on the new file is the good one.
    DropBackup(usize),
    /// Have the daemon read the files.
    Reload,
    /// Remove the record that a reload is owed.
    ClearOwed(usize),
}

/// What came of a task. `F` says why it failed; the transaction only hands it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskResult<F> {
    /// As asked.
    Done,
    /// Not done, or only in part.
    Failed(F),
    /// Not done, because we are to stop.
    Cancelled(F),
}

/// What became of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion<F> {
    /// It was and is what it should be.
    InStep,
    /// It was replaced, and a reload has seen it.
    Updated,
    /// Because of that.
    Failed(F),
}
