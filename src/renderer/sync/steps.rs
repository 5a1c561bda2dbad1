//! What was done for a resource on the way to its outcome, and how long it took.

use std::time::{Duration, Instant};

/// Each is none where it was not done.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// Its template was executed.
    pub render: Option<Step>,
    /// Its check was run.
    pub check: Option<Step>,
    /// Its reload was run, perhaps for others besides.
    pub reload: Option<Step>,
    /// What was rendered.
    pub rendered: Option<Rendered>,
    /// How many keys `validate` left out.
    pub left_out: usize,
}

/// Something was done.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// From its begin to its end.
    pub took: Duration,
    /// Whether it came to a good end.
    pub succeeded: bool,
}

/// What a file should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// In bytes.
    pub size: usize,
    /// MD5, in hexadecimal.
    pub digest: String,
}

impl Step {
    /// It ends now.
    pub(super) fn since(begun_at: Instant, succeeded: bool) -> Self {
        Self {
            took: begun_at.elapsed(),
            succeeded,
        }
    }
}
