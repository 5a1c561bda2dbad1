//! What process 1 of a container must do: pass signals on to the one program, and reap orphans.
//!
//! The program runs as a child, so that its own children are its own to wait for.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, WaitOptions, kill_process, wait};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::exit::{Exit, RunError};
use crate::os::output;
use crate::os::process::{FORWARDED, exit_of};
use crate::os::runtime::block_on;

/// Whether this is process 1.
#[must_use]
pub fn is_needed() -> bool {
    std::process::id() == 1
}

/// Runs this program again as a child, and ends as it ends.
#[must_use]
pub fn main() -> Exit {
    block_on(run()).unwrap_or_else(|error| {
        output::complain(&format!("register: {error}\n"));
        error.exit()
    })
}

async fn run() -> Result<Exit, RunError> {
    let mut ended = signal(SignalKind::child())?;
    let (sender, mut signals) = mpsc::channel(FORWARDED.len());
    for forwarded in FORWARDED {
        let mut caught = signal(SignalKind::from_raw(forwarded.as_raw()))?;
        let sender = sender.clone();
        // Ends with the process: the runtime is dropped when this returns.
        tokio::spawn(async move {
            while caught.recv().await.is_some() {
                let _told = sender.send(forwarded).await;
            }
        });
    }
    let child = start()?;
    loop {
        if let Some(exit) = reap(child)? {
            return Ok(exit);
        }
        // Losing the other branch loses nothing: both are cancel-safe.
        tokio::select! {
            _ = ended.recv() => {}
            Some(signal) = signals.recv() => {
                // Fails when it has just ended, which shows in the next turn.
                let _ = kill_process(child, signal);
            }
        }
    }
}

fn start() -> io::Result<Pid> {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    let child = Command::new("/proc/self/exe")
        .arg0(name)
        .args(words)
        .spawn()?;
    // Reaped below, with everything else.
    Ok(Pid::from_child(&child))
}

/// Takes in all that ended; the exit of `child` if it is among them.
fn reap(child: Pid) -> io::Result<Option<Exit>> {
    let mut exit = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == child => {
                exit = Some(exit_of(ExitStatus::from_raw(status.as_raw())));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(exit),
            Err(error) => return Err(error.into()),
        }
    }
}
