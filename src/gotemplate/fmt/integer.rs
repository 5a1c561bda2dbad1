//! Integers.

use std::io::Write as _;

use super::{Flags, Printer};
use crate::rune::is_print;
use crate::value::Integer;

/// How digits are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Radix {
    Binary,
    Octal,
    Decimal,
    Hex,
    UpperHex,
}

impl Printer<'_> {
    /// An integer under one of the verbs `v d b o O x X c q U`.
    pub(super) fn print_integer(&mut self, number: Integer, verb: char) -> bool {
        let bits = match number {
            Integer::Signed(value) => value.cast_unsigned(),
            Integer::Unsigned(value) => value,
        };
        match (verb, number) {
            ('v', Integer::Unsigned(_)) if self.flags.sharp_v => self.print_0x(bits, true),
            ('v' | 'd', _) => self.print_digits(number, Radix::Decimal, ""),
            ('b', _) => self.print_digits(number, Radix::Binary, "0b"),
            ('o', _) => self.print_digits(number, Radix::Octal, "0"),
            ('O', _) => self.print_digits(number, Radix::Octal, "0o"),
            ('x', _) => self.print_digits(number, Radix::Hex, "0x"),
            ('X', _) => self.print_digits(number, Radix::UpperHex, "0X"),
            ('c', _) => self.print_rune(bits),
            ('q', _) => self.print_quoted_rune(bits),
            ('U', _) => self.print_unicode(bits),
            _ => return false,
        }
        true
    }

    /// Hexadecimal with or without `0x`.
    pub(super) fn print_0x(&mut self, number: u64, leading_0x: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, leading_0x);
        self.print_digits(Integer::Unsigned(number), Radix::Hex, "0x");
        self.flags.sharp = sharp;
    }

    fn print_digits(&mut self, number: Integer, radix: Radix, prefix: &str) {
        let flags = self.flags;
        if radix == Radix::Decimal && flags == Flags::default() {
            // Writing to a vector cannot fail.
            let _ = match number {
                Integer::Signed(value) => write!(self.out, "{value}"),
                Integer::Unsigned(value) => write!(self.out, "{value}"),
            };
            return;
        }
        let (is_negative, magnitude) = match number {
            Integer::Signed(value) => (value < 0, value.unsigned_abs()),
            Integer::Unsigned(value) => (false, value),
        };
        if flags.precision == Some(0) && magnitude == 0 {
            self.pad_with_spaces(b"");
            return;
        }
        let sign: &[u8] = match (is_negative, flags.plus, flags.space) {
            (true, _, _) => b"-",
            (_, true, _) => b"+",
            (_, _, true) => b" ",
            _ => b"",
        };
        let digits = match radix {
            Radix::Binary => format!("{magnitude:b}"),
            Radix::Octal => format!("{magnitude:o}"),
            Radix::Decimal => magnitude.to_string(),
            Radix::Hex => format!("{magnitude:x}"),
            Radix::UpperHex => format!("{magnitude:X}"),
        };
        let least = match (flags.precision, flags.width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if flags.zero => width.saturating_sub(sign.len()),
            _ => 0,
        };
        let zeros = least.saturating_sub(digits.len());
        let has_prefix = match prefix {
            "0o" => true,
            "0" => flags.sharp && zeros == 0 && magnitude != 0,
            _ => flags.sharp,
        };
        let mut text = sign.to_vec();
        if has_prefix {
            text.extend_from_slice(prefix.as_bytes());
        }
        text.resize(text.len() + zeros, b'0');
        text.extend_from_slice(digits.as_bytes());
        self.pad_with_spaces(&text);
    }

    /// `U+0078`, or `U+0078 'x'`.
    fn print_unicode(&mut self, number: u64) {
        let least = self.flags.precision.unwrap_or(0).max(4);
        let digits = format!("{number:X}");
        let mut text = b"U+".to_vec();
        text.resize(text.len() + least.saturating_sub(digits.len()), b'0');
        text.extend_from_slice(digits.as_bytes());
        let rune = u32::try_from(number).ok().and_then(char::from_u32);
        if let Some(rune) = rune.filter(|&rune| self.flags.sharp && is_print(rune)) {
            text.extend_from_slice(format!(" '{rune}'").as_bytes());
        }
        self.pad_with_spaces(&text);
    }
}
