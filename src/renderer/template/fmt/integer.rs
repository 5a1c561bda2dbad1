//! Integers.

use std::io::Write as _;

use super::{Flags, Printer};
use crate::template::rune::is_print;

/// An integer of any Go type.
#[derive(Clone, Copy)]
pub(super) struct Integer {
    /// As `uint64` has it.
    pub(super) bits: u64,
    pub(super) is_signed: bool,
}

impl Integer {
    pub(super) fn signed(value: i64) -> Self {
        Self {
            bits: value.cast_unsigned(),
            is_signed: true,
        }
    }

    pub(super) fn unsigned(value: impl Into<u64>) -> Self {
        Self {
            bits: value.into(),
            is_signed: false,
        }
    }

    fn is_negative(self) -> bool {
        self.is_signed && self.bits.cast_signed() < 0
    }

    fn magnitude(self) -> u64 {
        if self.is_negative() {
            self.bits.wrapping_neg()
        } else {
            self.bits
        }
    }
}

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
        match verb {
            'v' if self.flags.sharp_v && !number.is_signed => self.print_0x(number.bits, true),
            'v' | 'd' => self.print_digits(number, Radix::Decimal, ""),
            'b' => self.print_digits(number, Radix::Binary, "0b"),
            'o' => self.print_digits(number, Radix::Octal, "0"),
            'O' => self.print_digits(number, Radix::Octal, "0o"),
            'x' => self.print_digits(number, Radix::Hex, "0x"),
            'X' => self.print_digits(number, Radix::UpperHex, "0X"),
            'c' => self.print_rune(number.bits),
            'q' => self.print_quoted_rune(number.bits),
            'U' => self.print_unicode(number.bits),
            _ => return false,
        }
        true
    }

    /// Hexadecimal with or without `0x`.
    pub(super) fn print_0x(&mut self, number: u64, leading_0x: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, leading_0x);
        self.print_digits(Integer::unsigned(number), Radix::Hex, "0x");
        self.flags.sharp = sharp;
    }

    fn print_digits(&mut self, number: Integer, radix: Radix, prefix: &str) {
        let flags = self.flags;
        if radix == Radix::Decimal && flags == Flags::default() {
            let sign = if number.is_negative() { "-" } else { "" };
            // Writing to a vector cannot fail.
            let _ = write!(self.out, "{sign}{}", number.magnitude());
            return;
        }
        let magnitude = number.magnitude();
        if flags.precision == Some(0) && magnitude == 0 {
            self.pad_with_spaces(b"");
            return;
        }
        let sign: &[u8] = match (number.is_negative(), flags.plus, flags.space) {
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
