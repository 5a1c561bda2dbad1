//! Runs a check or reload command: in its own process group, with a time limit.

mod output;
#[cfg(test)]
mod tests;

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::cancel::EventFd;
use crate::descriptors;
pub(crate) use output::Output;

/// From SIGTERM to SIGKILL, and from there to giving up on a process that even that does not end.
const GRACE: Duration = Duration::from_secs(2);

/// Read at a time. Also the most that is read after the command has ended, since a daemon that it
/// left behind may go on writing.
const CHUNK: usize = 64 * 1024;

/// Why a command did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommandError {
    /// It ended otherwise than with exit status 0.
    #[error("{}", ending(*.0))]
    Ended(ExitStatus),
    /// It ran longer than it may, and was killed.
    #[error("timed out after {0:?}")]
    TimedOut(Duration),
    /// We are to stop: it was killed, or not even started.
    #[error("given up: stopping")]
    Cancelled,
    /// It could not be started or watched.
    #[error("cannot run /bin/sh: {0}")]
    Run(Arc<io::Error>),
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Run(Arc::new(error))
    }
}

/// Runs `text` as `/bin/sh -c` does. `stop` kills it.
///
/// What it starts in the background lives on, and does not keep us waiting.
pub(crate) fn run(
    text: &str,
    timeout: Duration,
    stop: Option<&EventFd>,
    withheld: &[&str],
) -> (Output, Result<(), CommandError>) {
    let mut running = match Running::start(text, withheld) {
        Ok(running) => running,
        Err(error) => return (Output::default(), Err(error.into())),
    };
    let result = running.finish(timeout, stop);
    running.output.trim();
    (running.output, result)
}

/// A command under way.
struct Running {
    child: Child,
    /// Readable once the command has ended.
    ended: OwnedFd,
    group: Pid,
    /// Its standard output and error; none once every writer is gone.
    pipe: Option<PipeReader>,
    output: Output,
}

#[derive(Debug, PartialEq, Eq)]
enum Wake {
    Ended,
    TimedOut,
    Stopped,
}

impl Running {
    fn start(text: &str, withheld: &[&str]) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        fcntl_setfl(&reader, fcntl_getfl(&reader)? | OFlags::NONBLOCK)?;
        let mut command = Command::new("/bin/sh");
        command
            .args(descriptors::arguments(text))
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0);
        for name in withheld {
            command.env_remove(name);
        }
        let mut child = command.spawn()?;
        // Our end of its output would keep the pipe open.
        drop(command);
        let group = Pid::from_child(&child);
        let ended = pidfd_open(group, PidfdFlags::empty()).or_else(|error| {
            kill(group, Signal::KILL);
            child.wait()?;
            Err(io::Error::from(error))
        })?;
        Ok(Self {
            child,
            ended,
            group,
            pipe: Some(reader),
            output: Output::default(),
        })
    }

    fn finish(&mut self, timeout: Duration, stop: Option<&EventFd>) -> Result<(), CommandError> {
        match self.wait(timeout, stop)? {
            Wake::Ended => {
                self.drain();
                let status = self.child.wait()?;
                status
                    .success()
                    .then_some(())
                    .ok_or(CommandError::Ended(status))
            }
            Wake::TimedOut => {
                kill(self.group, Signal::TERM);
                self.wait(GRACE, stop)?;
                self.put_down()?;
                Err(CommandError::TimedOut(timeout))
            }
            Wake::Stopped => {
                self.put_down()?;
                Err(CommandError::Cancelled)
            }
        }
    }

    /// Collects output until the command has ended.
    fn wait(&mut self, timeout: Duration, stop: Option<&EventFd>) -> io::Result<Wake> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = vec![PollFd::new(&self.ended, PollFlags::IN)];
            fds.extend(stop.map(|stop| PollFd::new(stop, PollFlags::IN)));
            fds.extend(
                self.pipe
                    .as_ref()
                    .map(|pipe| PollFd::new(pipe, PollFlags::IN)),
            );
            match poll(&mut fds, Timespec::try_from(left).ok().as_ref()) {
                Ok(0) => return Ok(Wake::TimedOut),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let mut woken = fds.iter().map(|fd| !fd.revents().is_empty());
            if woken.next() == Some(true) {
                return Ok(Wake::Ended);
            }
            if stop.is_some() && woken.next() == Some(true) {
                return Ok(Wake::Stopped);
            }
            if woken.next() == Some(true) {
                self.read();
            }
            if left.is_zero() {
                return Ok(Wake::TimedOut);
            }
        }
    }

    fn read(&mut self) -> usize {
        let mut chunk = [0; CHUNK];
        match self.pipe.as_mut().map(|pipe| pipe.read(&mut chunk)) {
            Some(Ok(length)) if length > 0 => {
                self.output.push(chunk.get(..length).unwrap_or_default());
                return length;
            }
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            Some(Ok(_) | Err(_)) | None => self.pipe = None,
        }
        0
    }

    /// Takes what the pipe still holds. Whoever keeps it open must be able to go on writing.
    fn drain(&mut self) {
        let mut left = CHUNK;
        while left > 0 {
            match self.read() {
                0 => break,
                length => left = left.saturating_sub(length),
            }
        }
        if let Some(pipe) = self.pipe.take() {
            let drain = thread::Builder::new().name("drain".to_owned());
            // It ends with the last writer. Without a thread to spare that writer gets SIGPIPE.
            let _ = drain.spawn(move || discard(pipe));
        }
    }

    fn put_down(&mut self) -> io::Result<()> {
        kill(self.group, Signal::KILL);
        if self.wait(GRACE, None)? == Wake::Ended {
            self.drain();
            self.child.wait()?;
        }
        Ok(())
    }
}

fn discard(mut pipe: PipeReader) -> io::Result<()> {
    let flags = fcntl_getfl(pipe.as_fd())?;
    fcntl_setfl(pipe.as_fd(), flags - OFlags::NONBLOCK)?;
    io::copy(&mut pipe, &mut io::sink()).map(drop)
}

fn kill(group: Pid, signal: Signal) {
    // Fails when the whole group is gone, which is what is wanted.
    let _ = kill_process_group(group, signal);
}

/// As Go words it.
fn ending(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        return format!("exit status {}", status.code().unwrap_or_default());
    };
    let core = if status.core_dumped() {
        " (core dumped)"
    } else {
        ""
    };
    format!("signal: {}{core}", signal_name(signal))
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
