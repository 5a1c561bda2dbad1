//! The child that uses the files: started once they are good, told to reload and to stop. Its end is
//! ours.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use renderer::descriptors::under_former_limit;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::child_env;
use crate::exit::Exit;
use crate::signal::{ProxySignal, ProxySignals};

/// From SIGKILL to giving up on a child that even that does not end.
const GRACE: Duration = Duration::from_secs(2);

/// What to run, and how to speak to it.
#[derive(Clone, Debug)]
pub struct SuperviseConfig {
    /// Program and arguments.
    pub command: Vec<String>,
    pub stop_signal: Signal,
    /// Sent after files have changed; none leaves it alone.
    pub reload_signal: Option<Signal>,
    /// How long after the stop signal it is killed.
    pub kill_timeout: Duration,
}

/// The child, or none where none was asked for.
pub(super) struct Supervisor {
    config: Option<SuperviseConfig>,
    child: Option<Child>,
    asked_to_stop: bool,
}

impl Supervisor {
    pub(super) fn new(config: Option<SuperviseConfig>) -> Self {
        Self {
            config,
            child: None,
            asked_to_stop: false,
        }
    }

    /// Whether the child is yet to be started.
    pub(super) fn is_waiting(&self) -> bool {
        self.config.is_some() && self.child.is_none()
    }

    /// # Errors
    /// When the program cannot be run.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let Some((program, arguments)) = self
            .config
            .as_ref()
            .and_then(|config| config.command.split_first())
        else {
            return Ok(());
        };
        let mut command = Command::new(program);
        child_env::withhold(command.as_std_mut());
        // A group of its own: a terminal's ^C is for us to pass on, once.
        command.args(arguments).process_group(0);
        let child = under_former_limit(|| command.spawn())
            .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
        info!(pid = child.id(), "started {program}");
        self.child = Some(child);
        Ok(())
    }

    /// Waits for the child's end; for ever if there is none. Cancel-safe.
    pub(super) async fn ended(&mut self) -> Exit {
        let Some(child) = &mut self.child else {
            return std::future::pending().await;
        };
        let status = child.wait().await;
        self.child = None;
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

    /// Files have changed.
    pub(super) fn reload(&self) {
        if let Some(signal) = self.config.as_ref().and_then(|config| config.reload_signal) {
            self.send(signal);
        }
    }

    /// Asks the child to end, once: many programs take a second time for impatience.
    pub(super) fn stop(&mut self) {
        if let Some(config) = &self.config
            && !std::mem::replace(&mut self.asked_to_stop, true)
        {
            self.send(config.stop_signal);
        }
    }

    /// Passes a signal on by its number.
    pub(super) fn pass_on(&self, number: u8) {
        if let Some(signal) = Signal::from_named_raw(i32::from(number)) {
            self.send(signal);
        }
    }

    /// Waits for the end of a child that was asked to stop. A second signal, or its time, kills it.
    pub(super) async fn stopped(&mut self, signals: &mut ProxySignals) -> Option<Exit> {
        let patience = self.config.as_ref()?.kill_timeout;
        self.child.as_ref()?;
        let mut late = Box::pin(sleep(patience));
        while !signals.are_impatient() {
            // Losing the other branches loses nothing: all are cancel-safe.
            tokio::select! {
                exit = self.ended() => return Some(exit),
                signal = signals.recv() => if let ProxySignal::Other(number) = signal {
                    self.pass_on(number);
                },
                () = &mut late => {
                    let patience = humantime::format_duration(patience);
                    warn!("the command did not end within {patience}: killing it");
                    return Some(self.killed().await);
                }
            }
        }
        warn!("second signal: killing the command");
        Some(self.killed().await)
    }

    /// Kills the child. Not even that ends one that waits for a broken disk.
    async fn killed(&mut self) -> Exit {
        self.kill();
        timeout(GRACE, self.ended()).await.unwrap_or_else(|_late| {
            warn!("the command cannot be killed: leaving it behind");
            Exit::Signal(9)
        })
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

    fn pid(&self) -> Option<Pid> {
        let id = self.child.as_ref()?.id()?;
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
