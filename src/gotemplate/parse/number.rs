//! Constants, and the kinds of numbers that can hold each. The rules are Go's, oddities included.

use super::strconv::{parse_float, parse_int, parse_uint};
use super::unquote::{Unquoted, unquote_char};
use crate::Str;
use crate::node::Number;
use crate::quote::quote;

/// Two to the power of 63.
const INT_END: f64 = 9_223_372_036_854_775_808.0;

/// `'a'`
pub(super) fn char_constant(text: Str) -> Result<Number, String> {
    let (unquoted, rest) = text
        .get(1..)
        .and_then(|inner| unquote_char(inner, b'\''))
        .ok_or("invalid syntax")?;
    if rest != b"'" {
        let text = String::from_utf8_lossy(&text);
        return Err(format!("malformed character constant: {text}"));
    }
    let value = match unquoted {
        Unquoted::Byte(byte) => byte.into(),
        Unquoted::Rune(rune) => u32::from(rune),
    };
    Ok(Number {
        int: Some(value.into()),
        float: Some(value.into()),
        complex: None,
        text,
    })
}

/// `1+2i`
pub(super) fn complex(text: Str) -> Result<Number, String> {
    let (real, imaginary) = scan_complex(&text).ok_or("syntax error scanning complex number")?;
    let real = parse_float(real).map_err(|error| error.to_string())?;
    let imaginary = parse_float(imaginary).map_err(|error| error.to_string())?;
    Ok(simplify(real, imaginary, text))
}

/// `1`, `0x1p-2`, `2i`
pub(super) fn number(text: Str) -> Result<Number, String> {
    if let Some(imaginary) = text.strip_suffix(b"i")
        && let Ok(imaginary) = parse_float(imaginary)
    {
        return Ok(simplify(0.0, imaginary, text));
    }
    let int = parse_int(&text);
    let uint = parse_uint(&text).or((int == Some(0)).then_some(0));
    #[expect(clippy::cast_precision_loss, reason = "Go converts as well")]
    let float = int.map(|int| int as f64).or(uint.map(|uint| uint as f64));
    if float.is_some() {
        return Ok(Number {
            text,
            int,
            float,
            complex: None,
        });
    }
    let Ok(float) = parse_float(&text) else {
        return Err(format!("illegal number syntax: {}", quote(&text)));
    };
    if !text.iter().any(|byte| b".eEpP".contains(byte)) {
        return Err(format!("integer overflow: {}", quote(&text)));
    }
    Ok(from_float(float, text))
}

fn from_float(float: f64, text: Str) -> Number {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the number is whole and in range"
    )]
    let int =
        (float.fract() == 0.0 && (-INT_END..INT_END).contains(&float)).then_some(float as i64);
    Number {
        text,
        int,
        float: Some(float),
        complex: None,
    }
}

/// A complex number without an imaginary part is also an ordinary one.
fn simplify(real: f64, imaginary: f64, text: Str) -> Number {
    let ordinary = if imaginary == 0.0 {
        from_float(real, text)
    } else {
        Number {
            text,
            int: None,
            float: None,
            complex: None,
        }
    };
    Number {
        complex: Some((real, imaginary)),
        ..ordinary
    }
}

/// Reads as `fmt.Sscan` does, which knows fewer numbers than the lexer.
fn scan_complex(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (real, rest) = text.split_at_checked(float_length(text))?;
    let (b'+' | b'-', imaginary) = rest.split_first()? else {
        return None;
    };
    let length = 1 + float_length(imaginary);
    let (imaginary, rest) = rest.split_at_checked(length)?;
    rest.starts_with(b"i").then_some((real, imaginary))
}

fn float_length(text: &[u8]) -> usize {
    let mut rest = text;
    let mut accept = |bytes: &[u8]| match rest.split_first() {
        Some((first, others)) if bytes.contains(first) => {
            rest = others;
            true
        }
        _ => false,
    };
    accept(b"+-");
    // Could become `Inf`.
    accept(b"i");
    let is_hexadecimal = accept(b"0") && accept(b"xX");
    let digits: &[u8] = if is_hexadecimal {
        b"0123456789abcdefABCDEF_"
    } else {
        b"0123456789_"
    };
    while accept(digits) {}
    if accept(b".") {
        while accept(digits) {}
    }
    if accept(if is_hexadecimal { b"pP" } else { b"eE" }) {
        accept(b"+-");
        while accept(b"0123456789_") {}
    }
    text.len() - rest.len()
}
