//! A template: parsed once, executed as often as one likes.

use crate::Str;
use crate::builtin;
use crate::exec::{Exec, ExecError};
use crate::function::{Bound, Callee, Function};
use crate::options::Options;
use crate::parse::{self, Delims, ParseError, Trees};
use crate::parts::{self, Parts};
use crate::value::Value;

/// A parsed template, whose functions see a `C`.
#[derive(Debug)]
pub struct Template<C: 'static = ()> {
    trees: Trees,
    parts: Parts,
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
        let find = |name: &[u8]| function(functions, helpers, name);
        let trees = parse::parse(name, text.into(), delims, &find)?;
        let parts = Parts::new();
        Ok(Self {
            trees,
            parts,
            functions,
        })
    }

    /// The same of one that may include parts: `{{include "part" .}}` is what the template of that name
    /// makes of the value, as a string. `find` gives a part's text, or says why there is none; it is asked
    /// once for each name. Parts may include others, eight deep, and share one budget with the template,
    /// but neither variables nor the templates that they define.
    ///
    /// # Errors
    /// As [`Self::parse_with`], of a part too; and when there is no such part.
    pub fn parse_with_parts(
        name: &str,
        text: impl Into<Str>,
        delims: &Delims,
        functions: &'static [Function<C>],
        helpers: &'static [Function],
        find: &mut dyn FnMut(&str) -> Result<Str, String>,
    ) -> Result<Self, ParseError> {
        let known = |name: &[u8]| match name {
            parts::NAME => Some(parts::include()),
            name => function(functions, helpers, name),
        };
        let trees = parse::parse(name, text.into(), delims, &known)?;
        let parts = parts::parse_all(&trees, delims, &known, find)?;
        Ok(Self {
            trees,
            parts,
            functions,
        })
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
        Exec::new(&self.trees, &caller, &self.parts, options).run(data)
    }
}

fn function<C>(
    functions: &'static [Function<C>],
    helpers: &'static [Function],
    name: &[u8],
) -> Option<Callee> {
    let ours =
        position(functions, name).map(|number| Callee::of_caller(number, &functions[number]));
    let helper = || position(helpers, name).map(|number| Callee::blind(&helpers[number]));
    ours.or_else(helper).or_else(|| builtin::find(name))
}

/// Where in the table the function of that name is.
fn position<C>(functions: &[Function<C>], name: &[u8]) -> Option<usize> {
    functions
        .iter()
        .position(|function| function.signature().name.as_bytes() == name)
}
