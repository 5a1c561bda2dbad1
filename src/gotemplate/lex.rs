//! From a template's text to items. The lexer has Go's states, and Go's words for what is wrong.

mod item;
mod number;

pub(crate) use item::{Item, Kind};

use super::rune::{code_point, decode, is_alphanumeric};

/// A minus and the space beside it.
const TRIM_MARKER: usize = 2;

#[derive(Clone, Copy, Debug)]
enum State {
    Text,
    LeftDelim,
    InsideAction,
    Done,
}

/// Cuts a text into items.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    left: &'a [u8],
    right: &'a [u8],
    state: State,
    /// Where the pending item begins.
    start: usize,
    /// The line of `start`.
    line: usize,
    pos: usize,
    paren_depth: usize,
    error: String,
}

impl<'a> Lexer<'a> {
    /// A lexer of `text`, where actions stand between `left` and `right`, neither of them empty.
    pub(super) fn new(text: &'a [u8], left: &'a [u8], right: &'a [u8]) -> Self {
        Self {
            text,
            left,
            right,
            state: State::Text,
            start: 0,
            line: 1,
            pos: 0,
            paren_depth: 0,
            error: String::new(),
        }
    }

    /// The next item; after the last one, [`Kind::Eof`] for ever.
    pub(super) fn next_item(&mut self) -> Item {
        loop {
            let item = match self.state {
                State::Text => self.lex_text(),
                State::LeftDelim => self.lex_left_delim(),
                State::InsideAction => Some(self.lex_inside_action()),
                State::Done => Some(self.emit(Kind::Eof)),
            };
            if let Some(item) = item {
                return item;
            }
        }
    }

    /// What is wrong, once there was a [`Kind::Error`].
    pub(super) fn error_text(&self) -> &str {
        &self.error
    }

    fn lex_text(&mut self) -> Option<Item> {
        let Some(length) = find(self.rest(), self.left) else {
            self.pos = self.text.len();
            self.state = State::Done;
            return self.emit_text();
        };
        let delim = self.pos + length;
        self.pos = delim + self.left.len();
        let trims = self.at_left_trim_marker();
        self.pos = delim;
        if trims {
            self.pos -= trailing_spaces(self.pending());
        }
        let item = self.emit_text();
        self.pos = delim;
        self.ignore();
        self.state = State::LeftDelim;
        item
    }

    fn lex_left_delim(&mut self) -> Option<Item> {
        self.pos += self.left.len();
        let marker = if self.at_left_trim_marker() {
            TRIM_MARKER
        } else {
            0
        };
        let delim = self.emit(Kind::LeftDelim);
        self.pos += marker;
        self.ignore();
        if self.rest().starts_with(b"/*") {
            return self.lex_comment();
        }
        self.paren_depth = 0;
        self.state = State::InsideAction;
        Some(delim)
    }

    fn lex_comment(&mut self) -> Option<Item> {
        self.pos += "/*".len();
        let Some(length) = find(self.rest(), b"*/") else {
            return Some(self.error("unclosed comment"));
        };
        self.pos += length + "*/".len();
        let Some(marker) = self.right_delim_marker() else {
            return Some(self.error("comment ends before closing delimiter"));
        };
        self.lex_right_delim(marker);
        None
    }

    fn lex_right_delim(&mut self, marker: usize) -> Item {
        self.pos += marker;
        self.ignore();
        self.pos += self.right.len();
        let delim = self.emit(Kind::RightDelim);
        if marker > 0 {
            self.pos += leading_spaces(self.rest());
            self.ignore();
        }
        self.state = State::Text;
        delim
    }

    fn lex_inside_action(&mut self) -> Item {
        if let Some(marker) = self.right_delim_marker() {
            if self.paren_depth > 0 {
                return self.error("unclosed left paren");
            }
            return self.lex_right_delim(marker);
        }
        let Some((rune, size)) = decode(self.rest()) else {
            return self.error("unclosed action");
        };
        match rune {
            ' ' | '\t' | '\r' | '\n' => return self.lex_space(),
            '+' | '-' | '0'..='9' => return self.lex_number(),
            '.' if matches!(self.rest().get(1), None | Some(b'0'..=b'9')) => {
                return self.lex_number();
            }
            _ if is_alphanumeric(rune) => return self.lex_identifier(),
            _ => self.pos += size,
        }
        match rune {
            '.' => self.lex_field_or_variable(Kind::Dot, Kind::Field),
            '$' => self.lex_field_or_variable(Kind::Variable, Kind::Variable),
            '"' => self.lex_quote(b'"', Kind::String, "unterminated quoted string"),
            '\'' => self.lex_quote(b'\'', Kind::CharConstant, "unterminated character constant"),
            '`' => self.lex_raw_quote(),
            '=' => self.emit(Kind::Assign),
            ':' if self.accept(b"=") => self.emit(Kind::Declare),
            ':' => self.error("expected :="),
            '|' => self.emit(Kind::Pipe),
            '(' => {
                self.paren_depth += 1;
                self.emit(Kind::LeftParen)
            }
            ')' => {
                // The parser refuses one too many.
                self.paren_depth = self.paren_depth.saturating_sub(1);
                self.emit(Kind::RightParen)
            }
            '!'..='~' => self.emit(Kind::Char),
            _ => self.error(format!(
                "unrecognized character in action: {}",
                code_point(rune)
            )),
        }
    }

