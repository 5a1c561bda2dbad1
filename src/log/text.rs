//! The fields of a line of text: all but the event's name.

use std::error::Error;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing_subscriber::field::{RecordFields, VisitOutput};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};

use super::EVENT;

/// As tracing-subscriber writes them.
#[derive(Clone, Copy, Debug)]
pub struct TextFields;

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(&self, out: Writer<'writer>, fields: R) -> fmt::Result {
        let mut others = Others(DefaultVisitor::new(out, true));
        fields.record(&mut others);
        others.0.finish()
    }
}

/// Passes all fields on but the event's name.
struct Others<'a>(DefaultVisitor<'a>);

impl Visit for Others<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != EVENT {
            self.0.record_str(field, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.0.record_error(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.record_debug(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing::{info, warn};
    use tracing_subscriber::fmt::format::DefaultFields;

    use super::*;
    use crate::log::captured;

    /// What is logged while this runs, as tracing-subscriber writes it.
    fn plain(run: impl FnOnce()) -> Vec<String> {
        captured::lines_of(DefaultFields::new(), run)
    }

    /// Logs the same with the event's name and without.
    macro_rules! assert_same {
        ($level:ident, $($line:tt)+) => {
            assert_eq!(
                captured::lines(|| $level!(event = "registered", $($line)+)),
                plain(|| $level!($($line)+))
            );
        };
    }

    #[test]
    fn a_line_of_text_is_as_it_would_be_without_the_events_name() {
        let (key, lease) = ("/a", 0x7a);
        let error = io::Error::other(io::Error::from_raw_os_error(111));
        let error: &(dyn Error + 'static) = &error;
        assert_same!(info, "registered");
        assert_same!(info, key, %lease, "registered at {key}");
        assert_same!(warn, key, text = ?Some("b"), count = 3, is = true, share = 0.5, "odd");
        assert_same!(warn, error, "refused");
        assert_same!(info, key);
    }

    #[test]
    fn what_must_be_quoted_or_escaped_still_is() {
        let forged = "a\" b\\\nINFO \u{1b}[31mforged\u{9b}\r\u{202e}";
        assert_same!(info, key = forged, "{forged}");
        assert_same!(info, key = %forged, other = ?forged, forged);
    }

    #[test]
    fn the_events_name_is_left_out() {
        assert_eq!(
            captured::lines(|| info!(event = "registered", key = "/a", "registered")),
            ["INFO registered key=\"/a\""]
        );
    }
}
