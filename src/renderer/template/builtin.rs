//! The functions that the language itself has.

mod compare;
mod escape;
mod index;

use super::exec::is_true;
use super::fmt::{Printer, printf as format_directives};
use super::function::{Function, Type};
use super::value::Value;
use crate::store::Store;

use Type::{Any, Bool, Int, String as Text, Value as Reflect};

/// Longest text that a function makes.
const LONGEST: usize = 64 << 20;

/// The evaluator does not call it, but evaluates no more arguments than it has to.
pub(super) static AND: Function = Function::variadic("and", &[Reflect, Reflect], Reflect, last);
/// As [`AND`].
pub(super) static OR: Function = Function::variadic("or", &[Reflect, Reflect], Reflect, last);
/// The evaluator tells it what nil it was given.
pub(super) static LEN: Function = Function::fixed("len", &[Reflect], Int, index::len);

static CALL: Function = Function::variadic("call", &[Reflect, Reflect], Reflect, call);
static EQ: Function = Function::variadic("eq", &[Reflect, Reflect], Bool, compare::eq);
static GE: Function = Function::fixed("ge", &[Reflect, Reflect], Bool, compare::ge);
static GT: Function = Function::fixed("gt", &[Reflect, Reflect], Bool, compare::gt);
static HTML: Function = Function::variadic("html", &[Any], Text, escape::html);
static INDEX: Function = Function::variadic("index", &[Reflect, Reflect], Reflect, index::index);
static JS: Function = Function::variadic("js", &[Any], Text, escape::js);
static LE: Function = Function::fixed("le", &[Reflect, Reflect], Bool, compare::le);
static LT: Function = Function::fixed("lt", &[Reflect, Reflect], Bool, compare::lt);
static NE: Function = Function::fixed("ne", &[Reflect, Reflect], Bool, compare::ne);
static NOT: Function = Function::fixed("not", &[Reflect], Bool, not);
static PRINT: Function = Function::variadic("print", &[Any], Text, print);
static PRINTF: Function = Function::variadic("printf", &[Text, Any], Text, printf);
static PRINTLN: Function = Function::variadic("println", &[Any], Text, println);
static SLICE: Function = Function::variadic("slice", &[Reflect, Reflect], Reflect, index::slice);
static URLQUERY: Function = Function::variadic("urlquery", &[Any], Text, escape::urlquery);

static BUILTINS: [&Function; 19] = [
    &AND, &CALL, &EQ, &GE, &GT, &HTML, &INDEX, &JS, &LE, &LEN, &LT, &NE, &NOT, &OR, &PRINT,
    &PRINTF, &PRINTLN, &SLICE, &URLQUERY,
];

/// The builtin function of that name.
pub(super) fn find(name: &[u8]) -> Option<&'static Function> {
    BUILTINS
        .into_iter()
        .find(|function| function.name.as_bytes() == name)
}

type Made = Result<Value, String>;

fn last(_: &Store, args: &[Value]) -> Made {
    Ok(args.last().cloned().unwrap_or(Value::Nil))
}

fn not(_: &Store, args: &[Value]) -> Made {
    Ok(Value::Bool(!args.iter().all(is_true)))
}

/// No value is a function.
fn call(_: &Store, args: &[Value]) -> Made {
    match args.first().and_then(Value::kind) {
        Some(kind) => Err(format!("non-function of type {kind}")),
        None => Err("call of nil".to_owned()),
    }
}

fn print(_: &Store, args: &[Value]) -> Made {
    text(|out| Printer::new(out, LONGEST).print(args))
}

fn println(_: &Store, args: &[Value]) -> Made {
    text(|out| Printer::new(out, LONGEST).println(args))
}

fn printf(_: &Store, args: &[Value]) -> Made {
    let Some((Value::String(format), args)) = args.split_first() else {
        return Err("a format is a string".to_owned());
    };
    text(|out| format_directives(out, LONGEST, format, args))
}

/// The text that `write` writes.
fn text(write: impl FnOnce(&mut Vec<u8>)) -> Made {
    let mut out = Vec::with_capacity(64);
    write(&mut out);
    if out.len() > LONGEST {
        return Err(format!("text exceeds {LONGEST} bytes"));
    }
    Ok(Value::string(out))
}

#[cfg(test)]
mod tests;
