//! JSON as Go's `encoding/json` reads and writes it, with its messages.

pub mod encode;
mod scanner;

use std::collections::BTreeMap;

use crate::Str;
use crate::library::mistyped;
use crate::value::Value;
use scanner::Scanner;

/// How many arrays and objects may be inside each other.
const DEEPEST: usize = 10_000;

/// `json.Unmarshal` of a string into a `map[string]interface {}`.
///
/// # Errors
/// Go's text.
pub fn object(args: &[Value]) -> Result<Value, String> {
    let [Value::String(text)] = args else {
        return mistyped();
    };
    let (value, fault) = parse(text)?;
    match value {
        Value::Map(_) => fault.map_or(Ok(value), Err),
        Value::Nil if fault.is_none() => Ok(Value::map(BTreeMap::new())),
        other => Err(unfit(name(&other), "map[string]interface {}")),
    }
}

/// `json.Unmarshal` of a string into a `[]interface {}`.
///
/// # Errors
/// Go's text.
pub fn array(args: &[Value]) -> Result<Value, String> {
    let [Value::String(text)] = args else {
        return mistyped();
    };
    let (value, fault) = parse(text)?;
    match value {
        Value::List(_) => fault.map_or(Ok(value), Err),
        Value::Nil if fault.is_none() => Ok(Value::list(Vec::new())),
        other => Err(unfit(name(&other), "[]interface {}")),
    }
}

/// `json.Unmarshal` of a string into an `interface {}`. A number that no `float64` holds is nil.
///
/// # Errors
/// Go's text, when it is not JSON.
pub fn any(args: &[Value]) -> Result<Value, String> {
    let [Value::String(text)] = args else {
        return mistyped();
    };
    parse(text).map(|(value, _)| value)
}

fn unfit(what: &str, wanted: &str) -> String {
    format!("json: cannot unmarshal {what} into Go value of type {wanted}")
}

fn name(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::String(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "number",
    }
}

/// An array or object whose end has not been read.
enum Open {
    Array(Vec<Value>),
    /// With the key of the value that is being read.
    Object(BTreeMap<Str, Value>, Str),
}

/// The value, and the first number that is too large: it matters only if the rest is fine.
fn parse(text: &Str) -> Result<(Value, Option<String>), String> {
    let mut scanner = Scanner::new(text);
    let mut open = Vec::new();
    let mut fault = None;
    loop {
        let begun = match scanner.significant() {
            Some(b'{') => object_begin(&mut scanner, open.len())?,
            Some(b'[') => array_begin(&mut scanner, open.len())?,
            _ => Begun::Value(scalar(&mut scanner, &mut fault)?),
        };
        let value = match begun {
            Begun::Open(inner) => {
                open.push(inner);
                continue;
            }
            Begun::Value(value) => value,
        };
        if let Some(value) = close(&mut scanner, &mut open, value)? {
            scanner.finish()?;
            return Ok((value, fault));
        }
    }
}

enum Begun {
    Value(Value),
    Open(Open),
}

fn object_begin(scanner: &mut Scanner, depth: usize) -> Result<Begun, String> {
    deeper(scanner, depth)?;
    if scanner.significant() == Some(b'}') {
        scanner.step();
        return Ok(Begun::Value(Value::map(BTreeMap::new())));
    }
    let key = key(scanner)?;
    Ok(Begun::Open(Open::Object(BTreeMap::new(), key)))
}

fn array_begin(scanner: &mut Scanner, depth: usize) -> Result<Begun, String> {
    deeper(scanner, depth)?;
    if scanner.significant() == Some(b']') {
        scanner.step();
        return Ok(Begun::Value(Value::list(Vec::new())));
    }
    Ok(Begun::Open(Open::Array(Vec::new())))
}

/// Steps over an opening bracket.
fn deeper(scanner: &mut Scanner, depth: usize) -> Result<(), String> {
    if depth >= DEEPEST {
        return Err(scanner.unexpected("exceeded max depth"));
    }
    scanner.step();
    Ok(())
}

fn key(scanner: &mut Scanner) -> Result<Str, String> {
    if scanner.significant() != Some(b'"') {
        return Err(scanner.unexpected("looking for beginning of object key string"));
    }
    let key = scanner.string()?;
    if scanner.significant() != Some(b':') {
        return Err(scanner.unexpected("after object key"));
    }
    scanner.step();
    Ok(key)
}

fn scalar(scanner: &mut Scanner, fault: &mut Option<String>) -> Result<Value, String> {
    match scanner.significant() {
        Some(b'"') => scanner.string().map(Value::String),
        Some(b't') => scanner.literal("true").map(|()| Value::Bool(true)),
        Some(b'f') => scanner.literal("false").map(|()| Value::Bool(false)),
        Some(b'n') => scanner.literal("null").map(|()| Value::Nil),
        Some(b'-' | b'0'..=b'9') => {
            let number = scanner.number()?;
            let value: f64 = number.parse().unwrap_or(f64::INFINITY);
            if value.is_infinite() {
                fault.get_or_insert_with(|| unfit(&format!("number {number}"), "float64"));
                return Ok(Value::Nil);
            }
            Ok(Value::Float(value))
        }
        _ => Err(scanner.unexpected("looking for beginning of value")),
    }
}

/// Puts a value into what is open, up to where the next value is due. Returns the outermost value
/// when it is complete.
fn close(
    scanner: &mut Scanner,
    open: &mut Vec<Open>,
    mut value: Value,
) -> Result<Option<Value>, String> {
    while let Some(inner) = open.pop() {
        match inner {
            Open::Array(mut items) => {
                items.push(value);
                match scanner.significant() {
                    Some(b',') => {
                        scanner.step();
                        open.push(Open::Array(items));
                        return Ok(None);
                    }
                    Some(b']') => value = Value::list(items),
                    _ => return Err(scanner.unexpected("after array element")),
                }
            }
            Open::Object(mut entries, name) => {
                entries.insert(name, value);
                match scanner.significant() {
                    Some(b',') => {
                        scanner.step();
                        let next = key(scanner)?;
                        open.push(Open::Object(entries, next));
                        return Ok(None);
                    }
                    Some(b'}') => value = Value::map(entries),
                    _ => return Err(scanner.unexpected("after object key:value pair")),
                }
            }
        }
        scanner.step();
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests;
