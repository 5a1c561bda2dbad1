//! Go's `text/template`: the language, its built-in functions and its error messages.

pub mod function;
mod lex;
pub mod nested;
pub mod node;
pub mod parse;
pub(crate) mod quote;
pub(crate) mod rune;
pub mod value;
