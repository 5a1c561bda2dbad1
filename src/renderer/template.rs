//! Go's `text/template`: the language, its built-in functions and its error messages.

mod builtin;
mod exec;
mod fmt;
pub mod function;
mod lex;
mod method;
pub mod nested;
pub mod node;
pub mod parse;
pub(crate) mod quote;
pub(crate) mod rune;
pub mod value;

use std::time::Duration;

pub use exec::ExecError;
pub use parse::{Delims, ParseError};

use crate::Str;
use crate::store::Store;
use exec::Exec;
use function::Function;
use parse::Trees;
use value::Value;

/// A parsed template.
#[derive(Debug)]
pub struct Template {
    trees: Trees,
}

impl Template {
    /// Parses the template file `name`. It may call `functions`, and builtin functions that have
    /// none of their names.
    ///
    /// # Errors
    /// When Go would refuse it, in Go's words.
    pub fn parse(
        name: &str,
        text: impl Into<Str>,
        delims: &Delims,
        functions: &'static [Function],
    ) -> Result<Self, ParseError> {
        let find = |name: &[u8]| {
            let ours = functions
                .iter()
                .find(|function| function.name.as_bytes() == name);
            ours.or_else(|| builtin::find(name))
        };
        let trees = parse::parse(name, text.into(), delims, &find)?;
        Ok(Self { trees })
    }

    /// What the template makes of `data`, its dot, and of `store`, which its functions see.
    ///
    /// # Errors
    /// When Go would stop, in Go's words; and when a limit is exceeded.
    pub fn execute(
        &self,
        data: &Value,
        store: &Store,
        options: &Options,
    ) -> Result<Vec<u8>, ExecError> {
        Exec::new(&self.trees, store, options).run(data)
    }
}

/// How to execute a template.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Go's option `missingkey`.
    pub missing_key: MissingKey,
    /// When to give up.
    pub limits: Limits,
}

/// What a map gives for a key that it does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// No value, which prints as `<no value>`.
    #[default]
    Invalid,
    /// A nil of the map's element type.
    Zero,
    /// An error.
    Error,
}

/// What executing a template may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes that it may write.
    pub output: usize,
    /// How long it may take.
    pub time: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            output: 64 << 20,
            time: Some(Duration::from_secs(10)),
        }
    }
}

#[cfg(test)]
mod tests;
