//! Data for the caller, on standard output; complaints on standard error.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::stdio::stdout;

use crate::exit::RunError;

/// A stream of ours, written without a buffer. Another process that shares it may have told it not to
/// block; then it is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patient(pub(crate) BorrowedFd<'static>);

impl Patient {
    pub(crate) fn stdout() -> Self {
        Self(stdout())
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(self.0, bytes) {
                Err(Errno::AGAIN) => {
                    let mut stream = [PollFd::from_borrowed_fd(self.0, PollFlags::OUT)];
                    let _interrupted = poll(&mut stream, None);
                }
                written => return Ok(written?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes it all. A reader that has seen enough (`| head`) is no fault.
///
/// # Errors
/// When standard output cannot be written, as on a full disk.
pub fn print(text: &str) -> Result<(), OutputError> {
    match Patient::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(OutputError(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes it to standard error. If that cannot be written, nobody is left to be told.
pub fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[derive(Debug, thiserror::Error)]
#[error("standard output cannot be written: {0}")]
pub struct OutputError(io::Error);

impl From<OutputError> for RunError {
    fn from(error: OutputError) -> Self {
        Self::of_host(error)
    }
}
