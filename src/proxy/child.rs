//! The program that uses the files, as a process of this host.

use std::io;

use renderer::descriptors::under_former_limit;
use rustix::process::Signal;
use tokio::process::Command;
use tracing::{info, warn};

use crate::exit::Exit;
use crate::os::child_env;
use crate::os::process::{ProcessGroup, exit_of};
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
        info!(
            event = "command_started",
            pid = child.id(),
            "started {program}"
        );
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
                info!(event = "command_ended", "the command ended: {status}");
                exit_of(status)
            }
            Err(error) => {
                warn!(
                    event = "command_lost",
                    "the command cannot be waited for: {error}"
                );
                Exit::Failed
            }
        }
    }

    fn send(&self, signal: Signal) {
        if let Some(group) = self.group()
            && let Err(error) = group.signal_leader(signal)
        {
            warn!(
                event = "signal_not_sent",
                "the command could not be sent {signal:?}: {error}"
            );
        }
    }

    fn kill(&self) {
        if let Some(group) = self.group() {
            group.kill();
        }
    }
}

impl HostChild {
    fn group(&self) -> Option<ProcessGroup> {
        ProcessGroup::led_by(self.0.as_ref()?)
    }
}
