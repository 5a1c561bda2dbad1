//! From a template's text to its syntax trees. What is accepted, and what is said about what is not,
//! are Go's.

mod control;
mod items;
mod number;
mod pipeline;
mod strconv;
mod unquote;

use std::collections::BTreeMap;

use thiserror::Error;

use super::function::Callee;
use super::lex::{Item, Lexer};
use super::nested::{RED_ZONE, STACK};
use super::node::{List, Pos};
use super::parts::Inclusion;
use crate::Str;

/// How deeply actions and parentheses may be nested.
const MAX_DEPTH: usize = 10_000;

/// What begins and ends an action. The usual delimiters take the place of empty ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delims {
    /// `{{`
    pub left: String,
    /// `}}`
    pub right: String,
}

impl Delims {
    fn left(&self) -> &[u8] {
        if self.left.is_empty() {
            b"{{"
        } else {
            self.left.as_bytes()
        }
    }

    fn right(&self) -> &[u8] {
        if self.right.is_empty() {
            b"}}"
        } else {
            self.right.as_bytes()
        }
    }
}

/// Why a text is no template, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ParseError(String);

/// A parsed file: the template itself and those that it defines.
#[derive(Debug)]
pub(crate) struct Trees {
    name: String,
    text: Str,
    trees: BTreeMap<Str, List>,
    inclusions: Vec<Inclusion>,
}

impl ParseError {
    pub(crate) fn at(place: &str, message: &str) -> Self {
        Self(format!("template: {place}: {message}"))
    }
}

impl Trees {
    /// Where which parts are included, from the last to the first.
    pub(crate) fn located_inclusions(&self) -> Vec<(String, Str)> {
        let inclusions = self.inclusions.iter().rev();
        let located = inclusions.map(|one| (self.location(one.pos), one.name.clone()));
        located.collect()
    }

    /// The template called `name`.
    #[must_use]
    pub(crate) fn get(&self, name: &[u8]) -> Option<&List> {
        self.trees.get(name)
    }

    /// The file's name.
    #[must_use]
    pub(crate) fn parse_name(&self) -> &str {
        &self.name
    }

    /// `name:line:column` as Go counts them: lines from 1, columns in bytes from 0.
    #[must_use]
    pub(crate) fn location(&self, pos: Pos) -> String {
        let before = self.text.get(..pos).unwrap_or(&self.text);
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let column = match before.iter().rposition(|&byte| byte == b'\n') {
            Some(newline) => before.len() - newline - 1,
            None => before.len(),
        };
        format!("{}:{line}:{column}", self.name)
    }
}

/// Parses the file `name`, whose functions are those that `functions` knows.
///
/// # Errors
/// When Go would refuse it.
pub(crate) fn parse(
    name: &str,
    text: Str,
    delims: &Delims,
    functions: &dyn Fn(&[u8]) -> Option<Callee>,
) -> Result<Trees, ParseError> {
    let mut parser = Parser {
        name,
        text: &text,
        lexer: Lexer::new(&text, delims.left(), delims.right()),
        functions,
        trees: BTreeMap::new(),
        inclusions: Vec::new(),
        tree: Tree::default(),
        depth: 0,
    };
    parser.file()?;
    let Parser {
        trees, inclusions, ..
    } = parser;
    Ok(Trees {
        name: name.to_owned(),
        text,
        trees,
        inclusions,
    })
}

struct Parser<'a> {
    name: &'a str,
    text: &'a Str,
    lexer: Lexer<'a>,
    functions: &'a dyn Fn(&[u8]) -> Option<Callee>,
    trees: BTreeMap<Str, List>,
    inclusions: Vec<Inclusion>,
    tree: Tree,
    depth: usize,
}

/// The template that is being parsed. Those that it stands in wait, with trees of their own.
struct Tree {
    /// Read too early; the last one comes first.
    ahead: Vec<Item>,
    /// Of the item that was read last.
    line: usize,
    /// Of the action that is being parsed.
    action_line: Option<usize>,
    /// Those that are visible.
    vars: Vec<Str>,
    range_depth: usize,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            ahead: Vec::new(),
            line: 0,
            action_line: None,
            vars: vec![Str::from_static(b"$")],
            range_depth: 0,
        }
    }
}

impl Parser<'_> {
    fn function(&self, item: Item) -> Option<Callee> {
        (self.functions)(&self.value(item))
    }

    /// Goes one level deeper.
    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!("exceeded maximum nesting depth ({MAX_DEPTH})")));
        }
        self.depth += 1;
        let parsed = stacker::maybe_grow(RED_ZONE, STACK, || parse(self));
        self.depth -= 1;
        parsed
    }
}

#[cfg(test)]
mod tests;
