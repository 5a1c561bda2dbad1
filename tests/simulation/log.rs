//! What the loops log, for the telling of a schedule.

use std::cell::RefCell;
use std::io;

use register::log::TextFields;
use tracing_subscriber::fmt;

thread_local! {
    static LOGGED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes).trim_end().to_owned();
        LOGGED.with_borrow_mut(|lines| lines.push(line));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs this with what it logs kept.
pub fn captured<T>(run: impl FnOnce() -> T) -> T {
    let lines = fmt()
        .with_writer(|| Lines)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .fmt_fields(TextFields)
        .finish();
    tracing::subscriber::with_default(lines, run)
}

/// What was logged since the last time.
pub fn taken() -> Vec<String> {
    LOGGED.take()
}
