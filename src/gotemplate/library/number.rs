//! Functions on numbers. Sums and products wrap around, as Go's do.

use std::rc::Rc;

use crate::library::mistyped;
use crate::quote::quote;
use crate::value::Value;

/// More than this is a mistake in a template.
const LONGEST: i128 = 1_000_000;

/// The sum of two `int`s.
///
/// # Errors
/// Go's text.
pub fn add(args: &[Value]) -> Result<Value, String> {
    arithmetic(args, |a, b| Some(a.wrapping_add(b)))
}

/// The difference of two `int`s.
///
/// # Errors
/// Go's text.
pub fn sub(args: &[Value]) -> Result<Value, String> {
    arithmetic(args, |a, b| Some(a.wrapping_sub(b)))
}

/// The product of two `int`s.
///
/// # Errors
/// Go's text.
pub fn mul(args: &[Value]) -> Result<Value, String> {
    arithmetic(args, |a, b| Some(a.wrapping_mul(b)))
}

/// The quotient of two `int`s, without its fraction.
///
/// # Errors
/// Go's text.
pub fn div(args: &[Value]) -> Result<Value, String> {
    arithmetic(args, |a, b| (b != 0).then(|| a.wrapping_div(b)))
}

/// The remainder of two `int`s.
///
/// # Errors
/// Go's text.
pub fn modulo(args: &[Value]) -> Result<Value, String> {
    arithmetic(args, |a, b| (b != 0).then(|| a.wrapping_rem(b)))
}

fn arithmetic(args: &[Value], result: fn(i64, i64) -> Option<i64>) -> Result<Value, String> {
    let [Value::Int(a), Value::Int(b)] = args else {
        return mistyped();
    };
    let result = result(*a, *b).ok_or("runtime error: integer divide by zero")?;
    Ok(Value::Int(result))
}

/// The `int`s from the first to the last, both included.
///
/// # Errors
/// Go's text.
pub fn seq(args: &[Value]) -> Result<Value, String> {
    let [Value::Int(first), Value::Int(last)] = args else {
        return mistyped();
    };
    let length = i128::from(*last) - i128::from(*first) + 1;
    if length > LONGEST {
        return Err(format!("the result would be {length} numbers long"));
    }
    Ok(Value::Ints(Rc::from_iter(*first..=*last)))
}

/// `strconv.Atoi`.
///
/// # Errors
/// Go's text.
pub fn atoi(args: &[Value]) -> Result<Value, String> {
    let [Value::String(text)] = args else {
        return mistyped();
    };
    parse(text)
        .map(Value::Int)
        .map_err(|fault| format!("strconv.Atoi: parsing {}: {fault}", quote(text)))
}

const SYNTAX: &str = "invalid syntax";
const RANGE: &str = "value out of range";

/// As Go does, a number too large for 64 bits is found before the faults that follow.
fn parse(text: &[u8]) -> Result<i64, &'static str> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return Err(SYNTAX);
    }
    let mut value: u64 = 0;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return Err(SYNTAX);
        }
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add((byte - b'0').into()))
            .ok_or(RANGE)?;
    }
    let value = i128::from(value);
    i64::try_from(if negative { -value } else { value }).map_err(|_| RANGE)
}

