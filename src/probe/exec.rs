//! `exec:COMMAND`: run by `/bin/sh`; exit code 0 passes.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

use super::Failure;

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
        let mut child = Command::new("/bin/sh")
            .args(["-c", &self.command])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(Failure::Spawn)?;
        let _group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
            .map(Group);
        let status = child.wait().await.map_err(Failure::Spawn)?;
        if status.success() {
            Ok("the command passed".to_owned())
        } else {
            Err(Failure::Command(status))
        }
    }
}

/// Kills what the command left behind, or the command itself if the attempt was given up.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        // Fails when nothing is left of the group, which is how it should be.
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}
