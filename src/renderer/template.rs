//! Go's `text/template`: the language, its built-in functions and its error messages.

pub mod function;
pub mod node;
pub mod value;
