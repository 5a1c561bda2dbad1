//! `index`, `slice` and `len`.

use std::ops::Range;
use std::rc::Rc;

use super::Made;
use crate::value::{Integer, Value};

/// `index x 1 2` is `x[1][2]`.
pub(super) fn index(args: &[Value]) -> Made {
    let Some((item, indexes)) = args.split_first() else {
        return Err("index of untyped nil".to_owned());
    };
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".to_owned());
    }
    let mut item = item.clone();
    for index in indexes {
        item = match &item {
            Value::Nil => return Err("index of nil pointer".to_owned()),
            Value::Map(entries) => match index {
                Value::String(key) => entries.get(key).cloned().unwrap_or(Value::Nil),
                _ => return Err(wrong_key(index)),
            },
            Value::String(_) => element(&item, index, "string")?,
            _ if item.is_slice() => element(&item, index, "slice")?,
            Value::Srv(_) => return Err("can't index item of type net.SRV".to_owned()),
            Value::Location(_) => return Err("can't index item of type time.Location".to_owned()),
            _ => return Err(format!("can't index item of type {}", type_of(&item))),
        };
    }
    Ok(item)
}

fn element(item: &Value, index: &Value, what: &str) -> Made {
    let index = bound(index, item.len())?;
    item.element(index)
        .ok_or_else(|| format!("reflect: {what} index out of range"))
}

fn wrong_key(key: &Value) -> String {
    match key.kind() {
        None => "value is nil; should be of type string".to_owned(),
        Some(kind) => format!("value has type {kind}; should be string"),
    }
}

/// `slice x 1 2` is `x[1:2]`. A slice shares no elements with what it was cut from.
pub(super) fn slice(args: &[Value]) -> Made {
    let Some((item, indexes)) = args.split_first() else {
        return Err("slice of untyped nil".to_owned());
    };
    if matches!(item, Value::Nil) {
        return Err("slice of untyped nil".to_owned());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    match item {
        Value::String(_) if indexes.len() == 3 => {
            return Err("cannot 3-index slice a string".to_owned());
        }
        Value::String(_) => {}
        _ if item.is_slice() => {}
        _ => return Err(format!("can't slice item of type {}", type_of(item))),
    }
    let mut bounds = [0, item.len(), item.len()];
    for (place, index) in bounds.iter_mut().zip(indexes) {
        *place = bound(index, item.len())?;
    }
    let [start, end, most] = bounds;
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}"));
    }
    if end > most {
        return Err(format!("invalid slice index: {end} > {most}"));
    }
    Ok(cut(item, start..end))
}

fn cut(item: &Value, range: Range<usize>) -> Value {
    match item {
        Value::String(text) => Value::String(text.slice(range)),
        Value::Strings(items) => Value::strings(part(&items.borrow(), range)),
        Value::Ints(items) => Value::Ints(part(items, range).into()),
        Value::List(items) => Value::list(part(items, range)),
        Value::Pairs(items) => Value::Pairs(Rc::new(part(&items.borrow(), range).into())),
        Value::PairSlice(items) => Value::PairSlice(Rc::new(part(&items.borrow(), range).into())),
        Value::Srvs(items) => Value::Srvs(part(items, range).into()),
        _ => Value::Nil,
    }
}

fn part<T: Clone>(items: &[T], range: Range<usize>) -> Vec<T> {
    items.get(range).unwrap_or_default().to_vec()
}

/// `index` as an index of something with `len` elements; one past the end passes.
fn bound(index: &Value, len: usize) -> Result<usize, String> {
    let number = match (index.integer(), index) {
        (Some(Integer::Signed(value)), _) => value,
        (Some(Integer::Unsigned(value)), _) => value.cast_signed(),
        (None, Value::Nil) => return Err("cannot index slice/array with nil".to_owned()),
        (None, _) => {
            return Err(format!(
                "cannot index slice/array with type {}",
                type_of(index)
            ));
        }
    };
    usize::try_from(number)
        .ok()
        .filter(|&index| index <= len)
        .ok_or_else(|| format!("index out of range: {number}"))
}

pub(super) fn len(args: &[Value]) -> Made {
    match args {
        [Value::Nil] | [] => Err("reflect: call of reflect.Value.Type on zero Value".to_owned()),
        [Value::Srv(_), ..] => Err("len of type net.SRV".to_owned()),
        [Value::Location(_), ..] => Err("len of type time.Location".to_owned()),
        [item, ..] if has_len(item) => {
            Ok(Value::Int(i64::try_from(item.len()).unwrap_or(i64::MAX)))
        }
        [item, ..] => Err(format!("len of type {}", type_of(item))),
    }
}

fn has_len(item: &Value) -> bool {
    item.is_slice() || matches!(item, Value::String(_) | Value::Map(_))
}

fn type_of(value: &Value) -> String {
    value
        .kind()
        .map_or("nil".to_owned(), |kind| kind.to_string())
}
