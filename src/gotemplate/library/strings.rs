//! Functions of Go's package `strings`. Their strings need not be UTF-8.

use super::{mistyped, utf8};
use crate::Str;
use crate::rune::{decode, to_lower as lower, to_upper as upper};
use crate::value::Value;

/// More than this is a mistake in a template.
const LONGEST: usize = 64 << 20;

/// `strings.Contains`.
///
/// # Errors
/// Go's text.
pub fn contains(args: &[Value]) -> Result<Value, String> {
    let [Value::String(text), Value::String(part)] = args else {
        return mistyped();
    };
    Ok(Value::Bool(find(text, part).is_some()))
}

/// `strings.Split`.
///
/// # Errors
/// Go's text.
pub fn split(args: &[Value]) -> Result<Value, String> {
    let [Value::String(text), Value::String(separator)] = args else {
        return mistyped();
    };
    if separator.is_empty() {
        let characters = utf8::characters(text).map(|one| text.slice_ref(one));
        return Ok(Value::strings(characters.collect()));
    }
    let mut parts = Vec::new();
    let mut rest = &text[..];
    while let Some(at) = find(rest, separator) {
        parts.push(text.slice_ref(&rest[..at]));
        rest = &rest[at + separator.len()..];
    }
    parts.push(text.slice_ref(rest));
    Ok(Value::strings(parts))
}

/// `strings.Join`.
///
/// # Errors
/// Go's text.
pub fn join(args: &[Value]) -> Result<Value, String> {
    let [Value::Strings(items), Value::String(separator)] = args else {
        return mistyped();
    };
    let items = items.borrow();
    let length = items.iter().map(Str::len).sum::<usize>();
    check_length(
        separator
            .len()
            .saturating_mul(items.len())
            .saturating_add(length),
    )?;
    Ok(Value::string(items.join(&separator[..])))
}

/// `strings.Replace`: text, old, new, and how often; any number of times if that is negative.
///
/// # Errors
/// Go's text.
pub fn replace(args: &[Value]) -> Result<Value, String> {
    let [
        Value::String(text),
        Value::String(old),
        Value::String(new),
        Value::Int(most),
    ] = args
    else {
        return mistyped();
    };
    // Below zero there is no limit.
    let most = usize::try_from(*most).unwrap_or(usize::MAX);
    let places = places(text, old, most);
    check_length(
        places
            .len()
            .saturating_mul(new.len())
            .saturating_add(text.len()),
    )?;
    let mut replaced = Vec::new();
    let mut end = 0;
    for at in places {
        replaced.extend_from_slice(&text[end..at]);
        replaced.extend_from_slice(new);
        end = at + old.len();
    }
    replaced.extend_from_slice(&text[end..]);
    Ok(Value::string(replaced))
}

/// `strings.Repeat`: the text so many times.
///
/// # Errors
/// Go's text.
pub fn repeated(text: &[u8], count: i64) -> Result<Vec<u8>, String> {
    let Ok(count) = usize::try_from(count) else {
        return Err("strings: negative Repeat count".to_owned());
    };
    check_length(text.len().saturating_mul(count))?;
    Ok(text.repeat(count))
}

/// `strings.TrimSuffix`.
///
/// # Errors
/// Go's text.
pub fn trim_suffix(args: &[Value]) -> Result<Value, String> {
    let [Value::String(text), Value::String(suffix)] = args else {
        return mistyped();
    };
    let rest = text.strip_suffix(&suffix[..]).unwrap_or(text);
    Ok(Value::String(text.slice_ref(rest)))
}

/// `strings.ToUpper`.
///
/// # Errors
/// Go's text.
pub fn to_upper(args: &[Value]) -> Result<Value, String> {
    cased(args, upper)
}

/// `strings.ToLower`.
///
/// # Errors
/// Go's text.
pub fn to_lower(args: &[Value]) -> Result<Value, String> {
    cased(args, lower)
}

fn cased(args: &[Value], case: fn(char) -> char) -> Result<Value, String> {
    let [Value::String(text)] = args else {
        return mistyped();
    };
    let text: String = utf8::mended(text).chars().map(case).collect();
    Ok(Value::string(text))
}

/// Where `old` is in `text`, at most `most` times. If it is empty: around each character.
fn places(text: &[u8], old: &[u8], most: usize) -> Vec<usize> {
    let mut from = 0;
    let mut next = || {
        let at = from + find(text.get(from..)?, old)?;
        let width = decode(&text[at..]).map_or(1, |(_, width)| width);
        from = at + if old.is_empty() { width } else { old.len() };
        Some(at)
    };
    std::iter::from_fn(&mut next).take(most).collect()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    let Some((first, others)) = part.split_first() else {
        return Some(0);
    };
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|byte| byte == first)?;
        from = at + 1;
        if text[from..].starts_with(others) {
            return Some(at);
        }
    }
}

