//! The words and signs that a template is made of.

use crate::node::Pos;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The text is not a template; the lexer knows why.
    Error,
    /// `true`, `false`
    Bool,
    /// A sign without a meaning of its own, such as a comma.
    Char,
    /// `'a'`
    CharConstant,
    /// `1+2i`
    Complex,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    /// The text's end.
    Eof,
    /// `.Name`
    Field,
    /// `name`
    Identifier,
    /// `{{`
    LeftDelim,
    /// `(`
    LeftParen,
    /// `1`, also `2i`
    Number,
    /// `|`
    Pipe,
    /// `` `…` ``
    RawString,
    /// `}}`
    RightDelim,
    /// `)`
    RightParen,
    /// Space between arguments.
    Space,
    /// `"…"`
    String,
    /// What is outside of actions.
    Text,
    /// `$name`
    Variable,
    /// `block`
    Block,
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `.`
    Dot,
    /// `define`
    Define,
    /// `else`
    Else,
    /// `end`
    End,
    /// `if`
    If,
    /// `nil`
    Nil,
    /// `range`
    Range,
    /// `template`
    Template,
    /// `with`
    With,
}

impl Kind {
    /// What the word `word` is.
    pub(super) fn of_word(word: &[u8]) -> Self {
        match word {
            b"true" | b"false" => Self::Bool,
            b"block" => Self::Block,
            b"break" => Self::Break,
            b"continue" => Self::Continue,
            b"define" => Self::Define,
            b"else" => Self::Else,
            b"end" => Self::End,
            b"if" => Self::If,
            b"nil" => Self::Nil,
            b"range" => Self::Range,
            b"template" => Self::Template,
            b"with" => Self::With,
            _ => Self::Identifier,
        }
    }

    /// Whether messages put it in angle brackets.
    pub(crate) fn is_keyword(self) -> bool {
        matches!(
            self,
            Self::Block
                | Self::Break
                | Self::Continue
                | Self::Dot
                | Self::Define
                | Self::Else
                | Self::End
                | Self::If
                | Self::Nil
                | Self::Range
                | Self::Template
                | Self::With
        )
    }
}

/// A piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// What it is.
    pub(crate) kind: Kind,
    /// Where it begins.
    pub(crate) start: Pos,
    /// Where it ends.
    pub(crate) end: Pos,
    /// The line it begins on, from 1.
    pub(crate) line: usize,
}
