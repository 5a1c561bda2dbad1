//! A thread of its own writes the log, so that whoever reads it keeps nothing else waiting.
//!
//! What is logged while the reader stalls is kept up to a limit; beyond it lines are dropped and
//! counted, and the count is logged once the reader is back.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::stdio::stderr;
use tracing::warn;

use crate::os::output::{self, Patient};

/// The most that waits for the reader, in bytes. The 64 KiB of output that a failed command may
/// have, a line each, fit in.
const ROOM: usize = 2 << 20;
/// What a buffer may keep for the next lines, in bytes.
const KEPT: usize = 16 << 10;
/// As much is written at once, in bytes: a pipe takes it whole, so that no line of another process
/// comes in between.
const PIECE: usize = 4096;
/// Plenty for what the thread does, in bytes.
const STACK: usize = 256 << 10;
/// How long the lines that are left may take when the process ends.
const FLUSH_TIME: Duration = Duration::from_millis(250);

/// Lines that were dropped since the process began.
static DROPPED: AtomicU64 = AtomicU64::new(0);

#[must_use]
pub fn lines_dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// The thread. When this goes, what is left is written, unless the reader is stuck.
#[derive(Debug, Default)]
pub(crate) struct LogThread(
    /// None before it is started, and where no thread is to be had: then only last words are of
    /// interest.
    Option<Lines>,
);

impl LogThread {
    /// Starts it; it lives as long as the process.
    pub(crate) fn start() -> Self {
        let lines = Lines::default();
        let shared = Arc::clone(&lines.0);
        let started = thread::Builder::new()
            .name("log".to_owned())
            .stack_size(STACK)
            .spawn(move || shared.write_on(write_to_stderr));
        Self(started.is_ok().then_some(lines))
    }

    /// Where the subscriber is to write.
    pub(crate) fn lines(&self) -> Option<Lines> {
        self.0.clone()
    }

    /// Writes `text` after what was logged before.
    pub(crate) fn say(&self, text: &str) {
        match &self.0 {
            Some(lines) => lines.push(text.as_bytes()),
            None => output::complain(text),
        }
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        if let Some(lines) = &self.0 {
            lines.flush();
        }
    }
}

/// Takes lines for the thread, and never waits for it. A clone is another handle on the same lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    drained: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// Whole lines.
    text: Vec<u8>,
    /// How many lines found no room after `text`.
    dropped: usize,
    /// The thread is at work on what it took out.
    is_writing: bool,
}

/// How many lines there are in `text`, which are dropped.
fn count_dropped(text: &[u8]) -> usize {
    let lines = count(text);
    DROPPED.fetch_add(lines as u64, Ordering::Relaxed);
    lines
}

impl Lines {
    /// Takes `text`, one line or several, whole or not at all.
    fn push(&self, text: &[u8]) {
        let mut queue = self.0.lock();
        if queue.text.is_empty() || queue.text.len() + text.len() <= ROOM {
            queue.text.extend_from_slice(text);
        } else {
            queue.dropped += count_dropped(text);
        }
        drop(queue);
        self.0.filled.notify_one();
    }

    /// Waits until everything is written, but not for long.
    fn flush(&self) {
        let queue = self.0.lock();
        let is_busy = |queue: &mut Queue| queue.is_writing || !queue.text.is_empty();
        let waited = self
            .0
            .drained
            .wait_timeout_while(queue, FLUSH_TIME, is_busy);
        drop(waited);
    }
}

