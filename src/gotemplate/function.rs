//! Functions and methods that templates can call.

use std::fmt;

use crate::types::Type;
use crate::value::Value;

/// What a function makes of arguments. The error is Go's text, without `error calling …: `.
pub type Pure = fn(&[Value]) -> Result<Value, String>;

/// The same, of one that sees what the template is executed with.
pub type Seeing<C> = fn(&C, &[Value]) -> Result<Value, String>;

/// How a function is called.
#[derive(Debug)]
pub struct Signature {
    /// As templates write it.
    pub name: &'static str,
    /// Types of the parameters.
    pub params: &'static [Type],
    /// Whether the last parameter may be given any number of times, also never.
    pub variadic: bool,
    /// Type of what it returns.
    pub result: Type,
}

/// A function that templates can call, or a method: then the receiver is its first argument.
///
/// The evaluator has checked the arguments against the signature before the function sees them. `C` is
/// what the template is executed with.
pub struct Function<C: 'static = ()> {
    signature: Signature,
    body: Body<C>,
}

enum Body<C: 'static> {
    Pure(Pure),
    Seeing(Seeing<C>),
}

impl<C> Function<C> {
    /// A function that takes just so many arguments.
    #[must_use]
    pub const fn fixed(
        name: &'static str,
        params: &'static [Type],
        result: Type,
        call: Pure,
    ) -> Self {
        Self::new(name, params, result, Body::Pure(call))
    }

    /// A function that takes just so many arguments, and sees what the template is executed with.
    #[must_use]
    pub const fn seeing(
        name: &'static str,
        params: &'static [Type],
        result: Type,
        call: Seeing<C>,
    ) -> Self {
        Self::new(name, params, result, Body::Seeing(call))
    }

    const fn new(name: &'static str, params: &'static [Type], result: Type, body: Body<C>) -> Self {
        let signature = Signature {
            name,
            params,
            variadic: false,
            result,
        };
        Self { signature, body }
    }

    /// The same, whose last parameter may be given any number of times, also never.
    #[must_use]
    pub const fn variadic(mut self) -> Self {
        self.signature.variadic = true;
        self
    }

    /// How it is called.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What it makes of the arguments, which fit its signature.
    ///
    /// # Errors
    /// Go's text, without `error calling …: `.
    pub fn call(&self, context: &C, args: &[Value]) -> Result<Value, String> {
        match self.body {
            Body::Pure(call) => call(args),
            Body::Seeing(call) => call(context, args),
        }
    }
}

impl<C> fmt::Debug for Function<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}

/// A function as a parsed template holds it, whatever it sees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callee {
    pub(crate) signature: &'static Signature,
    pub(crate) target: Target,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    Pure(Pure),
    /// One that could see something, but is given nothing.
    Blind(Seeing<()>),
    /// The caller's function of that number.
    OfCaller(usize),
    /// A part of the template.
    Include,
}

impl Callee {
    /// The caller's function of that number.
    pub(crate) fn of_caller<C>(number: usize, function: &'static Function<C>) -> Self {
        Self {
            signature: &function.signature,
            target: match function.body {
                Body::Pure(call) => Target::Pure(call),
                Body::Seeing(_) => Target::OfCaller(number),
            },
        }
    }

    /// One that sees nothing: a helper, or one of the language's own.
    pub(crate) fn blind(function: &'static Function) -> Self {
        Self {
            signature: &function.signature,
            target: match function.body {
                Body::Pure(call) => Target::Pure(call),
                Body::Seeing(call) => Target::Blind(call),
            },
        }
    }
}

/// The caller's functions, with what they see.
pub(crate) trait Caller {
    fn call(&self, number: usize, args: &[Value]) -> Result<Value, String>;
}

pub(crate) struct Bound<'a, C: 'static> {
    pub(crate) functions: &'static [Function<C>],
    pub(crate) context: &'a C,
}

impl<C> Caller for Bound<'_, C> {
    #[expect(
        clippy::expect_used,
        reason = "the template was parsed with these functions, and numbers them"
    )]
    fn call(&self, number: usize, args: &[Value]) -> Result<Value, String> {
        let function = self
            .functions
            .get(number)
            .expect("a function of the template's");
        function.call(self.context, args)
    }
}
