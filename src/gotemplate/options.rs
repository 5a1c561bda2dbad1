//! How templates are executed, and what that may cost.

use std::time::Duration;

/// How to execute a template.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Go's option `missingkey`.
    pub missing_key: MissingKey,
    /// When to give up.
    pub limits: Limits,
}

/// What a map gives for a key that it does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// No value, which prints as `<no value>`.
    #[default]
    Invalid,
    /// A nil of the map's element type.
    Zero,
    /// An error.
    Error,
}

/// What executing a template may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes that it may write.
    pub output: usize,
    /// How long it may take.
    pub time: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            output: 64 << 20,
            time: Some(Duration::from_secs(10)),
        }
    }
}
