//! Functions of Go's library that templates like to call, for callers to register.
//!
//! Each takes arguments that fit the signature under which it is registered.

pub mod base64;
pub mod json;
pub mod map;
pub mod number;
pub mod order;
pub mod path;
pub mod pattern;
pub mod print;
pub mod strings;
#[cfg(test)]
mod tests;
pub mod time;
pub mod utf8;

use crate::value::Value;

const MISTYPED: &str = "arguments of other types than declared";

/// What a function says to arguments that the evaluator should have refused.
///
/// # Errors
/// Always.
pub fn mistyped() -> Result<Value, String> {
    Err(MISTYPED.to_owned())
}