impl Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.push(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: writes what comes, and tells how much was lost.
    fn write_on(&self, write: impl Fn(&[u8]) -> Result<(), Unwritten>) {
        let mut text = Vec::new();
        let mut lost = 0;
        loop {
            lost += self.take(&mut text);
            match write(&text) {
                Err(Unwritten(lines)) => lost += lines,
                Ok(()) if lost > 0 => {
                    warn!(
                        event = "log_lines_dropped",
                        "{lost} log lines were dropped: standard error did not take them"
                    );
                    lost = 0;
                }
                Ok(()) => {}
            }
            text.clear();
            text.shrink_to(KEPT);
            self.lock().is_writing = false;
            self.drained.notify_all();
        }
    }

    /// Waits for lines and takes them all. How many were dropped after them.
    fn take(&self, text: &mut Vec<u8>) -> usize {
        let queue = self.lock();
        let is_empty = |queue: &mut Queue| queue.text.is_empty();
        let waited = self.filled.wait_while(queue, is_empty);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut queue.text, text);
        queue.is_writing = true;
        mem::take(&mut queue.dropped)
    }
}

/// So many lines could not be written.
#[derive(Debug, PartialEq, Eq)]
struct Unwritten(usize);

fn write_to_stderr(text: &[u8]) -> Result<(), Unwritten> {
    let mut left = text;
    while !left.is_empty() {
        let piece = first_piece(left);
        if Patient(stderr()).write_all(piece).is_err() {
            return Err(Unwritten(count_dropped(left)));
        }
        left = left.get(piece.len()..).unwrap_or_default();
    }
    Ok(())
}

/// As many whole lines as fit in a piece; of a longer line all.
fn first_piece(text: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| *byte == b'\n';
    let fitting = text.get(..PIECE).unwrap_or(text);
    let end = fitting
        .iter()
        .rposition(is_end)
        .or_else(|| text.iter().position(is_end));
    end.and_then(|end| text.get(..=end)).unwrap_or(text)
}

fn count(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_whole_and_counted() {
        let lines = Lines::default();
        lines.push(&vec![b'x'; ROOM - 2]);
        lines.push(b"one\ntwo\n");
        lines.push(b".\n");
        let mut text = Vec::new();
        assert_eq!(lines.0.take(&mut text), 2);
        assert_eq!(text.len(), ROOM);
        lines.push(b"back\n");
        text.clear();
        assert_eq!(lines.0.take(&mut text), 0);
        assert_eq!(text, b"back\n");
    }

    #[test]
    fn how_many_were_dropped_is_logged_once_the_reader_is_back() {
        let lines = Lines::default();
        let (back, stalled) = channel::<()>();
        let (sender, written) = channel();
        let write = move |text: &[u8]| {
            // A reader that is gone for good: the thread of this test may end.
            let _back = stalled.recv();
            let _told = sender.send(String::from_utf8_lossy(text).into_owned());
            Ok(())
        };
        let shared = Arc::clone(&lines.0);
        let log = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || log.clone())
            .without_time()
            .finish();
        thread::spawn(move || {
            tracing::subscriber::with_default(subscriber, || shared.write_on(write));
        });
        lines.push(b"one\n");
        while !lines.0.lock().is_writing {
            thread::yield_now();
        }
        lines.push(&[b'x'; ROOM]);
        lines.push(b"two\nthree\n");
        drop(back);
        let next = || written.recv_timeout(Duration::from_secs(10)).expect("text");
        assert_eq!(next(), "one\n");
        assert_eq!(next().len(), ROOM);
        let said = next();
        assert!(said.contains("WARN"), "{said}");
        assert!(said.contains("2 log lines were dropped"), "{said}");
    }

    #[test]
    fn one_line_is_taken_however_long() {
        let lines = Lines::default();
        lines.push(&vec![b'x'; 2 * ROOM]);
        assert_eq!(lines.0.lock().text.len(), 2 * ROOM);
    }

    #[test]
    fn pieces_end_with_a_line() {
        let mut text = [&[b'a'; 3000][..], b"\n", &[b'b'; 3000], b"\n"].concat();
        assert_eq!(first_piece(&text).len(), 3001);
        text[3000] = b'a';
        assert_eq!(first_piece(&text).len(), 6002);
        assert_eq!(first_piece(b"no end"), b"no end");
    }
}
