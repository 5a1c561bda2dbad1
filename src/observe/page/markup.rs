//! Text in HTML.

use std::fmt::{self, Display, Write as _};

use crate::wording::printable;

/// Others' text, which stays text, in elements and in quoted attributes; what is not seen is written out.
pub(super) struct Text<'a>(pub(super) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in printable(self.0.as_bytes()).chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// How something stands, told by colour, by shape, and by the word beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    /// Somebody is needed.
    Bad,
    /// It may do without.
    Doubtful,
    /// It is on its way.
    Passing,
    /// As was asked for.
    Out,
    Good,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Doubtful => "doubtful",
            Self::Passing => "passing",
            Self::Out => "out",
            Self::Good => "good",
        }
    }
}

/// A word in its tone. The shape is the style's.
pub(super) struct Mark(pub(super) Tone, pub(super) &'static str);

impl Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, word) = (self.0.class(), self.1);
        write!(f, "<b class=\"mark {class}\">{word}</b>")
    }
}

/// Small print, in a line of its own.
pub(super) fn small(text: impl Display) -> String {
    format!("<small>{text}</small>")
}

/// Why a cell has nothing to show.
pub(super) fn nothing(why: &str) -> String {
    format!("<span class=\"quiet\">{why}</span>")
}

pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    let word = if number == 1 { one } else { many };
    format!("{} {word}", grouped(number as u64))
}

/// `1,000`
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A table that stays one where the style shows its rows as cards.
pub(super) fn table(caption: &str, columns: &[&str], rows: impl Iterator<Item = String>) -> String {
    let mut html = format!(
        "<table role=\"table\">\n<caption>{caption}</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">"
    );
    for column in columns {
        html += &format!("<th scope=\"col\" role=\"columnheader\">{column}</th>");
    }
    html += "</tr></thead>\n<tbody role=\"rowgroup\">\n";
    html.extend(rows);
    html + "</tbody>\n</table>\n"
}

/// The first cell names the row.
pub(super) fn row<const N: usize>(head: &str, cells: [(&str, String); N]) -> String {
    let mut html = format!("<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">{head}</th>");
    for (column, cell) in cells {
        html += &format!("<td role=\"cell\" data-column=\"{column}\"><div>{cell}</div></td>");
    }
    html + "</tr>\n"
}
