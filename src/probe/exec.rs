//! `exec:COMMAND`: run by `/bin/sh`; exit code 0 passes.

use std::io::{self, PipeWriter};
use std::process::Stdio;
use std::time::Duration;

use renderer::descriptors::under_former_limit;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use super::attempt::Failure;
use super::last_words::LastWords;
use crate::os::child_env;
use crate::os::process::ProcessGroup;

/// For a stream that somebody outside the group still holds open.
const LEFTOVER: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct ExecProbe {
    command: String,
}

impl ExecProbe {
    pub(super) fn new(command: &str) -> Result<Self, String> {
        if command.trim().is_empty() {
            return Err("names no command; write exec:COMMAND".to_owned());
        }
        Ok(Self {
            command: command.to_owned(),
        })
    }

    pub(super) async fn attempt(&self) -> Result<String, Failure> {
        // Caught before the command starts, so that its end is not missed.
        let mut ends = signal(SignalKind::child()).map_err(Failure::Spawn)?;
        let (reader, writer) = io::pipe().map_err(Failure::Spawn)?;
        let mut last_words = LastWords::read_from(reader).map_err(Failure::Spawn)?;
        let mut child = self.start(writer).map_err(Failure::Spawn)?;
        let group = ProcessGroup::led_by(&child)
            .ok_or_else(|| Failure::Spawn(io::ErrorKind::NotFound.into()))?;
        let cleared = KilledWhenDropped(group);
        // Either may be lost: both only wait.
        tokio::select! {
            ended = leader_ended(group, &mut ends) => ended.map_err(Failure::Spawn)?,
            never = last_words.read_on() => match never {},
        }
        // Not after the leader is reaped, when its number may be somebody else's.
        drop(cleared);
        let _most_of_it = timeout(LEFTOVER, last_words.read()).await;
        let status = child.wait().await.map_err(Failure::Spawn)?;
        match (status.success(), last_words.line()) {
            (true, line) if line.is_empty() => Ok("the command passed".to_owned()),
            (true, line) => Ok(format!("the command passed: {line}")),
            (false, line) => Err(Failure::Command(status, line)),
        }
    }

    /// Both of its streams end in `output`, so that what it says last is last there.
    fn start(&self, output: PipeWriter) -> io::Result<Child> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &self.command])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true);
        child_env::withhold(command.as_std_mut());
        under_former_limit(|| command.spawn())
    }
}

/// Waits until the leader has ended, and leaves it to be reaped.
async fn leader_ended(group: ProcessGroup, ends: &mut Signal) -> io::Result<()> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    while waitid(WaitId::Pid(group.leader()), look)?.is_none() {
        ends.recv().await;
    }
    Ok(())
}

/// Kills what the command left behind, or the command itself if the attempt was given up.
struct KilledWhenDropped(ProcessGroup);

impl Drop for KilledWhenDropped {
    fn drop(&mut self) {
        self.0.kill();
    }
}
