//! Go's `strconv.ParseInt`, `ParseUint` and `ParseFloat` of numbers as Go source writes them.

use std::fmt::{self, Display, Formatter};

use crate::quote::quote;

/// Why a text is no float.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FloatError<'a> {
    text: &'a [u8],
    reason: &'static str,
}

impl Display for FloatError<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "strconv.ParseFloat: parsing {}: {}",
            quote(self.text),
            self.reason
        )
    }
}

/// `strconv.ParseUint(text, 0, 64)`
pub(super) fn parse_uint(text: &[u8]) -> Option<u64> {
    let (base, digits) = match text {
        [b'0', b'b' | b'B', digits @ ..] if !digits.is_empty() => (2, digits),
        [b'0', b'o' | b'O', digits @ ..] if !digits.is_empty() => (8, digits),
        [b'0', b'x' | b'X', digits @ ..] if !digits.is_empty() => (16, digits),
        [b'0', digits @ ..] => (8, digits),
        [] => return None,
        digits => (10, digits),
    };
    if !underscores_are_ok(text) {
        return None;
    }
    digits
        .iter()
        .filter(|&&byte| byte != b'_')
        .try_fold(0_u64, |value, &byte| {
            let digit = char::from(byte).to_digit(base)?;
            value.checked_mul(base.into())?.checked_add(digit.into())
        })
}

/// `strconv.ParseInt(text, 0, 64)`
pub(super) fn parse_int(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => 0_i64.checked_sub_unsigned(parse_uint(digits)?),
        [b'+', digits @ ..] => i64::try_from(parse_uint(digits)?).ok(),
        digits => i64::try_from(parse_uint(digits)?).ok(),
    }
}

/// `strconv.ParseFloat(text, 64)`
pub(super) fn parse_float(text: &[u8]) -> Result<f64, FloatError<'_>> {
    let float = read_float(text).ok_or(FloatError {
        text,
        reason: "invalid syntax",
    })?;
    if float.is_infinite() {
        return Err(FloatError {
            text,
            reason: "value out of range",
        });
    }
    Ok(float)
}

fn read_float(text: &[u8]) -> Option<f64> {
    if !underscores_are_ok(text) {
        return None;
    }
    let plain: Vec<u8> = text.iter().copied().filter(|&byte| byte != b'_').collect();
    let (sign, magnitude) = match plain.as_slice() {
        [b'-', magnitude @ ..] => (-1.0, magnitude),
        [b'+', magnitude @ ..] => (1.0, magnitude),
        magnitude => (1.0, magnitude),
    };
    let magnitude = match magnitude {
        [b'0', b'x' | b'X', hexadecimal @ ..] => read_hexadecimal(hexadecimal)?,
        // Not `inf` and `nan`.
        [b'0'..=b'9' | b'.', ..] => str::from_utf8(magnitude).ok()?.parse().ok()?,
        _ => return None,
    };
    Some(sign * magnitude)
}

fn read_hexadecimal(text: &[u8]) -> Option<f64> {
    let p = text.iter().position(|byte| matches!(byte, b'p' | b'P'))?;
    let (digits, exponent) = (text.get(..p)?, text.get(p + 1..)?);
    let mut exponent = read_exponent(exponent)?;
    let (mut mantissa, mut has_more) = (0_u64, false);
    let (mut has_digits, mut has_dot) = (false, false);
    for &byte in digits {
        if byte == b'.' && !has_dot {
            has_dot = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16)?;
        has_digits = true;
        let fits = mantissa >> 60 == 0;
        if fits {
            mantissa = mantissa << 4 | u64::from(digit);
        } else {
            has_more |= digit != 0;
        }
        exponent += match (fits, has_dot) {
            (true, true) => -4,
            (false, false) => 4,
            (true, false) | (false, true) => 0,
        };
    }
    has_digits.then(|| scale(mantissa, has_more, exponent))
}

/// Stops counting where the result is infinite or zero anyway.
fn read_exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let exponent = digits.iter().try_fold(0, |exponent, &byte| {
        let digit = i64::from(char::from(byte).to_digit(10)?);
        Some(if exponent < 10_000 {
            exponent * 10 + digit
        } else {
            exponent
        })
    })?;
    Some(sign * exponent)
}

