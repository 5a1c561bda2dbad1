//! A template: parsed once, executed as often as one likes.

use crate::Str;
use crate::builtin;
use crate::exec::{Exec, ExecError};
use crate::function::{Bound, Callee, Function};
use crate::options::Options;
use crate::parse::{self, Delims, ParseError, Trees};
use crate::value::Value;

/// A parsed template, whose functions see a `C`.
#[derive(Debug)]
pub struct Template<C: 'static = ()> {
    trees: Trees,
    functions: &'static [Function<C>],
}

impl<C> Template<C> {
    /// Parses the template file `name`. It may call `functions`, and Go's own that have none of their
    /// names.
    ///
    /// # Errors
    /// When Go would refuse it, in Go's words.
    pub fn parse(
        name: &str,
        text: impl Into<Str>,
        delims: &Delims,
        functions: &'static [Function<C>],
    ) -> Result<Self, ParseError> {
        let find = |name: &[u8]| {
            let mut numbered = functions.iter().enumerate();
            let found = numbered.find(|(_, function)| function.signature().name.as_bytes() == name);
            match found {
                Some((number, function)) => Some(Callee::of_caller(number, function)),
                None => builtin::find(name),
            }
        };
        let trees = parse::parse(name, text.into(), delims, &find)?;
        Ok(Self { trees, functions })
    }

    /// What the template makes of `data`, its dot, and of `context`, which its functions see.
    ///
    /// # Errors
    /// When Go would stop, in Go's words; and when a limit is exceeded.
    pub fn execute(
        &self,
        data: &Value,
        context: &C,
        options: &Options,
    ) -> Result<Vec<u8>, ExecError> {
        let caller = Bound {
            functions: self.functions,
            context,
        };
        Exec::new(&self.trees, &caller, options).run(data)
    }
}
