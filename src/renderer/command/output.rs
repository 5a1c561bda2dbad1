//! What a command prints: the end of it, for the log.

use tracing::{debug, error};

use crate::options::Dialect;
use gotemplate::quote::quote;

/// As much is kept: plenty for a person, little for a process that lives for months.
const LIMIT: usize = 64 * 1024;

/// Standard output and standard error together, as they came.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(super) tail: Vec<u8>,
    left_out: usize,
}

impl Output {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > 2 * LIMIT {
            self.trim();
        }
    }

    pub(super) fn trim(&mut self) {
        let surplus = self.tail.len().saturating_sub(LIMIT);
        self.tail.drain(..surplus);
        self.left_out += surplus;
    }

    /// An error when the command failed, of interest to those who debug otherwise.
    pub(crate) fn log(&self, failed: bool, dialect: Dialect) {
        for line in self.lines(dialect) {
            if failed {
                error!(event = "command_output", "{line}");
            } else {
                debug!(event = "command_output", "{line}");
            }
        }
    }

    fn lines(&self, dialect: Dialect) -> Vec<String> {
        match dialect {
            Dialect::Confd => vec![quote(&self.tail)],
            Dialect::Plain => {
                let left_out = (self.left_out > 0)
                    .then(|| format!("({} bytes of output left out)", self.left_out));
                let text = String::from_utf8_lossy(&self.tail);
                left_out
                    .into_iter()
                    .chain(text.lines().map(str::to_owned))
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(bytes: &[u8]) -> Output {
        let mut output = Output::default();
        output.push(bytes);
        output
    }

    #[test]
    fn is_one_quoted_line_in_confds_words() {
        let output = output(b"so\n\"se\"\xff\n");
        assert_eq!(output.lines(Dialect::Confd), [r#""so\n\"se\"\xff\n""#]);
    }

    #[test]
    fn is_one_line_for_each_in_ours() {
        assert_eq!(output(b"so\r\nse").lines(Dialect::Plain), ["so", "se"]);
        assert!(output(b"").lines(Dialect::Plain).is_empty());
    }

    #[test]
    fn only_the_end_of_very_much_is_kept() {
        let mut output = Output::default();
        for _ in 0..1000 {
            output.push(&[b'x'; 1000]);
            assert!(output.tail.capacity() <= 4 * LIMIT);
        }
        output.push(b"\nend\n");
        output.trim();
        let lines = output.lines(Dialect::Plain);
        let left_out = 1_000_000 + 5 - LIMIT;
        assert_eq!(
            lines.first().unwrap(),
            &format!("({left_out} bytes of output left out)")
        );
        assert_eq!(lines.last().unwrap(), "end");
    }
}
