use proptest::prelude::*;

use super::*;
use crate::library::tests::{text, value};

/// The value as JSON again, with sorted keys; strings as Rust shows them.
fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "null".to_owned(),
        Value::Bool(bool) => bool.to_string(),
        Value::Float(number) => number.to_string(),
        Value::String(text) => format!("{:?}", String::from_utf8(text.to_vec()).unwrap()),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            format!("[{}]", items.join(","))
        }
        Value::Map(entries) => {
            let entry = |(key, value)| format!("{}:{}", shown(&Value::String(key)), shown(value));
            let entries: Vec<_> = entries.iter().map(|(k, v)| entry((k.clone(), v))).collect();
            format!("{{{}}}", entries.join(","))
        }
        other => panic!("{other:?}"),
    }
}

fn array_of(json: impl AsRef<[u8]>) -> Result<String, String> {
    let json = Value::string(json.as_ref().to_vec());
    value("jsonArray", &[json]).map(|value| shown(&value))
}

fn object_of(json: &str) -> Result<String, String> {
    value("json", &[text(json)]).map(|value| shown(&value))
}

#[test]
fn objects_and_arrays_nest() {
    let json = r#" {"b":[1, -2.5e3 ,null,{}],"a":{"t":true,"f":false,"e":[]},"":""} "#;
    let sorted = r#"{"":"","a":{"e":[],"f":false,"t":true},"b":[1,-2500,null,{}]}"#;
    assert_eq!(object_of(json), Ok(sorted.into()));
}

