//! Go's `text/template`: the language, its built-in functions and its error messages.

pub mod function;
pub mod nested;
pub mod node;
pub mod parse;
pub mod quote;
pub mod rune;
pub mod value;
