//! What a template is made of, as parsed. Nodes print themselves as Go prints them: error messages
//! quote them.

mod display;

use std::mem;

use super::function::Callee;
use super::nested::{RED_ZONE, STACK};
use crate::Str;

/// Offset into the template's text, in bytes.
pub(crate) type Pos = usize;

/// A sequence of nodes.
#[derive(Debug, Default)]
pub(crate) struct List(pub Vec<Node>);

impl Drop for List {
    fn drop(&mut self) {
        let nodes = mem::take(&mut self.0);
        stacker::maybe_grow(RED_ZONE, STACK, || drop(nodes));
    }
}

impl List {
    /// Whether nothing is in it but space.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|node| match node {
            Node::Text(text) => text.utf8_chunks().all(|chunk| {
                chunk.invalid().is_empty() && chunk.valid().chars().all(char::is_whitespace)
            }),
            Node::Action(_)
            | Node::If(_)
            | Node::With(_)
            | Node::Range(_)
            | Node::Template(_)
            | Node::Break
            | Node::Continue => false,
        })
    }
}

/// A part of a template.
#[derive(Debug)]
pub(crate) enum Node {
    /// Plain text.
    Text(Str),
    /// `{{pipeline}}`
    Action(Pipe),
    /// `{{if}}`
    If(Branch),
    /// `{{with}}`
    With(Branch),
    /// `{{range}}`, which has one arm.
    Range(Branch),
    /// `{{template "name" pipeline}}`, and the use that `{{block}}` makes of what it defines.
    Template(Call),
    /// `{{break}}`
    Break,
    /// `{{continue}}`
    Continue,
}

/// `{{if}}`, `{{with}}` or `{{range}}` up to its `{{end}}`. A chain of `{{else if}}` is one branch
/// with many arms, so that its length costs no depth.
#[derive(Debug)]
pub(crate) struct Branch {
    /// What to test, and what to do when it holds.
    pub arms: Vec<(Pipe, List)>,
    /// `{{else}}`
    pub otherwise: Option<List>,
}

/// A use of another template.
#[derive(Debug)]
pub(crate) struct Call {
    /// Of the name.
    pub pos: Pos,
    /// Of the template used.
    pub name: Str,
    /// Its dot.
    pub pipe: Option<Pipe>,
}

/// Commands separated by `|`, and the variables that take the result.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Of its first token.
    pub pos: Pos,
    /// `=` and not `:=`.
    pub is_assign: bool,
    /// Names with their `$`.
    pub decl: Vec<Str>,
    /// At least one.
    pub cmds: Vec<Command>,
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let cmds = mem::take(&mut self.cmds);
        stacker::maybe_grow(RED_ZONE, STACK, || drop(cmds));
    }
}

/// A function or operand with arguments.
#[derive(Debug)]
pub(crate) struct Command {
    /// Of its first token.
    pub pos: Pos,
    /// At least one.
    pub args: Vec<Expr>,
}

/// An operand, and where it stands.
#[derive(Debug)]
pub(crate) struct Expr {
    /// As Go gives it: for a field chain, that of its last part.
    pub pos: Pos,
    /// What it is.
    pub kind: ExprKind,
}

impl Expr {
    /// Whether it neither takes arguments nor has fields.
    pub(super) fn is_constant(&self) -> bool {
        match &self.kind {
            ExprKind::Dot
            | ExprKind::Nil
            | ExprKind::Bool(_)
            | ExprKind::Number(_)
            | ExprKind::String { .. } => true,
            ExprKind::Field(_)
            | ExprKind::Variable(_)
            | ExprKind::Function(_)
            | ExprKind::Chain(..)
            | ExprKind::Pipe(_) => false,
        }
    }
}

/// What an operand is.
#[derive(Debug)]
pub(crate) enum ExprKind {
    /// `.`
    Dot,
    /// `nil`
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// `1`, `0x1p-2`, `'a'`, `2i`
    Number(Number),
    /// `"…"` or `` `…` ``
    String {
        /// As written, quotes included.
        quoted: Str,
        /// What it stands for.
        text: Str,
    },
    /// `.A.B`, without the dots.
    Field(Vec<Str>),
    /// `$x.A.B`; the first is the variable with its `$`.
    Variable(Vec<Str>),
    /// A function's name.
    Function(Callee),
    /// `(…).A.B` and the like.
    Chain(Box<Expr>, Vec<Str>),
    /// `(…)`
    Pipe(Box<Pipe>),
}

/// A constant, in each kind of number that can hold it.
#[derive(Debug)]
pub(crate) struct Number {
    /// As written.
    pub text: Str,
    /// As an integer.
    pub int: Option<i64>,
    /// As a float.
    pub float: Option<f64>,
    /// As a complex number.
    pub complex: Option<(f64, f64)>,
}
