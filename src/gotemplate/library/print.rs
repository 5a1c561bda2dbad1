//! What values look like.

use crate::Str;
use crate::builtin;
use crate::fmt::Printer;
use crate::value::Value;

/// `fmt.Sprint` of one value: what `%v` prints.
///
/// # Errors
/// When it is too long to be anything but a mistake in a template.
pub fn sprint(value: &Value) -> Result<Str, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        _ => builtin::written(|out| Printer::new(out, builtin::LONGEST).print_arg(value, 'v')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_looks_as_an_action_prints_it() {
        let list = Value::list(vec![Value::Int(1), Value::string("a"), Value::Nil]);
        for (value, shown) in [
            (Value::string("a b"), "a b"),
            (Value::Float(1e21), "1e+21"),
            (Value::Bool(true), "true"),
            (Value::Month(3), "March"),
            (Value::Nil, "<nil>"),
            (list, "[1 a <nil>]"),
        ] {
            assert_eq!(sprint(&value), Ok(Str::from(shown)));
        }
    }

    #[test]
    fn what_shares_its_parts_may_not_fill_the_memory() {
        let mut value = Value::string("x".repeat(1024));
        for _ in 0..40 {
            value = Value::list(vec![value.clone(), value]);
        }
        assert_eq!(
            sprint(&value),
            Err("text exceeds 67108864 bytes".to_owned())
        );
    }
}
