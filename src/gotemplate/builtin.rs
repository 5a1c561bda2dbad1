//! The functions that the language itself has.

mod compare;
mod escape;
mod index;

use super::fmt::{Printer, printf as format_directives};
use super::function::{Callee, Function};
use super::value::Value;
use crate::Str;
use crate::types::Type;

use Type::{Any, Bool, Int, String as Text, Value as Reflect};

/// Longest text that a function makes.
pub(super) const LONGEST: usize = 64 << 20;

/// The evaluator does not call it, but evaluates no more arguments than it has to.
pub(super) static AND: Function =
    Function::fixed("and", &[Reflect, Reflect], Reflect, last).variadic();
/// As [`AND`].
pub(super) static OR: Function =
    Function::fixed("or", &[Reflect, Reflect], Reflect, last).variadic();
/// The evaluator tells it what nil it was given.
pub(super) static LEN: Function = Function::fixed("len", &[Reflect], Int, index::len);

static CALL: Function = Function::fixed("call", &[Reflect, Reflect], Reflect, call).variadic();
static EQ: Function = Function::fixed("eq", &[Reflect, Reflect], Bool, compare::eq).variadic();
static GE: Function = Function::fixed("ge", &[Reflect, Reflect], Bool, compare::ge);
static GT: Function = Function::fixed("gt", &[Reflect, Reflect], Bool, compare::gt);
static HTML: Function = Function::fixed("html", &[Any], Text, escape::html).variadic();
static INDEX: Function =
    Function::fixed("index", &[Reflect, Reflect], Reflect, index::index).variadic();
static JS: Function = Function::fixed("js", &[Any], Text, escape::js).variadic();
static LE: Function = Function::fixed("le", &[Reflect, Reflect], Bool, compare::le);
static LT: Function = Function::fixed("lt", &[Reflect, Reflect], Bool, compare::lt);
static NE: Function = Function::fixed("ne", &[Reflect, Reflect], Bool, compare::ne);
static NOT: Function = Function::fixed("not", &[Reflect], Bool, not);
static PRINT: Function = Function::fixed("print", &[Any], Text, print).variadic();
static PRINTF: Function = Function::fixed("printf", &[Text, Any], Text, printf).variadic();
static PRINTLN: Function = Function::fixed("println", &[Any], Text, println).variadic();
static SLICE: Function =
    Function::fixed("slice", &[Reflect, Reflect], Reflect, index::slice).variadic();
static URLQUERY: Function = Function::fixed("urlquery", &[Any], Text, escape::urlquery).variadic();

static BUILTINS: [&Function; 19] = [
    &AND, &CALL, &EQ, &GE, &GT, &HTML, &INDEX, &JS, &LE, &LEN, &LT, &NE, &NOT, &OR, &PRINT,
    &PRINTF, &PRINTLN, &SLICE, &URLQUERY,
];

/// The builtin function of that name.
pub(super) fn find(name: &[u8]) -> Option<Callee> {
    let found = BUILTINS
        .into_iter()
        .find(|function| function.signature().name.as_bytes() == name);
    found.map(Callee::blind)
}

type Made = Result<Value, String>;

fn last(args: &[Value]) -> Made {
    Ok(args.last().cloned().unwrap_or(Value::Nil))
}

fn not(args: &[Value]) -> Made {
    Ok(Value::Bool(!args.iter().all(Value::is_true)))
}

/// No value is a function.
fn call(args: &[Value]) -> Made {
    match args.first().and_then(Value::kind) {
        Some(kind) => Err(format!("non-function of type {kind}")),
        None => Err("call of nil".to_owned()),
    }
}

fn print(args: &[Value]) -> Made {
    text(|out| Printer::new(out, LONGEST).print(args))
}

fn println(args: &[Value]) -> Made {
    text(|out| Printer::new(out, LONGEST).println(args))
}

fn printf(args: &[Value]) -> Made {
    let Some((Value::String(format), args)) = args.split_first() else {
        return Err("a format is a string".to_owned());
    };
    text(|out| format_directives(out, LONGEST, format, args))
}

/// The text that `write` writes, as a value.
fn text(write: impl FnOnce(&mut Vec<u8>)) -> Made {
    written(write).map(Value::String)
}

/// The text that `write` writes.
pub(super) fn written(write: impl FnOnce(&mut Vec<u8>)) -> Result<Str, String> {
    let mut out = Vec::with_capacity(64);
    write(&mut out);
    if out.len() > LONGEST {
        return Err(format!("text exceeds {LONGEST} bytes"));
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests;
