//! How a run ends, as the caller of the program sees it.

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