#[test]
fn the_last_of_equal_keys_wins() {
    assert_eq!(object_of(r#"{"a":1,"\u0061":2}"#), Ok(r#"{"a":2}"#.into()));
}

#[test]
fn null_is_an_empty_collection() {
    assert_eq!(object_of("null"), Ok("{}".into()));
    assert_eq!(array_of(" null\n"), Ok("[]".into()));
}

#[test]
fn strings_are_unescaped() {
    assert_eq!(
        array_of(r#"["\"\\\/\b\f\n\r\t", "\u00e9\u00E9x", "\ud83d\ude00"]"#),
        Ok(r#"["\"\\/\u{8}\u{c}\n\r\t","ééx","😀"]"#.into())
    );
}

#[test]
fn what_is_no_character_is_replaced() {
    for (json, string) in [
        (&b"[\"a\xffb\"]"[..], "a\u{fffd}b"),
        (b"[\"\xe2\x82\\n\xff\"]", "\u{fffd}\u{fffd}\n\u{fffd}"),
        (br#"["\ud800"]"#, "\u{fffd}"),
        (br#"["\ude00\ud83d"]"#, "\u{fffd}\u{fffd}"),
        (br#"["\ud83dx"]"#, "\u{fffd}x"),
        (br#"["\ud83d\n"]"#, "\u{fffd}\n"),
        (br#"["\ud83d\u0041"]"#, "\u{fffd}A"),
        (br#"["\ud83d\ud83d\ude00"]"#, "\u{fffd}😀"),
    ] {
        assert_eq!(array_of(json), Ok(format!("[{string:?}]")));
    }
}

#[test]
fn the_other_kinds_do_not_fit() {
    let unfit = |kind: &str, wanted: &str| {
        Err(format!(
            "json: cannot unmarshal {kind} into Go value of type {wanted}"
        ))
    };
    for (json, kind) in [
        ("\"x\"", "string"),
        ("1", "number"),
        ("1e999", "number"),
        ("true", "bool"),
        ("[1e999]", "array"),
    ] {
        assert_eq!(object_of(json), unfit(kind, "map[string]interface {}"));
    }
    assert_eq!(array_of("{}"), unfit("object", "[]interface {}"));
    assert_eq!(array_of("false"), unfit("bool", "[]interface {}"));
}

#[test]
fn the_first_number_too_large_is_named() {
    assert_eq!(
        array_of("[1, -1e999, {\"a\": 1e400}]"),
        Err("json: cannot unmarshal number -1e999 into Go value of type float64".into())
    );
    assert_eq!(array_of("[1e-999, 1e308]"), Ok(format!("[0,{}]", 1e308)));
    assert_eq!(
        array_of("[1e999"),
        Err("unexpected end of JSON input".into())
    );
}

#[test]
fn faults_are_named_as_go_does() {
    for (json, fault) in [
        ("", "unexpected end of JSON input"),
        (" ", "unexpected end of JSON input"),
        ("[", "unexpected end of JSON input"),
        ("[1", "unexpected end of JSON input"),
        ("[1,", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("{\"a\"", "unexpected end of JSON input"),
        ("{\"a\":", "unexpected end of JSON input"),
        ("[\"a", "unexpected end of JSON input"),
        (
            "{oops",
            "invalid character 'o' looking for beginning of object key string",
        ),
        (
            "{\"a\":1,}",
            "invalid character '}' looking for beginning of object key string",
        ),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        (
            "{\"a\":1 \"b\"}",
            "invalid character '\"' after object key:value pair",
        ),
        ("[1 2]", "invalid character '2' after array element"),
        ("[01]", "invalid character '1' after array element"),
        (
            "[1,]",
            "invalid character ']' looking for beginning of value",
        ),
        (
            "['a']",
            "invalid character '\\'' looking for beginning of value",
        ),
        (
            "[+1]",
            "invalid character '+' looking for beginning of value",
        ),
        (
            "[\\]",
            "invalid character '\\\\' looking for beginning of value",
        ),
        ("é", "invalid character 'Ã' looking for beginning of value"),
        (
            "\u{a0}",
            "invalid character 'Â' looking for beginning of value",
        ),
        (
            "\0",
            "invalid character '\\x00' looking for beginning of value",
        ),
        ("{} x", "invalid character 'x' after top-level value"),
        ("12a", "invalid character 'a' after top-level value"),
        ("[\"a\nb\"]", "invalid character '\\n' in string literal"),
        ("[\"\\x\"]", "invalid character 'x' in string escape code"),
        ("[\"\\", "invalid character ' ' in string escape code"),
        (
            "[\"\\u12g4\"]",
            "invalid character 'g' in \\u hexadecimal character escape",
        ),
        ("[-]", "invalid character ']' in numeric literal"),
        ("-", "invalid character ' ' in numeric literal"),
        (
            "[1.]",
            "invalid character ']' after decimal point in numeric literal",
        ),
        (
            "[1e+]",
            "invalid character ']' in exponent of numeric literal",
        ),
        (
            "trux",
            "invalid character 'x' in literal true (expecting 'e')",
        ),
        (
            "fals",
            "invalid character ' ' in literal false (expecting 'e')",
        ),
        (
            "nil",
            "invalid character 'i' in literal null (expecting 'u')",
        ),
    ] {
        assert_eq!(object_of(json), Err(fault.into()), "{json:?}");
    }
    assert_eq!(
        array_of(b"[\xad]"),
        Err("invalid character '\\u00ad' looking for beginning of value".into())
    );
}

#[test]
fn values_may_nest_ten_thousand_deep() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(
        value("jsonArray", &[text(&nested(10_000))])
            .unwrap()
            .depth(),
        10_000
    );
    let too_deep = Err("invalid character '[' exceeded max depth".to_owned());
    assert_eq!(array_of(nested(10_001)), too_deep);
    assert_eq!(array_of("[".repeat(1_000_000)), too_deep);
}

proptest! {
    #[test]
    fn takes_what_another_parser_takes(json in r#"[\[\]{}:,"a\\un0-9e.+ -]{0,12}|\[("a"|1|,|\[|\]|:){0,8}\]"#) {
        let other = serde_json::from_str::<serde_json::Value>(&json);
        let ours = parse(&Str::from(json));
        match (&ours, &other) {
            (Ok((value, None)), Ok(expected)) => {
                // serde_json keeps whole numbers apart.
                let numbers = |text: String| text.replace(".0", "").replace("-0", "0");
                prop_assert_eq!(numbers(shown(value)), numbers(shown(&of(expected))));
            }
            (Ok((_, Some(_))), other) => prop_assert!(other.is_err()),
            _ => prop_assert_eq!(ours.is_ok(), other.is_ok() || lone_surrogate(&other)),
        }
    }
}

/// serde_json refuses half a pair, Go replaces it.
fn lone_surrogate(parsed: &Result<serde_json::Value, serde_json::Error>) -> bool {
    let message = parsed
        .as_ref()
        .err()
        .map(ToString::to_string)
        .unwrap_or_default();
    message.contains("surrogate") || message.contains("hex escape")
}

fn of(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(bool) => Value::Bool(*bool),
        serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap()),
        serde_json::Value::String(text) => Value::string(text.clone()),
        serde_json::Value::Array(items) => Value::list(items.iter().map(of).collect()),
        serde_json::Value::Object(entries) => {
            let entry = |(key, value): (&String, _)| (Str::from(key.clone()), of(value));
            Value::map(entries.iter().map(entry).collect())
        }
    }
}

#[test]
fn any_value_is_read_and_a_number_that_is_too_large_is_nil() {
    let read = |json: &str| super::any(&[text(json)]).map(|value| shown(&value));
    assert_eq!(read(" [1, {\"a\": 1e999}] "), Ok("[1,{\"a\":null}]".into()));
    assert_eq!(read("\"x\""), Ok("\"x\"".into()));
    assert_eq!(read("1e999"), Ok("null".into()));
    assert_eq!(read("{"), Err("unexpected end of JSON input".into()));
    assert_eq!(
        object_of("1e999"),
        Err("json: cannot unmarshal number into Go value of type map[string]interface {}".into())
    );
}