/// `strconv.ParseBool`.
///
/// # Errors
/// Go's text.
pub fn parse_bool(args: &[Value]) -> Result<Value, String> {
    let [Value::String(text)] = args else {
        return mistyped();
    };
    match &text[..] {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Ok(Value::Bool(true)),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Ok(Value::Bool(false)),
        _ => Err(format!(
            "strconv.ParseBool: parsing {}: {SYNTAX}",
            quote(text)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::tests::{call, text, value};

    fn calculated(name: &str, a: i64, b: i64) -> Result<String, String> {
        call(name, &[Value::Int(a), Value::Int(b)])
    }

    fn atoi_of(of: &str) -> Result<String, String> {
        call("atoi", &[text(of)])
    }

    #[test]
    fn numbers_are_calculated_as_64_bits_that_wrap_around() {
        assert_eq!(calculated("add", 2, 3), Ok("5".into()));
        assert_eq!(calculated("add", i64::MAX, 1), Ok(i64::MIN.to_string()));
        assert_eq!(calculated("sub", 2, 3), Ok("-1".into()));
        assert_eq!(calculated("sub", i64::MIN, 1), Ok(i64::MAX.to_string()));
        assert_eq!(calculated("mul", -4, 3), Ok("-12".into()));
        assert_eq!(calculated("mul", i64::MAX, 2), Ok("-2".into()));
    }

    #[test]
    fn division_cuts_towards_zero() {
        assert_eq!(calculated("div", -7, 2), Ok("-3".into()));
        assert_eq!(calculated("mod", -7, 2), Ok("-1".into()));
        assert_eq!(calculated("mod", 7, -2), Ok("1".into()));
        assert_eq!(calculated("div", i64::MIN, -1), Ok(i64::MIN.to_string()));
        assert_eq!(calculated("mod", i64::MIN, -1), Ok("0".into()));
    }

    #[test]
    fn division_by_zero_is_an_error() {
        let error = Err("runtime error: integer divide by zero".to_owned());
        assert_eq!(calculated("div", 1, 0), error);
        assert_eq!(calculated("mod", 1, 0), error);
    }

    #[test]
    fn a_sequence_has_both_ends() {
        let numbers = |first, last| match value("seq", &[Value::Int(first), Value::Int(last)]) {
            Ok(Value::Ints(numbers)) => Ok(numbers.to_vec()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        assert_eq!(numbers(-1, 1), Ok(vec![-1, 0, 1]));
        assert_eq!(numbers(2, 2), Ok(vec![2]));
        assert_eq!(numbers(3, 1), Ok(vec![]));
        assert_eq!(numbers(i64::MAX, i64::MAX), Ok(vec![i64::MAX]));
        assert_eq!(numbers(i64::MAX, i64::MIN), Ok(vec![]));
        assert_eq!(
            numbers(i64::MIN, i64::MAX),
            Err("the result would be 18446744073709551616 numbers long".into())
        );
    }

    #[test]
    fn a_number_is_decimal_digits_with_a_sign() {
        assert_eq!(atoi_of("42"), Ok("42".into()));
        assert_eq!(atoi_of("+007"), Ok("7".into()));
        assert_eq!(atoi_of("-9223372036854775808"), Ok(i64::MIN.to_string()));
        for wrong in ["", "-", "+", " 1", "1 ", "0x10", "1_000", "1.0", "--1", "é"] {
            let error = format!("strconv.Atoi: parsing {wrong:?}: invalid syntax");
            assert_eq!(atoi_of(wrong), Err(error));
        }
    }

    #[test]
    fn a_number_too_large_is_found_before_what_follows() {
        let error =
            |text: &str, fault: &str| Err(format!("strconv.Atoi: parsing \"{text}\": {fault}"));
        for large in [
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "18446744073709551616x",
        ] {
            assert_eq!(atoi_of(large), error(large, "value out of range"));
        }
        let syntax = "9999999999999999999x";
        assert_eq!(atoi_of(syntax), error(syntax, "invalid syntax"));
    }

    #[test]
    fn a_bool_is_one_of_twelve_words() {
        for word in ["1", "t", "T", "true", "TRUE", "True"] {
            assert_eq!(call("parseBool", &[text(word)]), Ok("true".into()));
        }
        for word in ["0", "f", "F", "false", "FALSE", "False"] {
            assert_eq!(call("parseBool", &[text(word)]), Ok("false".into()));
        }
        for wrong in ["", "yes", "tRUE", "on\n"] {
            let error = format!("strconv.ParseBool: parsing {wrong:?}: invalid syntax");
            assert_eq!(call("parseBool", &[text(wrong)]), Err(error));
        }
    }
}
