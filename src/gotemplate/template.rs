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
        Self::parse_with(name, text, delims, functions, &[])
    }

    /// The same. It may call `helpers` besides, which see nothing; they come after `functions` and
    /// before Go's own.
    ///
    /// # Errors
    /// When Go would refuse it, in Go's words.
    pub fn parse_with(
        name: &str,
        text: impl Into<Str>,
        delims: &Delims,
        functions: &'static [Function<C>],
        helpers: &'static [Function],
    ) -> Result<Self, ParseError> {
        let find = |name: &[u8]| match position(functions, name) {
            Some(number) => Some(Callee::of_caller(number, &functions[number])),
            None => position(helpers, name)
                .map(|number| Callee::blind(&helpers[number]))
                .or_else(|| builtin::find(name)),
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

/// Where in the table the function of that name is.
fn position<C>(functions: &[Function<C>], name: &[u8]) -> Option<usize> {
    functions
        .iter()
        .position(|function| function.signature().name.as_bytes() == name)
}
