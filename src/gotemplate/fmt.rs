//! Go's package `fmt`, for the values that templates handle.

mod float;
mod integer;
mod printf;
mod text;
mod value;

pub(super) use printf::printf;

use super::value::Value;
use crate::types::Type;

/// What stands between a verb's `%` and its letter.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`
    plus_v: bool,
    /// `%#v`
    sharp_v: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Formats values one after the other.
pub(super) struct Printer<'a> {
    out: &'a mut Vec<u8>,
    /// Length of `out` from where on nothing more is begun: values that share parts can be far
    /// larger printed than they are.
    limit: usize,
    flags: Flags,
    /// Reporting a fault: methods are not called.
    erroring: bool,
}

impl<'a> Printer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, limit: usize) -> Self {
        Self {
            out,
            limit,
            flags: Flags::default(),
            erroring: false,
        }
    }

    fn is_full(&self) -> bool {
        self.out.len() > self.limit
    }

    /// `fmt.Print`
    pub(super) fn print(&mut self, args: &[Value]) {
        let mut after_string = true;
        for arg in args {
            let is_string = arg.kind() == Some(Type::String);
            if !is_string && !after_string {
                self.out.push(b' ');
            }
            self.print_arg(arg, 'v');
            after_string = is_string;
        }
    }

    /// `fmt.Println`
    pub(super) fn println(&mut self, args: &[Value]) {
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                self.out.push(b' ');
            }
            self.print_arg(arg, 'v');
        }
        self.out.push(b'\n');
    }
}

/// `value` as the verb prints it, for error messages.
pub(super) fn format(verb: char, value: &Value) -> String {
    const LONGEST: usize = 64 * 1024;
    let mut out = Vec::new();
    Printer::new(&mut out, LONGEST).print_arg(value, verb);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
