//! `fmt.Printf`: directives and their faults.

use super::{Flags, Printer};
use crate::rune::decode;
use crate::value::{Integer, Value};

/// Widths, precisions and argument numbers beyond it are not taken, as in Go.
const TOO_LARGE: i64 = 1_000_000;

/// `fmt.Printf` to `out`, which is given up once it is longer than `limit`.
pub(crate) fn printf(out: &mut Vec<u8>, limit: usize, format: &[u8], args: &[Value]) {
    Directives {
        printer: Printer::new(out, limit),
        rest: format,
        args,
        next: 0,
        is_reordered: false,
        is_after_index: false,
        is_good_index: true,
    }
    .print();
}

struct Directives<'a> {
    printer: Printer<'a>,
    /// What is left of the format.
    rest: &'a [u8],
    args: &'a [Value],
    /// Index of the next argument.
    next: usize,
    /// An argument was asked for by its number.
    is_reordered: bool,
    /// Just now.
    is_after_index: bool,
    /// By a number that exists.
    is_good_index: bool,
}

impl Directives<'_> {
    fn print(&mut self) {
        while !self.rest.is_empty() && !self.printer.is_full() {
            let percent = self.rest.iter().position(|&byte| byte == b'%');
            let (text, rest) = self.rest.split_at(percent.unwrap_or(self.rest.len()));
            self.printer.out.extend_from_slice(text);
            self.rest = rest;
            if self.skip(b'%') {
                self.directive();
            }
        }
        if !self.is_reordered {
            self.extra();
        }
    }

    fn directive(&mut self) {
        self.is_good_index = true;
        self.is_after_index = false;
        self.flags();
        self.argument_index();
        self.width();
        // A point that ends the format is taken for the verb, as in Go 1.19.
        if self.rest.len() > 1 && self.skip(b'.') {
            self.precision();
        }
        if !self.is_after_index {
            self.argument_index();
        }
        let Some((verb, size)) = decode(self.rest) else {
            self.fault("%!(NOVERB)");
            return;
        };
        self.rest = self.rest.get(size..).unwrap_or_default();
        self.verb(verb);
    }

    fn verb(&mut self, verb: char) {
        if verb == '%' {
            self.printer.out.push(b'%');
            return;
        }
        if !self.is_good_index {
            self.fault(&format!("%!{verb}(BADINDEX)"));
            return;
        }
        let Some(arg) = self.args.get(self.next) else {
            self.fault(&format!("%!{verb}(MISSING)"));
            return;
        };
        let flags = &mut self.printer.flags;
        if verb == 'v' {
            flags.sharp_v = std::mem::take(&mut flags.sharp);
            flags.plus_v = std::mem::take(&mut flags.plus);
        }
        self.next += 1;
        self.printer.print_arg(arg, verb);
    }

    fn flags(&mut self) {
        let flags = &mut self.printer.flags;
        *flags = Flags::default();
        while let Some((flag, rest)) = self.rest.split_first() {
            match flag {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = !flags.minus,
                b'+' => flags.plus = true,
                b' ' => flags.space = true,
                b'-' => {
                    flags.minus = true;
                    flags.zero = false;
                }
                _ => return,
            }
            self.rest = rest;
        }
    }

    fn width(&mut self) {
        if self.skip(b'*') {
            let width = self.integer_argument();
            if width.is_none() {
                self.fault("%!(BADWIDTH)");
            }
            let flags = &mut self.printer.flags;
            if width.is_some_and(|width| width < 0) {
                flags.minus = true;
                flags.zero = false;
            }
            flags.width = width.and_then(|width| usize::try_from(width.unsigned_abs()).ok());
            self.is_after_index = false;
        } else {
            let width = self.number();
            if self.is_after_index && width.is_some() {
                self.is_good_index = false;
            }
            self.printer.flags.width = width;
        }
    }

    fn precision(&mut self) {
        if self.is_after_index {
            self.is_good_index = false;
        }
        self.argument_index();
        if self.skip(b'*') {
            let precision = self
                .integer_argument()
                .and_then(|value| usize::try_from(value).ok());
            if precision.is_none() {
                self.fault("%!(BADPREC)");
            }
            self.printer.flags.precision = precision;
            self.is_after_index = false;
        } else {
            self.printer.flags.precision = Some(self.number().unwrap_or(0));
        }
    }

    /// The next argument as a width or precision.
    fn integer_argument(&mut self) -> Option<i64> {
        let value = match self.args.get(self.next)?.integer() {
            Some(Integer::Signed(value)) => Some(value),
            Some(Integer::Unsigned(value)) => i64::try_from(value).ok(),
            None => None,
        };
        self.next += 1;
        value.filter(|value| (-TOO_LARGE..=TOO_LARGE).contains(value))
    }

    /// `[2]`: the second argument is the next.
    fn argument_index(&mut self) {
        self.is_after_index = false;
        if self.rest.first() != Some(&b'[') {
            return;
        }
        self.is_reordered = true;
        let Some(end) = self.rest.iter().position(|&byte| byte == b']') else {
            self.rest = self.rest.get(1..).unwrap_or_default();
            self.is_good_index = false;
            return;
        };
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        let (number, junk) = parse_number(number.get(1..).unwrap_or_default());
        let number = number.filter(|_| junk.is_empty());
        self.is_after_index = number.is_some();
        match number.and_then(|number| number.checked_sub(1)) {
            Some(index) if index < self.args.len() => self.next = index,
            _ => self.is_good_index = false,
        }
    }

    fn number(&mut self) -> Option<usize> {
        let (number, rest) = parse_number(self.rest);
        self.rest = rest;
        number
    }

    fn skip(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(&[byte]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Arguments that no directive took.
    fn extra(&mut self) {
        let Some(extra @ [_, ..]) = self.args.get(self.next..) else {
            return;
        };
        self.printer.flags = Flags::default();
        self.fault("%!(EXTRA ");
        for (i, arg) in extra.iter().enumerate() {
            if i > 0 {
                self.fault(", ");
            }
            self.printer.print_typed(arg);
        }
        self.fault(")");
    }

    fn fault(&mut self, text: &str) {
        self.printer.out.extend_from_slice(text.as_bytes());
    }
}

/// The digits that `text` begins with. Of a number that is too large nothing is left.
fn parse_number(text: &[u8]) -> (Option<usize>, &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    let mut number = 0;
    for digit in digits {
        if number > TOO_LARGE {
            return (None, b"");
        }
        number = number * 10 + i64::from(digit - b'0');
    }
    let number = usize::try_from(number).ok().filter(|_| !digits.is_empty());
    (number, rest)
}
