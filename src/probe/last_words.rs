//! What a command said last.

use std::convert::Infallible;
use std::io::{self, PipeReader};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use crate::wording::printable;

/// The most that is kept of the end.
const KEPT: usize = 1024;
/// The most characters of a line that are told.
const TOLD: usize = 200;

#[derive(Debug)]
pub(super) struct LastWords {
    pipe: Option<Receiver>,
    tail: Vec<u8>,
}

impl LastWords {
    /// # Errors
    /// When nothing can be waited for any more.
    pub(super) fn read_from(pipe: PipeReader) -> io::Result<Self> {
        Ok(Self {
            pipe: Some(Receiver::from_owned_fd(pipe.into())?),
            tail: Vec::new(),
        })
    }

    /// Reads until nobody is left to write. Cancel-safe.
    pub(super) async fn read(&mut self) {
        let mut chunk = [0; KEPT];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut chunk).await {
                Ok(0) | Err(_) => self.pipe = None,
                Ok(length) => self.keep(&chunk[..length]),
            }
        }
    }

    /// Reads on, and leaves it to others to say when it is enough. Cancel-safe.
    pub(super) async fn read_on(&mut self) -> Infallible {
        self.read().await;
        std::future::pending().await
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        let surplus = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..surplus);
    }

    /// The last line that is not blank, fit to be shown.
    pub(super) fn line(&self) -> String {
        let text = String::from_utf8_lossy(&self.tail);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        let shown = printable(line.unwrap_or_default().as_bytes());
        shown.chars().take(TOLD).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(chunks: &[&[u8]]) -> String {
        let mut words = LastWords {
            pipe: None,
            tail: Vec::new(),
        };
        for chunk in chunks {
            words.keep(chunk);
        }
        words.line()
    }

    #[test]
    fn the_last_line_that_says_something_is_told_and_control_characters_are_shown() {
        assert_eq!(line_of(&[b"first\nsec", b"ond\n\n"]), "second");
        assert_eq!(line_of(&[b"a\x1b[2Jb"]), "a\\u{1b}[2Jb");
        assert_eq!(line_of(&[]), "");
    }

    #[test]
    fn no_more_is_kept_and_told_than_a_line_is_worth() {
        let flood = [b'x'; 5000];
        assert_eq!(line_of(&[&flood, &flood]).len(), TOLD);
        let mut words = LastWords {
            pipe: None,
            tail: Vec::new(),
        };
        words.keep(&flood);
        assert_eq!(words.tail.len(), KEPT);
    }
}
