//! Functions that change the order of a slice, in place.

use crate::library::mistyped;
use crate::value::Value;

/// A slice of strings or pairs, turned round in place.
///
/// # Errors
/// Go's text.
pub fn reverse(args: &[Value]) -> Result<Value, String> {
    let [slice] = args else {
        return mistyped();
    };
    match slice {
        Value::Strings(items) => items.borrow_mut().reverse(),
        Value::Pairs(items) | Value::PairSlice(items) => items.borrow_mut().reverse(),
        _ => {}
    }
    Ok(slice.clone())
}

/// A slice of strings, sorted by length in place.
///
/// # Errors
/// Go's text.
pub fn sort_by_length(args: &[Value]) -> Result<Value, String> {
    let [Value::Strings(items)] = args else {
        return mistyped();
    };
    items.borrow_mut().sort_by_key(|item| item.len());
    Ok(Value::Strings(items.clone()))
}

/// A slice of pairs, sorted by the length of their keys in place.
///
/// # Errors
/// Go's text.
pub fn sort_kv_by_length(args: &[Value]) -> Result<Value, String> {
    let [Value::Pairs(items) | Value::PairSlice(items)] = args else {
        return mistyped();
    };
    items.borrow_mut().sort_by_key(|pair| pair.key.len());
    Ok(Value::PairSlice(items.clone()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::Str;
    use crate::library::tests::value;
    use crate::value::{KVPair, Shared};

    fn strings(items: &[&'static str]) -> Shared<Str> {
        let items = items.iter().map(|item| Str::from(*item)).collect();
        Rc::new(RefCell::new(items))
    }

    fn pairs(keys: &[&'static str]) -> Shared<KVPair> {
        let pair = |key: &&'static str| KVPair {
            key: Str::from(*key),
            value: Str::new(),
        };
        Rc::new(RefCell::new(keys.iter().map(pair).collect()))
    }

    fn keys(pairs: &Shared<KVPair>) -> Vec<Str> {
        pairs.borrow().iter().map(|pair| pair.key.clone()).collect()
    }

    #[test]
    fn strings_are_reversed_in_place() {
        let items = strings(&["a", "b", "c"]);
        let Ok(Value::Strings(reversed)) = value("reverse", &[Value::Strings(items.clone())])
        else {
            panic!("no strings");
        };
        assert!(Rc::ptr_eq(&items, &reversed));
        assert_eq!(*items.borrow(), ["c", "b", "a"]);
    }

    #[test]
    fn pairs_are_reversed_and_keep_their_type() {
        let items = pairs(&["/a", "/b"]);
        let result = value("reverse", &[Value::Pairs(items.clone())]);
        assert!(matches!(result, Ok(Value::Pairs(_))));
        assert_eq!(keys(&items), ["/b", "/a"]);
        let result = value("reverse", &[Value::PairSlice(items.clone())]);
        assert!(matches!(result, Ok(Value::PairSlice(_))));
        assert_eq!(keys(&items), ["/a", "/b"]);
    }

    #[test]
    fn what_is_no_slice_of_these_is_returned_as_it_is() {
        let result = value("reverse", &[Value::string("abc")]);
        assert!(matches!(result, Ok(Value::String(text)) if text == "abc"));
        assert!(matches!(value("reverse", &[Value::Nil]), Ok(Value::Nil)));
    }

    #[test]
    fn the_shortest_come_first_and_equals_keep_their_order() {
        let items = strings(&["ccc", "b", "aa", "a", "bb"]);
        value("sortByLength", &[Value::Strings(items.clone())]).unwrap();
        assert_eq!(*items.borrow(), ["b", "a", "aa", "bb", "ccc"]);
        let items = pairs(&["/app10", "/app2", "/app1"]);
        let result = value("sortKVByLength", &[Value::Pairs(items.clone())]);
        assert!(matches!(result, Ok(Value::PairSlice(_))));
        assert_eq!(keys(&items), ["/app2", "/app1", "/app10"]);
    }
}
