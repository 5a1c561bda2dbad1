//! How resources are brought in step.

use std::path::PathBuf;

use crate::functions::Helpers;
pub use gotemplate::Limits;

/// What applies to every resource of a run. By default nothing special.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Replaces the prefix of every resource.
    pub prefix: Option<String>,
    /// Only tell what would be changed.
    pub noop: bool,
    /// Neither check nor reload.
    pub sync_only: bool,
    /// Check, but do not reload: nothing uses the files yet.
    pub hold_reloads: bool,
    /// Do not remove staged files.
    pub keep_stage_file: bool,
    /// Where to remember which reloads are owed; beside the file when not given.
    pub state_dir: Option<PathBuf>,
    /// Variables of the environment that commands are not given: our secrets.
    pub withheld: &'static [&'static str],
    /// What templates may call besides confd's functions.
    pub helpers: Helpers,
    /// What rendering one file may cost.
    pub limits: Limits,
    /// How to word what is logged.
    pub dialect: Dialect,
}

/// Wording of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Errors name the file that they are about, and a command's output is logged line by line.
    #[default]
    Plain,
    /// Word for word as confd: a command's output is one line, quoted as Go does.
    Confd,
}
