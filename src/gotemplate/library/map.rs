//! `map`: arguments for a template.

use std::collections::BTreeMap;

use crate::value::Value;

/// A `map[string]interface {}` of keys and values in turn: arguments for a template.
///
/// # Errors
/// Go's text.
pub fn map(args: &[Value]) -> Result<Value, String> {
    let (pairs, []) = args.as_chunks::<2>() else {
        return Err("invalid map call".to_owned());
    };
    let mut map = BTreeMap::new();
    for [key, value] in pairs {
        let Value::String(key) = key else {
            return Err("map keys must be strings".to_owned());
        };
        map.insert(key.clone(), value.clone());
    }
    Ok(Value::map(map))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::tests::{text, value};

    #[test]
    fn arguments_are_keys_and_values() {
        let args = [
            text("a"),
            Value::Int(1),
            text("b"),
            text("x"),
            text("a"),
            text("y"),
        ];
        let Ok(Value::Map(map)) = value("map", &args) else {
            panic!("no map");
        };
        assert_eq!(
            format!("{:?}", **map),
            r#"{b"a": String(b"y"), b"b": String(b"x")}"#
        );
    }

    #[test]
    fn a_key_needs_a_value_and_is_a_string() {
        let error = |args: &[Value]| value("map", args).unwrap_err();
        assert_eq!(error(&[text("a")]), "invalid map call");
        assert_eq!(
            error(&[Value::Int(1), text("a")]),
            "map keys must be strings"
        );
    }
}
