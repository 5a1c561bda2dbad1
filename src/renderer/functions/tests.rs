//! What the functions' tests share, and tests of the table itself.

use gotemplate::{Str, Value};

use super::*;
use crate::snapshot::Snapshot;

/// A store of these keys and values.
pub(crate) fn store(entries: &[(&'static str, &'static str)]) -> Store {
    let entries = entries
        .iter()
        .map(|&(key, value)| (key.into(), value.into()));
    let snapshot = Snapshot {
        entries: entries.collect(),
        revision: 1,
    };
    Store::select(&snapshot, "", &["/".to_owned()])
}

/// A string argument.
pub(super) fn text(text: &str) -> Value {
    Value::string(text.to_owned())
}

/// What the function of this name returns, with an empty store.
pub(super) fn value(name: &str, args: &[Value]) -> Result<Value, String> {
    value_from(&Store::default(), name, args)
}

/// What the function of this name returns.
pub(super) fn value_from(store: &Store, name: &str, args: &[Value]) -> Result<Value, String> {
    let mut functions = FUNCTIONS.iter();
    let function = functions.find(|function| function.signature().name == name);
    function.unwrap().call(store, args)
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
    strings_from(&Store::default(), name, args)
}

/// The strings that the function of this name returns.
pub(super) fn strings_from(store: &Store, name: &str, args: &[Value]) -> Vec<Str> {
    match value_from(store, name, args) {
        Ok(Value::Strings(items)) => items.borrow().clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn there_are_confds_functions_each_once_and_in_order() {
    assert_eq!(FUNCTIONS.len(), 39);
    let key = |function: &Function<Store>| function.signature().name.to_ascii_lowercase();
    assert!(FUNCTIONS.is_sorted_by(|one, next| key(one) < key(next)));
}

#[test]
fn no_function_panics_on_arguments_it_does_not_expect() {
    for function in FUNCTIONS {
        let name = function.signature().name;
        let result = function.call(&Store::default(), &[Value::Nil, Value::Nil, Value::Nil]);
        assert!(result.is_err() || name == "datetime", "{name}");
    }
}
