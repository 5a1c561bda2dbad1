//! What is logged while something runs, for tests.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::{self, FormatFields};

use super::TextFields;

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines, each with its level.
pub(crate) fn lines(run: impl FnOnce()) -> Vec<String> {
    lines_of(TextFields, run)
}

/// The lines, with their fields as `fields` writes them.
pub(super) fn lines_of<F>(fields: F, run: impl FnOnce()) -> Vec<String>
where
    F: for<'a> FormatFields<'a> + Send + Sync + 'static,
{
    let text = Text::default();
    let writer = text.clone();
    let subscriber = fmt::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .fmt_fields(fields)
        .finish();
    tracing::subscriber::with_default(subscriber, run);
    let text = text.0.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = String::from_utf8_lossy(&text);
    lines.lines().map(|line| line.trim().to_owned()).collect()
}
