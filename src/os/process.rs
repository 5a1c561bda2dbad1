//! Processes that we run: the groups that they lead, the signals that they are sent, and how they end.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Child;

use crate::exit::Exit;

/// What people send to a daemon; what stops it first.
pub const FORWARDED: [Signal; 7] = [
    Signal::TERM,
    Signal::INT,
    Signal::HUP,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
];

/// The signal of that name, as in `HUP`, `SIGHUP` or `hup`, or of that number; of those that people
/// send to a daemon.
#[must_use]
pub fn signal_named(text: &str) -> Option<Signal> {
    let name = text.to_uppercase();
    match name.strip_prefix("SIG").unwrap_or(&name) {
        "HUP" | "1" => Some(Signal::HUP),
        "INT" | "2" => Some(Signal::INT),
        "QUIT" | "3" => Some(Signal::QUIT),
        "KILL" | "9" => Some(Signal::KILL),
        "USR1" | "10" => Some(Signal::USR1),
        "USR2" | "12" => Some(Signal::USR2),
        "TERM" | "15" => Some(Signal::TERM),
        "WINCH" | "28" => Some(Signal::WINCH),
        _ => None,
    }
}

/// A child that was started at the head of a process group of its own.
#[derive(Clone, Copy, Debug)]
pub struct ProcessGroup(Pid);

impl ProcessGroup {
    /// None once the child has been reaped: its number may be somebody else's.
    #[must_use]
    pub fn led_by(child: &Child) -> Option<Self> {
        let id = i32::try_from(child.id()?).ok()?;
        Pid::from_raw(id).map(Self)
    }

    #[must_use]
    pub fn leader(self) -> Pid {
        self.0
    }

    /// Kills the leader, and whoever is in its group.
    pub fn kill(self) {
        // Either fails when nothing is left, which is how it should be. The leader itself may have
        // left its group.
        let _ = kill_process_group(self.0, Signal::KILL);
        let _ = kill_process(self.0, Signal::KILL);
    }

    /// Sends the signal to the leader alone.
    ///
    /// # Errors
    /// When it has ended, or is not ours to signal any more.
    pub fn signal_leader(self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.0, signal)?)
    }
}

/// As a shell would tell it.
#[must_use]
pub fn exit_of(status: ExitStatus) -> Exit {
    let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Child(byte(code)),
        (None, Some(signal)) => Exit::Signal(byte(signal)),
        (None, None) => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_go_by_name_or_number() {
        for text in ["HUP", "SIGHUP", "sighup", "1"] {
            assert_eq!(signal_named(text), Some(Signal::HUP));
        }
        assert_eq!(signal_named("HANGUP"), None);
    }

    #[test]
    fn who_ends_by_itself_or_by_a_signal_is_told_as_a_shell_would() {
        assert_eq!(exit_of(ExitStatus::from_raw(7 << 8)), Exit::Child(7));
        assert_eq!(exit_of(ExitStatus::from_raw(9)), Exit::Signal(9));
    }
}
