//! The child that uses the files: started once they are good, told to reload and to stop. Its end is
//! ours.

use std::io;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::time::timeout;
use tracing::warn;

use crate::deadline::{now, sleep_until_some};
use crate::exit::Exit;
use crate::os::signal::{ProxySignal, ProxySignals};
use crate::world::{Child, Signals};

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
pub(super) struct Supervisor<C> {
    config: Option<SuperviseConfig>,
    child: C,
    /// When the child is killed, once it was asked to stop.
    kill_at: Option<Instant>,
}

impl<C: Child> Supervisor<C> {
    pub(super) fn new(config: Option<SuperviseConfig>, child: C) -> Self {
        Self {
            config,
            child,
            kill_at: None,
        }
    }

    /// Whether the child is yet to be started.
    pub(super) fn is_waiting(&self) -> bool {
        self.config.is_some() && !self.child.is_running()
    }

    /// # Errors
    /// When the program cannot be run.
    pub(super) fn start(&mut self) -> io::Result<()> {
        match &self.config {
            Some(config) => self.child.start(&config.command),
            None => Ok(()),
        }
    }

    /// Waits for the child's end; for ever if there is none. Cancel-safe.
    pub(super) async fn ended(&mut self) -> Exit {
        self.child.ended().await
    }

    /// Files have changed.
    pub(super) fn reload(&self) {
        if let Some(signal) = self.config.as_ref().and_then(|config| config.reload_signal) {
            self.child.send(signal);
        }
    }

    /// Asks the child to end, once: many programs take a second time for impatience.
    pub(super) fn stop(&mut self) {
        if let Some(config) = &self.config
            && self.kill_at.is_none()
        {
            self.kill_at = Some(now() + config.kill_timeout);
            self.child.send(config.stop_signal);
        }
    }

    /// Passes a signal on by its number.
    pub(super) fn pass_on(&self, number: u8) {
        if let Some(signal) = Signal::from_named_raw(i32::from(number)) {
            self.child.send(signal);
        }
    }

    /// Waits for the end of a child that was asked to stop. A second signal, or its time, kills it.
    pub(super) async fn stopped(
        &mut self,
        signals: &mut ProxySignals<impl Signals>,
    ) -> Option<Exit> {
        let patience = self.config.as_ref()?.kill_timeout;
        if !self.child.is_running() {
            return None;
        }
        let kill_at = self.kill_at;
        while !signals.are_impatient() {
            // Losing the other branches loses nothing: all are cancel-safe.
            tokio::select! {
                biased;
                signal = signals.recv() => if let ProxySignal::Other(number) = signal {
                    self.pass_on(number);
                },
                () = sleep_until_some(kill_at) => {
                    let patience = humantime::format_duration(patience);
                    warn!(
                        event = "command_killed",
                        "the command did not end within {patience}: killing it"
                    );
                    return Some(self.killed().await);
                }
                exit = self.ended() => return Some(exit),
            }
        }
        warn!(
            event = "second_signal",
            "second signal: killing the command"
        );
        Some(self.killed().await)
    }

    /// Kills the child. Not even that ends one that waits for a broken disk.
    async fn killed(&mut self) -> Exit {
        self.child.kill();
        timeout(GRACE, self.ended()).await.unwrap_or_else(|_late| {
            warn!(
                event = "command_left_behind",
                "the command cannot be killed: leaving it behind"
            );
            Exit::Signal(9)
        })
    }
}