/// `mantissa` times two to the power of `exponent`, rounded to even. `has_more` says that the
/// mantissa went on behind its last bit.
fn scale(mantissa: u64, has_more: bool, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let shift = mantissa.leading_zeros();
    let mantissa = u128::from(mantissa << shift);
    let exponent = exponent - i64::from(shift) + 63;
    // Subnormal numbers lose more than the usual eleven bits.
    let excess = 11 + (-1022 - exponent).max(0);
    if excess > 64 || exponent > 1023 {
        return if exponent > 0 { f64::INFINITY } else { 0.0 };
    }
    let half = 1_u128 << (excess - 1);
    let (quotient, remainder) = (mantissa >> excess, mantissa & (2 * half - 1));
    let is_odd = quotient & 1 == 1;
    let rounds_up = remainder > half || remainder == half && (has_more || is_odd);
    let significand = u64::try_from(quotient).unwrap_or_default() + u64::from(rounds_up);
    // The significand's highest bit adds one to the exponent.
    let biased = u64::try_from(exponent + 1022).unwrap_or_default();
    f64::from_bits((biased << 52) + significand)
}

/// Whether each underscore stands between digits, or between a base's prefix and a digit.
fn underscores_are_ok(text: &[u8]) -> bool {
    let text = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    let (is_hexadecimal, digits) = match text {
        [b'0', b'x' | b'X', ..] => (true, text.get(2..)),
        [b'0', b'b' | b'B' | b'o' | b'O', ..] => (false, text.get(2..)),
        _ => (false, Some(text)),
    };
    let digits = digits.unwrap_or_default();
    let is_digit = |byte: u8| byte.is_ascii_digit() || is_hexadecimal && byte.is_ascii_hexdigit();
    let mut follows_digit = digits.len() < text.len();
    let mut follows_underscore = false;
    for &byte in digits {
        if byte == b'_' && !follows_digit || follows_underscore && !is_digit(byte) {
            return false;
        }
        follows_underscore = byte == b'_';
        follows_digit = is_digit(byte);
    }
    !follows_underscore
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_the_bases_of_go() {
        for (text, value) in [
            ("0", 0),
            ("017", 15),
            ("0o17", 15),
            ("0b101", 5),
            ("0xFf", 255),
            ("1_000", 1000),
            ("0x_1", 1),
            ("+7", 7),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_int(text.as_bytes()), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_integer_is_refused() {
        for text in [
            "",
            "+",
            "08",
            "0x",
            "0b2",
            "1__0",
            "1_",
            "_1",
            "9223372036854775808",
            "1.0",
        ] {
            assert_eq!(parse_int(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_uint(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_uint(b"18446744073709551616"), None);
    }

    #[test]
    fn floats_are_decimal_or_hexadecimal() {
        for (text, value) in [
            (".5", 0.5),
            ("-1.", -1.0),
            ("1_2.5e1_0", 12.5e10),
            ("0x1p-2", 0.25),
            ("0X.8P1", 1.0),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080000000001p0", 1.000_000_000_000_000_2),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x1p-1074", 5e-324),
            ("0x1p-1075", 0.0),
            ("0x1.8p-1075", 5e-324),
            ("0x0p99999", 0.0),
        ] {
            assert_eq!(parse_float(text.as_bytes()), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_float_is_told_with_the_reason() {
        let error = |text: &'static str| parse_float(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            error("1e"),
            "strconv.ParseFloat: parsing \"1e\": invalid syntax"
        );
        assert_eq!(
            error("1e400"),
            "strconv.ParseFloat: parsing \"1e400\": value out of range"
        );
        for text in [
            "",
            ".",
            "-",
            "inf",
            "0x1",
            "0x.p1",
            "0x1.1.1p1",
            "1_.5",
            "1e_5",
            "0x1p",
        ] {
            assert!(error(text).ends_with("invalid syntax"), "{text}");
        }
        for text in ["0x1p1024", "0x1.fffffffffffff8p1023", "-1e309"] {
            assert!(error(text).ends_with("value out of range"), "{text}");
        }
    }
}