    fn lex_space(&mut self) -> Item {
        self.pos += leading_spaces(self.rest());
        // The last one may belong to the delimiter.
        self.pos -= 1;
        if self.right_delim_marker() != Some(TRIM_MARKER) {
            self.pos += 1;
        }
        self.emit(Kind::Space)
    }

    fn lex_identifier(&mut self) -> Item {
        while self.accept_alphanumeric() {}
        self.emit_word(Kind::of_word(self.pending()))
    }

    fn lex_field_or_variable(&mut self, alone: Kind, named: Kind) -> Item {
        if self.at_terminator() {
            return self.emit(alone);
        }
        while self.accept_alphanumeric() {}
        self.emit_word(named)
    }

    fn lex_quote(&mut self, quote: u8, kind: Kind, unterminated: &str) -> Item {
        while let Some(byte) = self.next_byte() {
            if byte == quote {
                return self.emit(kind);
            }
            let ends_escape = |escaped| matches!(escaped, None | Some(b'\n'));
            if byte == b'\n' || byte == b'\\' && ends_escape(self.next_byte()) {
                break;
            }
        }
        self.error(unterminated)
    }

    fn lex_raw_quote(&mut self) -> Item {
        match find(self.rest(), b"`") {
            Some(length) => {
                self.pos += length + 1;
                self.emit(Kind::RawString)
            }
            None => self.error("unterminated raw quoted string"),
        }
    }

    /// The length of the trim marker before the right delimiter, when that comes next.
    fn right_delim_marker(&self) -> Option<usize> {
        let rest = self.rest();
        match rest {
            [space, b'-', delim @ ..] if is_space(*space) && delim.starts_with(self.right) => {
                Some(TRIM_MARKER)
            }
            _ => rest.starts_with(self.right).then_some(0),
        }
    }

    fn at_left_trim_marker(&self) -> bool {
        matches!(self.rest(), [b'-', space, ..] if is_space(*space))
    }

    /// Whether a word may end here. `$x+2` must not be taken for a word and a number.
    fn at_terminator(&self) -> bool {
        match self.rest() {
            []
            | [
                b' ' | b'\t' | b'\r' | b'\n' | b'.' | b',' | b'|' | b':' | b')' | b'(',
                ..,
            ] => true,
            rest => rest.starts_with(self.right),
        }
    }

    fn accept(&mut self, bytes: &[u8]) -> bool {
        let accepted = self.rest().first().is_some_and(|byte| bytes.contains(byte));
        self.pos += usize::from(accepted);
        accepted
    }

    fn accept_alphanumeric(&mut self) -> bool {
        match decode(self.rest()) {
            Some((rune, size)) if is_alphanumeric(rune) => {
                self.pos += size;
                true
            }
            _ => false,
        }
    }

    fn next_byte(&mut self) -> Option<u8> {
        let byte = self.rest().first().copied();
        self.pos += usize::from(byte.is_some());
        byte
    }

    fn pending(&self) -> &'a [u8] {
        self.text.get(self.start..self.pos).unwrap_or_default()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.pos..).unwrap_or_default()
    }

    fn emit_text(&mut self) -> Option<Item> {
        (self.pos > self.start).then(|| self.emit(Kind::Text))
    }

    fn emit_word(&mut self, kind: Kind) -> Item {
        match decode(self.rest()) {
            Some((rune, _)) if !self.at_terminator() => {
                self.error(format!("bad character {}", code_point(rune)))
            }
            _ => self.emit(kind),
        }
    }

    fn emit(&mut self, kind: Kind) -> Item {
        let item = self.item(kind);
        self.ignore();
        item
    }

    fn error(&mut self, text: impl Into<String>) -> Item {
        self.error = text.into();
        self.state = State::Done;
        self.item(Kind::Error)
    }

    fn item(&self, kind: Kind) -> Item {
        Item {
            kind,
            start: self.start,
            end: self.pos,
            line: self.line,
        }
    }

    fn ignore(&mut self) {
        self.line += self.pending().iter().filter(|&&byte| byte == b'\n').count();
        self.start = self.pos;
    }
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, others) = needle.split_first()?;
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|byte| byte == first)?;
        from = at + 1;
        if text.get(from..)?.starts_with(others) {
            return Some(at);
        }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn leading_spaces(text: &[u8]) -> usize {
    text.iter().take_while(|&&byte| is_space(byte)).count()
}

fn trailing_spaces(text: &[u8]) -> usize {
    text.iter()
        .rev()
        .take_while(|&&byte| is_space(byte))
        .count()
}
