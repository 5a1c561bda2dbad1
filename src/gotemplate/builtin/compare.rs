//! `eq`, `ne`, `lt`, `le`, `gt` and `ge`.

use std::rc::Rc;

use super::Made;
use crate::fmt::format;
use crate::value::{Integer, Value};

const INCOMPATIBLE: &str = "incompatible types for comparison";
const INVALID: &str = "invalid type for comparison";

/// What can be compared with each other.
enum Basic<'a> {
    Bool(bool),
    Complex(f64, f64),
    Float(f64),
    Integer(Integer),
    String(&'a [u8]),
    /// Structs, pointers, slices, maps and nil.
    Other,
}

impl<'a> Basic<'a> {
    fn new(value: &'a Value) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Float(value) => Self::Float(*value),
            Value::Complex(real, imaginary) => Self::Complex(*real, *imaginary),
            Value::String(text) => Self::String(text),
            _ => value.integer().map_or(Self::Other, Self::Integer),
        }
    }
}

/// Whether the first is equal to one of the others.
pub(super) fn eq(args: &[Value]) -> Made {
    let Some((first, others)) = args.split_first() else {
        return Err("missing argument for comparison".to_owned());
    };
    if others.is_empty() {
        check_comparable(first)?;
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if are_equal(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

pub(super) fn ne(args: &[Value]) -> Made {
    eq(args).map(negated)
}

pub(super) fn lt(args: &[Value]) -> Made {
    let [left, right] = args else {
        return Err(INVALID.to_owned());
    };
    is_less(left, right).map(Value::Bool)
}

/// Less or equal; with NaN that is not the opposite of greater.
pub(super) fn le(args: &[Value]) -> Made {
    match lt(args)? {
        Value::Bool(false) => eq(args),
        less => Ok(less),
    }
}

pub(super) fn gt(args: &[Value]) -> Made {
    le(args).map(negated)
}

pub(super) fn ge(args: &[Value]) -> Made {
    lt(args).map(negated)
}

fn negated(value: Value) -> Value {
    Value::Bool(!matches!(value, Value::Bool(true)))
}

#[expect(clippy::float_cmp, reason = "it is what Go's eq does")]
fn are_equal(left: &Value, right: &Value) -> Result<bool, String> {
    use Basic::{Bool, Complex, Float, Integer, Other, String};
    Ok(match (Basic::new(left), Basic::new(right)) {
        (Bool(left), Bool(right)) => left == right,
        (Complex(re1, im1), Complex(re2, im2)) => re1 == re2 && im1 == im2,
        (Float(left), Float(right)) => left == right,
        (Integer(left), Integer(right)) => wide(left) == wide(right),
        (String(left), String(right)) => left == right,
        (Other, Other) => are_same(left, right)?,
        _ if matches!(left, Value::Nil) || matches!(right, Value::Nil) => false,
        _ => return Err(INCOMPATIBLE.to_owned()),
    })
}

/// Equality of what is no number and no text. Only with nil can lists and maps be compared.
fn are_same(left: &Value, right: &Value) -> Result<bool, String> {
    match (left, right) {
        (Value::Nil, Value::Nil) => return Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => return Ok(false),
        _ => {
            check_comparable(right)?;
            check_comparable(left)?;
        }
    }
    Ok(match (left, right) {
        (Value::Pair(left), Value::Pair(right)) => left == right,
        (Value::Srv(left), Value::Srv(right)) => Rc::ptr_eq(left, right),
        (Value::Time(left), Value::Time(right)) => left == right,
        (Value::Location(left), Value::Location(right)) => left == right,
        _ => false,
    })
}

fn check_comparable(value: &Value) -> Result<(), String> {
    match value.kind() {
        Some(kind) if value.is_slice() || matches!(value, Value::Map(_)) => Err(format!(
            "non-comparable type {}: {kind}",
            format('s', value)
        )),
        _ => Ok(()),
    }
}

fn is_less(left: &Value, right: &Value) -> Result<bool, String> {
    use Basic::{Bool, Complex, Float, Integer, Other, String};
    Ok(match (Basic::new(left), Basic::new(right)) {
        (Other, _) | (_, Other) | (Bool(_), Bool(_)) | (Complex(..), Complex(..)) => {
            return Err(INVALID.to_owned());
        }
        (Float(left), Float(right)) => left < right,
        (Integer(left), Integer(right)) => wide(left) < wide(right),
        (String(left), String(right)) => left < right,
        _ => return Err(INCOMPATIBLE.to_owned()),
    })
}

/// In a type that has room for both.
fn wide(integer: Integer) -> i128 {
    match integer {
        Integer::Signed(value) => value.into(),
        Integer::Unsigned(value) => value.into(),
    }
}
