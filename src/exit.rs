//! How a run ends, as the caller of the program sees it.

use std::fmt;
use std::io;

/// The exit codes of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: the backend is unhealthy, a render or check failed, or what was asked for could not be
    /// printed.
    Failed,
    /// 2: usage or configuration.
    Usage,
    /// 3: etcd unreachable, or it refused.
    Store,
    /// As the supervised command ended.
    Child(u8),
    /// 128+n: ended by signal n before finishing.
    Signal(u8),
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Store => 3,
            Exit::Child(code) => code,
            Exit::Signal(number) => 128_u8.saturating_add(number),
        })
    }
}

/// Why a run could not do what it was for. Who makes one says how the program is to exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunError {
    exit: Exit,
    reason: String,
}

impl RunError {
    pub fn new(exit: Exit, reason: impl fmt::Display) -> Self {
        Self {
            exit,
            reason: reason.to_string(),
        }
    }

    /// A fault of this host, or of what was asked of it.
    pub fn of_host(reason: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, reason)
    }

    /// With what it means.
    #[must_use]
    pub fn meaning(self, what: &str) -> Self {
        Self {
            reason: format!("{what}: {}", self.reason),
            ..self
        }
    }

    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for RunError {}

/// What the system refuses us: descriptors, threads, signals, files.
impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::of_host(error)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::etcd::error::EtcdError;
    use crate::proxy::data;

    #[test]
    fn who_makes_an_error_chooses_how_the_program_exits() {
        let late = EtcdError::silent("http://e", std::time::Duration::from_secs(2));
        let late = RunError::from(late).meaning("etcd could not be told");
        assert_eq!(late.exit(), Exit::Store);
        assert_eq!(
            late.to_string(),
            "etcd could not be told: etcd at http://e did not answer within 2s"
        );
        let data = data::read(Path::new("/nonexistent")).expect_err("no file");
        let data = RunError::from(data);
        assert_eq!(data.exit(), Exit::Usage);
        assert_eq!(
            data.to_string(),
            "--data \"/nonexistent\": No such file or directory (os error 2)"
        );
        let no_thread = RunError::from(io::Error::from_raw_os_error(11));
        assert_eq!(no_thread.exit(), Exit::Failed);
    }
}
