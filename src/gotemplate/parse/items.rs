//! Looking ahead, and telling what stands in the way.

use super::{ParseError, Parser};
use crate::Str;
use crate::lex::{Item, Kind};
use crate::quote::quote;
use crate::rune::decode;

/// So many characters of an item are told.
const TOLD: usize = 10;

impl Parser<'_> {
    pub(super) fn next(&mut self) -> Item {
        match self.tree.ahead.pop() {
            Some(item) => item,
            None => self.read(),
        }
    }

    pub(super) fn next_non_space(&mut self) -> Item {
        loop {
            let item = self.next();
            if item.kind != Kind::Space {
                return item;
            }
        }
    }

    /// Makes `item` the next one.
    pub(super) fn back_up(&mut self, item: Item) {
        self.tree.ahead.push(item);
    }

    pub(super) fn peek(&mut self) -> Item {
        let item = self.next();
        self.back_up(item);
        item
    }

    /// Drops the space before the item, too.
    pub(super) fn peek_non_space(&mut self) -> Item {
        let item = self.next_non_space();
        self.back_up(item);
        item
    }

    pub(super) fn expect(&mut self, kind: Kind, context: &str) -> Result<Item, ParseError> {
        let item = self.next_non_space();
        if item.kind != kind {
            return Err(self.unexpected(item, context));
        }
        Ok(item)
    }

    pub(super) fn value(&self, item: Item) -> Str {
        self.text.slice(item.start..item.end)
    }

    pub(super) fn unexpected(&self, item: Item, context: &str) -> ParseError {
        if item.kind == Kind::Error {
            return self.error(self.lexer_error(item));
        }
        self.error(format!("unexpected {} in {context}", self.describe(item)))
    }

    /// An error on the line of the item that was read last.
    pub(super) fn error(&self, message: impl AsRef<str>) -> ParseError {
        let (name, line) = (self.name, self.tree.line);
        ParseError(format!("template: {name}:{line}: {}", message.as_ref()))
    }

    fn read(&mut self) -> Item {
        let mut item = self.lexer.next_item();
        self.tree.line = item.line;
        let may_be_function = matches!(item.kind, Kind::Break | Kind::Continue);
        if may_be_function && self.function(item).is_some() {
            item.kind = Kind::Identifier;
        }
        item
    }

    /// Adds where the action began, if on another line.
    fn lexer_error(&self, item: Item) -> String {
        let error = self.lexer.error_text();
        match self.tree.action_line {
            Some(line) if line != item.line => {
                let what = if error.ends_with(" action") {
                    ""
                } else {
                    " in action"
                };
                format!("{error}{what} started at {}:{line}", self.name)
            }
            _ => error.to_owned(),
        }
    }

    fn describe(&self, item: Item) -> String {
        let value = self.value(item);
        if item.kind == Kind::Eof {
            "EOF".to_owned()
        } else if item.kind.is_keyword() {
            format!("<{}>", String::from_utf8_lossy(&value))
        } else if value.len() > TOLD {
            format!("{}...", quote(first_runes(&value, TOLD)))
        } else {
            quote(&value)
        }
    }
}

fn first_runes(text: &[u8], count: usize) -> &[u8] {
    let mut rest = text;
    for _ in 0..count {
        if let Some((_, size)) = decode(rest) {
            rest = rest.get(size..).unwrap_or_default();
        }
    }
    text.strip_suffix(rest).unwrap_or(text)
}
