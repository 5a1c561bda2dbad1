use crate::tests::{list, map, pairs, render};
use crate::value::Value;

fn calling(name: &str, call: &str, message: &str) -> String {
    format!("template: t:1:2: executing \"t\" at <{call}>: error calling {name}: {message}")
}

#[test]
fn and_and_or_stop_at_what_decides() {
    for (template, output) in [
        ("{{and 1 0 (index 1 2)}} {{or 0 `x` (index 1 2)}}", "0 x"),
        (
            "{{and true `y`}} {{or 0 ``}}| {{1 | and 2}} {{3 | or 0}}",
            "y | 1 3",
        ),
        ("{{not 0}} {{not `x`}} {{not nil}}", "true false true"),
    ] {
        assert_eq!(render(template, &Value::Nil), output, "{template}");
    }
}

#[test]
fn equality_is_within_a_kind() {
    let data = map([
        ("n", Value::Nil),
        ("p", pairs([("/a", "1")])),
        ("u", Value::Uint16(3)),
    ]);
    for (template, output) in [
        (
            "{{eq 1 1}} {{eq 1 2 3 1}} {{ne `a` `b`}} {{eq 1.5 1.5}} {{eq 1i 1i}}",
            "true true true true true",
        ),
        ("{{eq .u 3}} {{eq 3 .u}} {{eq .u -3}}", "true true false"),
        (
            "{{eq .n nil}} {{eq .missing .n}} {{eq 1 nil}} {{eq nil 1 nil}}",
            "true true false true",
        ),
        ("{{eq (index .p 0) (index .p 0)}}", "true"),
        (
            "{{eq .p nil}} {{ne .p nil}} {{eq nil .p}} {{ne .p nil}}",
            "false true false true",
        ),
        (
            "{{eq . nil}} {{eq . nil nil}} {{eq nil . nil}}",
            "false false true",
        ),
    ] {
        assert_eq!(render(template, &data), output, "{template}");
    }
    let failing = |call: &str, message: &str| {
        assert_eq!(
            render(&format!("{{{{{call}}}}}"), &data),
            calling("eq", call, message)
        );
    };
    failing("eq 1 1.0", "incompatible types for comparison");
    failing("eq 1 `1`", "incompatible types for comparison");
    failing("eq 1", "missing argument for comparison");
    failing("eq .p", "non-comparable type [{/a 1}]: memkv.KVPairs");
    failing("eq .p `a`", "incompatible types for comparison");
    failing("eq .p 1 nil", "incompatible types for comparison");
    failing("eq . true", "incompatible types for comparison");
    failing("eq .p .p", "non-comparable type [{/a 1}]: memkv.KVPairs");
    failing(
        "eq (index .p 0) .p",
        "non-comparable type [{/a 1}]: memkv.KVPairs",
    );
}

#[test]
fn order_is_within_a_kind() {
    let data = map([("u", Value::Uint16(3)), ("nan", Value::Float(f64::NAN))]);
    for (template, output) in [
        (
            "{{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 1 2}}",
            "true true false false",
        ),
        (
            "{{lt `a` `b`}} {{lt 1.0 1.5}} {{lt .u 4}} {{lt -1 .u}}",
            "true true true true",
        ),
        (
            "{{lt .nan 1.0}} {{le .nan 1.0}} {{gt .nan 1.0}}",
            "false false true",
        ),
    ] {
        assert_eq!(render(template, &data), output, "{template}");
    }
    for (call, message) in [
        ("lt 1 1.5", "incompatible types for comparison"),
        ("lt true false", "invalid type for comparison"),
        ("lt nil 1", "invalid type for comparison"),
    ] {
        assert_eq!(
            render(&format!("{{{{{call}}}}}"), &data),
            calling("lt", call, message)
        );
    }
}

