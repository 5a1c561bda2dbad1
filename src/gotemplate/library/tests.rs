//! What the functions' tests share.

use super::*;
use crate::Str;
use crate::function::Pure;

/// The functions, by the names that their tests know them by.
const FUNCTIONS: &[(&str, Pure)] = &[
    ("add", number::add),
    ("atoi", number::atoi),
    ("base", path::base),
    ("base64Decode", base64::decode),
    ("base64Encode", base64::encode),
    ("contains", strings::contains),
    ("dir", path::dir),
    ("div", number::div),
    ("join", strings::join),
    ("json", json::object),
    ("jsonArray", json::array),
    ("map", map::map),
    ("mod", number::modulo),
    ("mul", number::mul),
    ("parseBool", number::parse_bool),
    ("replace", strings::replace),
    ("reverse", order::reverse),
    ("seq", number::seq),
    ("sortByLength", order::sort_by_length),
    ("sortKVByLength", order::sort_kv_by_length),
    ("split", strings::split),
    ("sub", number::sub),
    ("toLower", strings::to_lower),
    ("toUpper", strings::to_upper),
    ("trimSuffix", strings::trim_suffix),
];

/// A string argument.
pub(super) fn text(text: &str) -> Value {
    Value::string(text.to_owned())
}

/// What the function of this name returns.
pub(super) fn value(name: &str, args: &[Value]) -> Result<Value, String> {
    let found = FUNCTIONS.iter().find(|(known, _)| *known == name);
    let (_, function) = found.unwrap();
    function(args)
}

/// The same as text, of a function that returns a string, a number or a bool.
pub(super) fn call(name: &str, args: &[Value]) -> Result<String, String> {
    value(name, args).map(|value| match value {
        Value::String(text) => String::from_utf8(text.to_vec()).unwrap(),
        Value::Int(number) => number.to_string(),
        Value::Bool(bool) => bool.to_string(),
        other => panic!("{other:?}"),
    })
}

/// The same, of a function that returns strings.
pub(super) fn strings(name: &str, args: &[Value]) -> Vec<Str> {
    match value(name, args) {
        Ok(Value::Strings(items)) => items.borrow().clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_function_panics_on_arguments_it_does_not_expect() {
    for (name, function) in FUNCTIONS {
        let result = function(&[Value::Nil, Value::Nil, Value::Nil]);
        assert!(result.is_err(), "{name}");
    }
}
