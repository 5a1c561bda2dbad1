//! The program that uses the files, as a process of this host.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use renderer::descriptors::under_former_limit;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Command;
use tracing::{info, warn};

use crate::child_env;
use crate::exit::Exit;
use crate::world::Child;

/// None while it does not run.
#[derive(Debug, Default)]
pub struct HostChild(Option<tokio::process::Child>);

impl Child for HostChild {
    fn start(&mut self, command: &[String]) -> io::Result<()> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no command"));
        };
        let mut command = Command::new(program);
        child_env::withhold(command.as_std_mut());
        // A group of its own: a terminal's ^C is for us to pass on, once.
        command.args(arguments).process_group(0);
        let child = under_former_limit(|| command.spawn())
            .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
        info!(pid = child.id(), "started {program}");
        self.0 = Some(child);
        Ok(())
    }

    fn is_running(&self) -> bool {
        self.0.is_some()
    }

    async fn ended(&mut self) -> Exit {
        let Some(child) = &mut self.0 else {
            return std::future::pending().await;
        };
        let status = child.wait().await;
        self.0 = None;
        match status {
            Ok(status) => {
                info!("the command ended: {status}");
                exit_of(status)
            }
            Err(error) => {
                warn!("the command cannot be waited for: {error}");
                Exit::Failed
            }
        }
    }

    fn send(&self, signal: Signal) {
        if let Some(pid) = self.pid()
            && let Err(error) = kill_process(pid, signal)
        {
            warn!("the command could not be sent {signal:?}: {error}");
        }
    }

    fn kill(&self) {
        if let Some(pid) = self.pid() {
            // Either fails when nothing is left, which is how it should be. The child itself may
            // have left its group.
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl HostChild {
    fn pid(&self) -> Option<Pid> {
        let id = self.0.as_ref()?.id()?;
        Pid::from_raw(i32::try_from(id).ok()?)
    }
}

/// As a shell would tell it.
fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Child(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, Some(signal)) => Exit::Signal(u8::try_from(signal).unwrap_or(u8::MAX)),
        (None, None) => Exit::Failed,
    }
}