#[test]
fn index_goes_into_slices_maps_and_strings() {
    let data = map([
        ("l", list([Value::Int(7), map([("k", Value::string("v"))])])),
        ("n", Value::Nil),
    ]);
    for (template, output) in [
        (
            "{{index .l 0}} {{index .l 1 `k`}} {{index . `l` 0}} {{index `ab` 1}}",
            "7 v 7 98",
        ),
        (
            "{{index . `x`}} {{index . `n`}} {{len (index .l)}}",
            "<no value> <no value> 2",
        ),
    ] {
        assert_eq!(render(template, &data), output, "{template}");
    }
    for (call, message) in [
        ("index .l 2", "reflect: slice index out of range"),
        ("index `ab` 2", "reflect: string index out of range"),
        ("index .l 3", "index out of range: 3"),
        ("index .l -1", "index out of range: -1"),
        ("index .l `a`", "cannot index slice/array with type string"),
        ("index .l nil", "cannot index slice/array with nil"),
        ("index . 1", "value has type int; should be string"),
        ("index . nil", "value is nil; should be of type string"),
        ("index .n 1", "index of untyped nil"),
        ("index . `n` 1", "index of nil pointer"),
        ("index 1 1", "can't index item of type int"),
    ] {
        assert_eq!(
            render(&format!("{{{{{call}}}}}"), &data),
            calling("index", call, message)
        );
    }
}

#[test]
fn slice_cuts_slices_and_strings() {
    let data = list([Value::Int(1), Value::Int(2), Value::Int(3)]);
    for (template, output) in [
        (
            "{{slice .}} {{slice . 1}} {{slice . 1 2}} {{slice . 0 1 3}}",
            "[1 2 3] [2 3] [2] [1]",
        ),
        ("{{slice `abc` 1 2}} {{slice `abc` 3}}|", "b |"),
    ] {
        assert_eq!(render(template, &data), output, "{template}");
    }
    for (call, message) in [
        ("slice . 2 1", "invalid slice index: 2 > 1"),
        ("slice . 0 2 1", "invalid slice index: 2 > 1"),
        ("slice . 4", "index out of range: 4"),
        ("slice `abc` 0 1 2", "cannot 3-index slice a string"),
        ("slice . 0 1 2 3", "too many slice indexes: 4"),
        ("slice 1", "can't slice item of type int"),
        ("slice nil", "slice of untyped nil"),
    ] {
        assert_eq!(
            render(&format!("{{{{{call}}}}}"), &data),
            calling("slice", call, message)
        );
    }
}

#[test]
fn len_needs_a_length() {
    let data = map([("n", Value::Nil)]);
    assert_eq!(
        render("{{len .}} {{len `日本`}} {{len (split `a` ``)}}", &data),
        "1 6 1"
    );
    for (call, message) in [
        ("len 3", "len of type int"),
        ("len .n", "len of nil pointer"),
        (
            "len .missing",
            "reflect: call of reflect.Value.Type on zero Value",
        ),
    ] {
        assert_eq!(
            render(&format!("{{{{{call}}}}}"), &data),
            calling("len", call, message)
        );
    }
}

#[test]
fn nothing_can_be_called() {
    assert_eq!(
        render("{{call nil}}", &Value::Nil),
        calling("call", "call nil", "call of nil")
    );
    assert_eq!(
        render("{{call 1 2}}", &Value::Nil),
        calling("call", "call 1 2", "non-function of type int")
    );
}

#[test]
fn print_puts_spaces_where_no_string_is() {
    assert_eq!(
        render("{{print 1 2 `a` 3 4 nil}}", &Value::Nil),
        "1 2a3 4 <nil>"
    );
    assert_eq!(
        render("{{println 1 `a` nil}}|", &Value::Nil),
        "1 a <nil>\n|"
    );
}

#[test]
fn texts_are_escaped_for_their_place() {
    let data = Value::string("<a href=\"x\">'é&\0\n\u{200b}\\</a>");
    for (template, output) in [
        (
            "{{html .}}",
            "&lt;a href=&#34;x&#34;&gt;&#39;é&amp;\u{fffd}\n\u{200b}\\&lt;/a&gt;",
        ),
        (
            "{{js .}}",
            r#"\u003Ca href\u003D\"x\"\u003E\'é\u0026\u0000\u000A\u200B\\\u003C/a\u003E"#,
        ),
        (
            "{{urlquery .}}",
            "%3Ca+href%3D%22x%22%3E%27%C3%A9%26%00%0A%E2%80%8B%5C%3C%2Fa%3E",
        ),
        ("{{html 1 nil `<`}}", "1&lt;no value&gt;&lt;"),
    ] {
        assert_eq!(render(template, &data), output, "{template}");
    }
}
