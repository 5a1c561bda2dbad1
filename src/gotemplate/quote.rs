//! Quoted strings, as Go's `strconv` writes them.

use std::fmt::Write as _;

use super::rune::{decode, is_print};

/// `strconv.Quote`.
#[must_use]
pub fn quote(text: &[u8]) -> String {
    quote_with(text, '"', is_print)
}

/// `strconv.QuoteToASCII`.
#[must_use]
pub(crate) fn quote_to_ascii(text: &[u8]) -> String {
    quote_with(text, '"', is_print_ascii)
}

/// `strconv.QuoteRune`.
#[must_use]
pub(crate) fn quote_rune(rune: char) -> String {
    quote_with(rune.encode_utf8(&mut [0; 4]).as_bytes(), '\'', is_print)
}

/// `strconv.QuoteRuneToASCII`.
#[must_use]
pub(crate) fn quote_rune_to_ascii(rune: char) -> String {
    let mut bytes = [0; 4];
    quote_with(
        rune.encode_utf8(&mut bytes).as_bytes(),
        '\'',
        is_print_ascii,
    )
}

fn is_print_ascii(rune: char) -> bool {
    matches!(rune, ' '..='~')
}

fn quote_with(mut text: &[u8], delimiter: char, is_print: fn(char) -> bool) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(delimiter);
    while let Some((rune, size)) = decode(text) {
        let (head, rest) = text.split_at(size);
        match (rune, head) {
            (char::REPLACEMENT_CHARACTER, &[byte]) => push_hex(&mut quoted, 'x', 2, byte.into()),
            (rune, _) if rune == delimiter => quoted.extend(['\\', rune]),
            (rune, _) => push_escaped(&mut quoted, rune, is_print),
        }
        text = rest;
    }
    quoted.push(delimiter);
    quoted
}

fn push_escaped(quoted: &mut String, rune: char, is_print: fn(char) -> bool) {
    match rune {
        '\\' => quoted.push_str("\\\\"),
        '\x07' => quoted.push_str("\\a"),
        '\x08' => quoted.push_str("\\b"),
        '\x0c' => quoted.push_str("\\f"),
        '\n' => quoted.push_str("\\n"),
        '\r' => quoted.push_str("\\r"),
        '\t' => quoted.push_str("\\t"),
        '\x0b' => quoted.push_str("\\v"),
        _ if is_print(rune) => quoted.push(rune),
        '\0'..' ' | '\x7f' => push_hex(quoted, 'x', 2, rune.into()),
        _ if u32::from(rune) < 0x1_0000 => push_hex(quoted, 'u', 4, rune.into()),
        _ => push_hex(quoted, 'U', 8, rune.into()),
    }
}

fn push_hex(quoted: &mut String, kind: char, width: usize, value: u32) {
    // Writing to a string cannot fail.
    let _ = write!(quoted, "\\{kind}{value:0width$x}");
}
