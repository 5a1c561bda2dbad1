//! `strconv.Unquote`.

use crate::Str;
use crate::rune::decode;

/// What a character of a quoted text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unquoted {
    Byte(u8),
    Rune(char),
}

/// The text between quotes or backquotes, which the lexer has seen.
pub(super) fn unquote(quoted: &Str) -> Option<Str> {
    let inner = quoted.get(1..quoted.len().checked_sub(1)?)?;
    if quoted.starts_with(b"`") {
        if inner.contains(&b'\r') {
            return Some(
                inner
                    .iter()
                    .copied()
                    .filter(|&byte| byte != b'\r')
                    .collect(),
            );
        }
        return Some(quoted.slice_ref(inner));
    }
    if !inner.contains(&b'\\') && str::from_utf8(inner).is_ok() {
        return Some(quoted.slice_ref(inner));
    }
    unescape(inner).map(Str::from)
}

fn unescape(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut unescaped = Vec::with_capacity(text.len());
    while !text.is_empty() {
        let (unquoted, rest) = unquote_char(text, b'"')?;
        match unquoted {
            Unquoted::Byte(byte) => unescaped.push(byte),
            Unquoted::Rune(rune) => {
                unescaped.extend_from_slice(rune.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        text = rest;
    }
    Some(unescaped)
}

/// The first character of a text between quotes that are `quote`, and what follows it.
pub(super) fn unquote_char(text: &[u8], quote: u8) -> Option<(Unquoted, &[u8])> {
    let Some(escape) = text.strip_prefix(b"\\") else {
        let (rune, size) = decode(text)?;
        let (head, rest) = text.split_at(size);
        return (head != [quote]).then_some((Unquoted::Rune(rune), rest));
    };
    let (&kind, rest) = escape.split_first()?;
    let byte = match kind {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' => b'\\',
        b'\'' | b'"' if kind == quote => quote,
        b'0'..=b'7' => {
            let (value, rest) = read_digits(escape, 3, 8)?;
            return Some((Unquoted::Byte(u8::try_from(value).ok()?), rest));
        }
        b'x' => {
            let (value, rest) = read_digits(rest, 2, 16)?;
            return Some((Unquoted::Byte(u8::try_from(value).ok()?), rest));
        }
        b'u' | b'U' => {
            let (value, rest) = read_digits(rest, if kind == b'u' { 4 } else { 8 }, 16)?;
            return Some((Unquoted::Rune(char::from_u32(value)?), rest));
        }
        _ => return None,
    };
    Some((Unquoted::Byte(byte), rest))
}

fn read_digits(text: &[u8], count: usize, base: u32) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(count)?;
    let value = digits.iter().try_fold(0_u32, |value, &digit| {
        value
            .checked_mul(base)?
            .checked_add(char::from(digit).to_digit(base)?)
    })?;
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unquoted(text: &'static str) -> Option<Vec<u8>> {
        unquote(&Str::from_static(text.as_bytes())).map(Vec::from)
    }

    #[test]
    fn every_escape_stands_for_its_character() {
        let all = unquoted(r#""\a\b\f\n\r\t\v\\\"\x41\102\u00e9\U0001F600""#).unwrap();
        assert_eq!(
            all,
            "\x07\x08\x0c\n\r\t\x0b\\\"AB\u{e9}\u{1f600}".as_bytes()
        );
    }

    #[test]
    fn hexadecimal_and_octal_escapes_are_bytes() {
        assert_eq!(unquoted(r#""\xff\377""#).unwrap(), [0xff, 0xff]);
    }

    #[test]
    fn what_is_no_escape_is_refused() {
        for text in [
            r"\q",
            r"\'",
            r"\x4",
            r"\xg0",
            r"\400",
            r"\18",
            r"\u12",
            r"\ud800",
            r"\U00110000",
        ] {
            assert_eq!(unescape(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_raw_text_keeps_everything_but_carriage_returns() {
        assert_eq!(unquoted("`a\\n\r\n\"`").unwrap(), b"a\\n\n\"");
    }

    #[test]
    fn a_byte_that_is_not_utf8_becomes_the_replacement_character() {
        let text = unquote(&Str::from_static(b"\"a\xff\"")).unwrap();
        assert_eq!(text, "a\u{fffd}".as_bytes());
    }

    #[test]
    fn a_text_without_escapes_is_not_copied() {
        let quoted = Str::from_static(b"\"plain\"");
        assert_eq!(unquote(&quoted).unwrap().as_ptr(), quoted[1..].as_ptr());
    }
}
