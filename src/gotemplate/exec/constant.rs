//! Constants, in the type that is asked for.

use super::{Exec, ExecError};
use crate::node::{Expr, ExprKind, Number};
use crate::types::Type;
use crate::value::Value;

impl Exec<'_> {
    /// A bool, number or string where a parameter has type `param`.
    pub(super) fn constant(&self, arg: &Expr, param: Type) -> Result<Value, ExecError> {
        let value = match (param, &arg.kind) {
            (Type::Any | Type::Value, ExprKind::Number(number)) => {
                return self.ideal_constant(number);
            }
            (Type::Bool | Type::Any | Type::Value, ExprKind::Bool(value)) => {
                Some(Value::Bool(*value))
            }
            (Type::String | Type::Any | Type::Value, ExprKind::String { text, .. }) => {
                Some(Value::String(text.clone()))
            }
            (_, ExprKind::Number(number)) => typed_number(number, param),
            _ => None,
        };
        value.ok_or_else(|| match expected(param) {
            Some(what) => self.error(format_args!("expected {what}; found {arg}")),
            None => self.error(format_args!("can't handle {arg} for arg of type {param}")),
        })
    }

    /// A number where any type will do: it decides itself.
    pub(super) fn ideal_constant(&self, number: &Number) -> Result<Value, ExecError> {
        if let Some((real, imaginary)) = number.complex {
            return Ok(Value::Complex(real, imaginary));
        }
        match (number.float, number.int) {
            (Some(value), _) if is_float(&number.text) => Ok(Value::Float(value)),
            (_, Some(value)) => Ok(Value::Int(value)),
            _ => Err(self.error(format_args!(
                "{} overflows int",
                String::from_utf8_lossy(&number.text)
            ))),
        }
    }
}

fn typed_number(number: &Number, param: Type) -> Option<Value> {
    match param {
        Type::Int => number.int.map(Value::Int),
        Type::Int64 => number.int.map(Value::Int64),
        Type::Duration => number.int.map(Value::Duration),
        Type::Float => number.float.map(Value::Float),
        _ => None,
    }
}

/// Go's word for the constants that a parameter of type `param` takes; of types that functions have.
fn expected(param: Type) -> Option<&'static str> {
    match param {
        Type::Bool => Some("bool"),
        Type::Int | Type::Int64 | Type::Duration => Some("integer"),
        Type::Float => Some("float"),
        Type::String => Some("string"),
        _ => None,
    }
}

/// Whether a number is written as one with a fraction or exponent.
fn is_float(text: &[u8]) -> bool {
    let has = |letters: &[u8]| text.iter().any(|byte| letters.contains(byte));
    let is_hex = matches!(text, [b'0', b'x' | b'X', _, ..]) && !has(b"pP");
    !is_hex && !text.starts_with(b"'") && has(b".eEpP")
}
