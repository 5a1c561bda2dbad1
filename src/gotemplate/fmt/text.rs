//! Strings, characters and padding.

use super::Printer;
use crate::quote::{quote, quote_rune, quote_rune_to_ascii, quote_to_ascii};
use crate::rune::decode;

impl Printer<'_> {
    /// A string under one of the verbs `v s x X q`.
    pub(super) fn print_string(&mut self, text: &[u8], verb: char) -> bool {
        match verb {
            'v' if self.flags.sharp_v => self.print_quoted(text),
            'v' | 's' => self.pad(self.truncated(text)),
            'x' => self.print_hex(text, b"0123456789abcdef", b'x'),
            'X' => self.print_hex(text, b"0123456789ABCDEF", b'X'),
            'q' => self.print_quoted(text),
            _ => return false,
        }
        true
    }

    fn print_quoted(&mut self, text: &[u8]) {
        let text = self.truncated(text);
        if self.flags.sharp && can_backquote(text) {
            let quoted = [b"`", text, b"`"].concat();
            self.pad(&quoted);
        } else {
            let quote = if self.flags.plus {
                quote_to_ascii
            } else {
                quote
            };
            let quoted = quote(text);
            self.pad(quoted.as_bytes());
        }
    }

    fn print_hex(&mut self, text: &[u8], digits: &[u8; 16], prefix: u8) {
        let text = text
            .get(..self.flags.precision.unwrap_or(text.len()))
            .unwrap_or(text);
        let mut hex = Vec::with_capacity(2 * text.len());
        for (i, byte) in text.iter().enumerate() {
            if i > 0 && self.flags.space {
                hex.push(b' ');
            }
            if self.flags.sharp && (i == 0 || self.flags.space) {
                hex.extend([b'0', prefix]);
            }
            hex.extend([byte >> 4, byte & 15].map(|digit| digits[usize::from(digit)]));
        }
        self.pad(&hex);
    }

    /// The character with the number `rune`.
    pub(super) fn print_rune(&mut self, rune: u64) {
        self.pad(to_rune(rune).encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// `%q` of a number.
    pub(super) fn print_quoted_rune(&mut self, rune: u64) {
        let quote = if self.flags.plus {
            quote_rune_to_ascii
        } else {
            quote_rune
        };
        let quoted = quote(to_rune(rune));
        self.pad(quoted.as_bytes());
    }

    /// The first characters of `text`, as many as the precision says.
    fn truncated<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let Some(precision) = self.flags.precision else {
            return text;
        };
        let mut rest = text;
        for _ in 0..precision {
            let Some((_, size)) = decode(rest) else {
                return text;
            };
            rest = rest.get(size..).unwrap_or_default();
        }
        text.get(..text.len() - rest.len()).unwrap_or(text)
    }

    /// Writes `text` and fills it up to the width.
    pub(super) fn pad(&mut self, text: &[u8]) {
        let missing = match self.flags.width {
            Some(width) => width.saturating_sub(rune_count(text)),
            None => 0,
        };
        if self.flags.minus {
            self.out.extend_from_slice(text);
            self.write_padding(missing);
        } else {
            self.write_padding(missing);
            self.out.extend_from_slice(text);
        }
    }

    /// As `pad`, but never with zeros.
    pub(super) fn pad_with_spaces(&mut self, text: &[u8]) {
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(text);
        self.flags.zero = zero;
    }

    pub(super) fn write_padding(&mut self, count: usize) {
        let byte = if self.flags.zero { b'0' } else { b' ' };
        self.out.resize(self.out.len() + count, byte);
    }
}

/// How many characters `text` has; each byte that belongs to none counts as one.
fn rune_count(text: &[u8]) -> usize {
    text.utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
        .sum()
}

fn to_rune(number: u64) -> char {
    u32::try_from(number)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Whether a raw string can hold `text`: one line of UTF-8 without control characters.
fn can_backquote(text: &[u8]) -> bool {
    str::from_utf8(text).is_ok_and(|text| {
        text.chars()
            .all(|rune| !matches!(rune, '\0'..='\x08' | '\n'..='\x1f' | '`' | '\x7f' | '\u{feff}'))
    })
}