/// Refuses to make a text of that many bytes.
///
/// # Errors
/// When it would be a mistake in a template.
pub fn check_length(length: usize) -> Result<(), String> {
    if length > LONGEST {
        return Err(format!("the result would be {length} bytes long"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::library::tests::{call, strings, text};

    fn replaced(of: &str, old: &str, new: &str, most: i64) -> Result<String, String> {
        call(
            "replace",
            &[text(of), text(old), text(new), Value::Int(most)],
        )
    }

    #[test]
    fn a_text_is_split_at_each_separator() {
        assert_eq!(
            strings("split", &[text("a:b:c"), text(":")]),
            ["a", "b", "c"]
        );
        assert_eq!(
            strings("split", &[text(":a::"), text(":")]),
            ["", "a", "", ""]
        );
        assert_eq!(strings("split", &[text(""), text(":")]), [""]);
        assert_eq!(strings("split", &[text("aXXXb"), text("XX")]), ["a", "Xb"]);
        assert_eq!(strings("split", &[text("ab"), text("abc")]), ["ab"]);
    }

    #[test]
    fn an_empty_separator_splits_into_characters() {
        assert_eq!(
            strings("split", &[text("aé😀"), text("")]),
            ["a", "é", "😀"]
        );
        assert_eq!(strings("split", &[text(""), text("")]), [""; 0]);
        let bytes = Value::string(&b"a\xffb"[..]);
        assert_eq!(
            strings("split", &[bytes, text("")]),
            [&b"a"[..], b"\xff", b"b"]
        );
    }

    #[test]
    fn texts_are_joined_with_a_separator() {
        let items = |items: &[&'static str]| {
            Value::strings(items.iter().map(|item| Str::from(*item)).collect())
        };
        assert_eq!(
            call("join", &[items(&["a", "b", ""]), text("--")]),
            Ok("a--b--".into())
        );
        assert_eq!(call("join", &[items(&[]), text("-")]), Ok("".into()));
        let huge = Value::string("x".repeat(1 << 20));
        let many = Value::strings(vec![Str::new(); 100]);
        assert_eq!(
            call("join", &[many, huge]),
            Err("the result would be 104857600 bytes long".into())
        );
    }

    #[test]
    fn texts_are_replaced_up_to_a_number() {
        assert_eq!(replaced("a-b-c", "-", "__", -1), Ok("a__b__c".into()));
        assert_eq!(replaced("a-b-c", "-", "_", 1), Ok("a_b-c".into()));
        assert_eq!(replaced("a-b-c", "-", "_", 0), Ok("a-b-c".into()));
        assert_eq!(replaced("aaa", "aa", "b", -1), Ok("ba".into()));
        assert_eq!(replaced("", "a", "b", -1), Ok("".into()));
    }

    #[test]
    fn an_empty_text_is_replaced_around_each_character() {
        assert_eq!(replaced("aé", "", ".", -1), Ok(".a.é.".into()));
        assert_eq!(replaced("aé", "", ".", 2), Ok(".a.é".into()));
        assert_eq!(replaced("", "", ".", -1), Ok(".".into()));
        let bytes = [
            Value::string(&b"\xff\xc3"[..]),
            text(""),
            text("."),
            Value::Int(-1),
        ];
        let result = call_bytes("replace", &bytes);
        assert_eq!(result, b".\xff.\xc3.");
    }

    fn call_bytes(name: &str, args: &[Value]) -> Vec<u8> {
        match crate::library::tests::value(name, args) {
            Ok(Value::String(bytes)) => bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_replacement_may_not_fill_the_memory() {
        let long = "x".repeat(1 << 20);
        assert_eq!(
            replaced(&long, "x", &"y".repeat(100), -1),
            Err("the result would be 105906176 bytes long".into())
        );
    }

    #[test]
    fn a_text_is_repeated_within_bounds() {
        assert_eq!(repeated(b"ab", 3), Ok(b"ababab".to_vec()));
        assert_eq!(repeated(b"ab", 0), Ok(Vec::new()));
        assert_eq!(repeated(b"", i64::MAX), Ok(Vec::new()));
        assert_eq!(
            repeated(b"ab", -1),
            Err("strings: negative Repeat count".into())
        );
        assert_eq!(
            repeated(b"ab", i64::MAX),
            Err("the result would be 18446744073709551614 bytes long".into())
        );
    }

    #[test]
    fn case_is_changed_character_by_character() {
        assert_eq!(
            call("toUpper", &[text("aß ﬀ é ᾳᾀ ŉ")]),
            Ok("Aß ﬀ É ᾼᾈ ŉ".into())
        );
        assert_eq!(call("toLower", &[text("AÉΣ İ ẞ")]), Ok("aéσ i ß".into()));
        let bytes = Value::string(&b"a\xff\xc3"[..]);
        assert_eq!(call("toUpper", &[bytes]), Ok("A\u{fffd}\u{fffd}".into()));
    }

    #[test]
    fn a_suffix_is_trimmed_once() {
        assert_eq!(
            call("trimSuffix", &[text("a.b.b"), text(".b")]),
            Ok("a.b".into())
        );
        assert_eq!(call("trimSuffix", &[text("a"), text("ba")]), Ok("a".into()));
    }

    #[test]
    fn every_text_contains_the_empty_one() {
        assert_eq!(call("contains", &[text(""), text("")]), Ok("true".into()));
        assert_eq!(
            call("contains", &[text("abc"), text("bc")]),
            Ok("true".into())
        );
        assert_eq!(
            call("contains", &[text("abc"), text("ac")]),
            Ok("false".into())
        );
    }

    proptest! {
        #[test]
        fn agrees_with_rust_on_text(of in "[ab🦀]{0,8}", old in "[ab🦀]{0,2}", most in 0..4usize) {
            let limit = i64::try_from(most).unwrap();
            prop_assert_eq!(replaced(&of, &old, "x", limit), Ok(of.replacen(&old, "x", most)));
            prop_assert_eq!(find(of.as_bytes(), old.as_bytes()), of.find(&old));
        }
    }
}
