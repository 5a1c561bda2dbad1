//! Data for the caller, on standard output; complaints on standard error.

use std::io::{self, Write};

use crate::exit::RunError;

/// Writes it all. A reader that has seen enough (`| head`) is no fault.
///
/// # Errors
/// When standard output cannot be written, as on a full disk.
pub fn print(text: &str) -> Result<(), OutputError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
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
