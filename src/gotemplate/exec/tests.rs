use crate::tests::{list, map, pairs, render, render_with};
use crate::value::Value;
use crate::{MissingKey, Options};

fn error(position: &str, context: &str, message: &str) -> String {
    format!("template: t:{position}: executing \"t\" at <{context}>: {message}")
}

fn strings<const N: usize>(items: [&'static str; N]) -> Value {
    Value::strings(items.map(Into::into).to_vec())
}

#[test]
fn actions_print_as_go_does() {
    let data = map([
        ("bool", Value::Bool(true)),
        ("float", Value::Float(1e6)),
        (
            "list",
            list([Value::Int(1), Value::Nil, Value::string("x")]),
        ),
        ("map", map([("b", Value::Int(2)), ("a", list([]))])),
        ("null", Value::Nil),
        ("pairs", pairs([("/a", "1"), ("/b", "")])),
        ("strings", strings(["x", "y z"])),
    ]);
    for (template, output) in [
        (
            "{{.bool}} {{.float}} {{1.0}} {{1i}} {{'a'}}",
            "true 1e+06 1 (0+1i) 97",
        ),
        ("{{.list}} {{.map}}", "[1 <nil> x] map[a:[] b:2]"),
        ("{{.pairs}} {{index .pairs 0}}", "[{/a 1} {/b }] {/a 1}"),
        ("{{.strings}}", "[x y z]"),
        (
            "{{.null}} {{.missing}} {{.missing.further}}",
            "<no value> <no value> <no value>",
        ),
        (
            "{{print .null}} {{range .list}}{{.}} {{end}}",
            "<nil> 1 <no value> x ",
        ),
    ] {
        assert_eq!(render(template, &data), output, "{template}");
    }
}

#[test]
fn fields_depend_on_the_type() {
    let data = map([
        ("n", Value::Nil),
        ("s", Value::string("x")),
        ("p", pairs([("/a", "1")])),
        ("m", map([("Len", Value::Int(9))])),
    ]);
    let can_not = |field: &str, kind: &str| format!("can't evaluate field {field} in type {kind}");
    for (template, output) in [
        (
            "{{.p.Len}} {{.m.Len}} {{(index .p 0).Key}}",
            "1 9 /a".to_owned(),
        ),
        (
            "{{.n.x}}",
            error("1:4", ".n.x", "nil pointer evaluating interface {}.x"),
        ),
        (
            "{{.s.x}}",
            error("1:4", ".s.x", &can_not("x", "interface {}")),
        ),
        (
            "{{with .s}}{{.x}}{{end}}",
            error("1:13", ".x", &can_not("x", "string")),
        ),
        (
            "{{$p := .p}}{{$p.x}}",
            error("1:16", "$p.x", &can_not("x", "memkv.KVPairs")),
        ),
        (
            "{{(index .p 0).key}}",
            error("1:12", "0", &can_not("key", "memkv.KVPair")),
        ),
        (
            "{{range .p}}{{.Key 1}}{{end}}",
            error(
                "1:14",
                ".Key",
                "Key has arguments but cannot be invoked as function",
            ),
        ),
        (
            "{{.m.x 1}}",
            error("1:4", ".m.x", "x is not a method but has arguments"),
        ),
        (
            "{{.p.Len 1}}",
            error(
                "1:4",
                ".p.Len",
                "wrong number of args for Len: want 0 got 1",
            ),
        ),
        (
            "{{.p.Swap 0 0}}",
            error(
                "1:4",
                ".p.Swap",
                "can't call method/function \"Swap\" with 0 results",
            ),
        ),
    ] {
        assert_eq!(render(template, &data), output, "{template}");
    }
}

#[test]
fn missing_keys_are_as_the_option_says() {
    let render = |template, missing_key| {
        let options = Options {
            missing_key,
            ..Options::default()
        };
        render_with(template, &map([]), &options)
    };
    let invalid = "<no value>";
    let nil = error("1:4", ".a.b", "nil pointer evaluating interface {}.b");
    let missing = error("1:2", ".a", "map has no entry for key \"a\"");
    assert_eq!(render("{{.a}}", MissingKey::Invalid), invalid);
    assert_eq!(render("{{.a.b}}", MissingKey::Invalid), invalid);
    assert_eq!(render("{{.a}}", MissingKey::Zero), invalid);
    assert_eq!(render("{{.a.b}}", MissingKey::Zero), nil);
    assert_eq!(render("{{.a}}", MissingKey::Error), missing);
    assert_eq!(
        render(
            "{{template \"t2\"}}{{define \"t2\"}}{{.a}}{{end}}",
            MissingKey::Error
        ),
        "template: t:1:34: executing \"t2\" at <.a>: nil data; no entry for key \"a\""
    );
}

#[test]
fn branches_choose_by_truth() {
    for (value, is_true) in [
        (Value::Nil, false),
        (Value::Int(0), false),
        (Value::Int(-1), true),
        (Value::Float(0.0), false),
        (Value::Complex(0.0, 0.1), true),
        (Value::string(""), false),
        (list([]), false),
        (list([Value::Nil]), true),
        (map([]), false),
        (pairs([]), false),
        (pairs([("", "")]).element(0).unwrap(), true),
    ] {
        let output = if is_true { "yes" } else { "no" };
        assert_eq!(
            render("{{if .}}yes{{else}}no{{end}}", &value),
            output,
            "{value:?}"
        );
        assert_eq!(
            render("{{with .}}yes{{else}}no{{end}}", &value),
            output,
            "{value:?}"
        );
    }
    let chain = "{{if $x := .a}}1{{else if $y := .b}}2{{$y}}{{else}}3{{$x}}{{$y}}{{end}}";
    assert_eq!(render(chain, &map([("b", Value::Int(7))])), "27");
    assert_eq!(render(chain, &map([("b", Value::Int(0))])), "3<no value>0");
    assert_eq!(
        render(
            "{{with .a}}{{.}}{{else with .b}}<{{.}}>{{end}}",
            &map([("b", Value::Int(1))])
        ),
        "<1>"
    );
}

#[test]
fn ranges_go_over_collections_and_numbers() {
    let data = map([
        ("list", list([Value::Int(5), Value::Int(6), Value::Int(7)])),
        ("map", map([("b", Value::Int(2)), ("a", Value::Int(1))])),
        ("pairs", pairs([("/a", "1"), ("/b", "2")])),
        ("text", Value::string("x")),
    ]);
    for (template, output) in [
        ("{{range .list}}{{.}}{{end}}", "567"),
        ("{{range $i, $e := .list}}{{$i}}{{$e}},{{end}}", "05,16,27,"),
        (
            "{{range $k, $v := .map}}{{$k}}{{$v}}{{.}},{{end}}",
            "a11,b22,",
        ),
        ("{{range .pairs}}{{.Key}}={{.Value}} {{end}}", "/a=1 /b=2 "),
        (
            "{{range 3}}{{.}}{{end}}{{range 0}}x{{else}}none{{end}}",
            "012none",
        ),
        ("{{range .missing}}x{{else}}none{{end}}", "none"),
        (
            "{{range .list}}{{if eq . 6}}{{continue}}{{end}}{{.}}{{end}}",
            "57",
        ),
        ("{{range .list}}{{with 1}}{{break}}{{end}}x{{end}}y", "y"),
        (
            "{{range .list}}{{range $.list}}{{break}}{{end}}{{.}}{{end}}",
            "567",
        ),
    ] {
        assert_eq!(render(template, &data), output, "{template}");
    }
    assert_eq!(
        render("{{range .text}}{{end}}", &data),
        error("1:8", ".text", "range can't iterate over x")
    );
    assert_eq!(
        render("{{range $i, $n := 2}}{{end}}", &data),
        error(
            "1:18",
            "2",
            "can't use 2 to iterate over more than one variable"
        )
    );
}

#[test]
fn variables_end_with_their_block() {
    for (template, output) in [
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"),
        ("{{$x := 1}}{{range 3}}{{$x = .}}{{end}}{{$x}}", "2"),
        (
            "{{$x := 1}}{{$y := 9}}{{range $x = 3}}{{end}}{{$x}}{{$y}}",
            "29",
        ),
        (
            "{{$k := 8}}{{$v := 9}}{{range $k, $v = map `a` 1}}{{end}}{{$k}}{{$v}}",
            "a1",
        ),
        (
            "{{range $i, $x := map `a` 1}}{{$y := 2}}{{$i}}{{$x}}{{$y}}{{end}}",
            "a12",
        ),
        ("{{with $x := 5}}{{$x}}{{.}}{{$}}{{end}}", "55<no value>"),
    ] {
        assert_eq!(render(template, &Value::Nil), output, "{template}");
    }
    assert_eq!(
        render("{{$x = 1}}", &Value::Nil),
        error("1:7", "1", "undefined variable: $x")
    );
}

#[test]
fn templates_have_their_own_dot_and_variables() {
    let data = map([("a", Value::Int(1))]);
    let define = r#"{{define "x"}}[{{.}}{{$}}]{{end}}"#;
    for (uses, output) in [
        (r#"{{template "x"}}"#, "[<no value><no value>]"),
        (r#"{{template "x" .a}}"#, "[11]"),
        (r#"{{with 2}}{{template "x" .}}{{$.a}}{{end}}"#, "[22]1"),
        (r#"{{block "y" .a}}{{.}}{{end}}{{template "y" 3}}"#, "13"),
    ] {
        assert_eq!(render(&(define.to_owned() + uses), &data), output, "{uses}");
    }
    assert_eq!(
        render(r#"{{template "z" .}}"#, &data),
        error(
            "1:11",
            r#"{{template "z" .}}"#,
            r#"template "z" not defined"#
        )
    );
}

#[test]
fn arguments_have_the_types_of_their_parameters() {
    let data = map([
        ("f", Value::Float(1.0)),
        ("n", Value::Nil),
        ("s", strings(["a"])),
    ]);
    let wrong =
        |expected: &str, got: &str| format!("wrong type for value; expected {expected}; got {got}");
    for (template, output) in [
        (
            "{{add 1 2.0}} {{add 'a' 0x10}} {{2 | add 1}}",
            "3 113 3".to_owned(),
        ),
        (
            "{{join .missing `,`}}|{{join nil `,`}}|{{join .s `,`}}",
            "||a".to_owned(),
        ),
        (
            "{{add 1 2.5}}",
            error("1:8", "2.5", "expected integer; found 2.5"),
        ),
        (
            "{{add 1 `2`}}",
            error("1:8", "`2`", "expected integer; found `2`"),
        ),
        (
            "{{toUpper 5}}",
            error("1:10", "5", "expected string; found 5"),
        ),
        (
            "{{join `a` `b`}}",
            error("1:7", "`a`", "can't handle `a` for arg of type []string"),
        ),
        (
            "{{toUpper nil}}",
            error("1:10", "nil", "cannot assign nil to string"),
        ),
        ("{{add .f 1}}", error("1:6", ".f", &wrong("int", "float64"))),
        (
            "{{add .s 1}}",
            error("1:6", ".s", &wrong("int", "[]string")),
        ),
        (
            "{{add .n 1}}",
            error("1:6", ".n", &wrong("int", "interface {}")),
        ),
        (
            "{{add .missing 1}}",
            error("1:6", ".missing", "invalid value; expected int"),
        ),
        (
            "{{(print 1) | add 1}}",
            error("1:18", "1", &wrong("int", "string")),
        ),
        (
            "{{toUpper}}",
            error(
                "1:2",
                "toUpper",
                "wrong number of args for toUpper: want 1 got 0",
            ),
        ),
        (
            "{{1 | toUpper `x`}}",
            error(
                "1:6",
                "toUpper",
                "wrong number of args for toUpper: want 1 got 2",
            ),
        ),
        (
            "{{getv}}",
            error(
                "1:2",
                "getv",
                "wrong number of args for getv: want at least 1 got 0",
            ),
        ),
        (
            "{{getv `/x`}}",
            error(
                "1:2",
                "getv `/x`",
                "error calling getv: key does not exist: /x",
            ),
        ),
    ] {
        assert_eq!(render(template, &data), output, "{template}");
    }
}

#[test]
fn operands_are_no_functions() {
    for (template, position, context, message) in [
        ("{{nil}}", "1:2", "nil", "nil is not a command"),
        (
            "{{1 2}}",
            "1:2",
            "1",
            "can't give argument to non-function 1",
        ),
        (
            "{{(1) 2}}",
            "1:2",
            "(1) 2",
            "can't give argument to non-function 1",
        ),
        (
            "{{$x := 1}}{{$x 2}}",
            "1:13",
            "$x",
            "can't give argument to non-function $x",
        ),
        (
            "{{9223372036854775808}}",
            "1:2",
            "9223372036854775808",
            "9223372036854775808 overflows int",
        ),
    ] {
        assert_eq!(
            render(template, &Value::Nil),
            error(position, context, message)
        );
    }
}

#[test]
fn what_was_sorted_in_place_is_seen_by_all_its_names() {
    let template = "{{$a := split `ccc,a,bb` `,`}}{{$b := sortByLength $a}}{{$a}}{{$b}}";
    assert_eq!(render(template, &Value::Nil), "[a bb ccc][a bb ccc]");
}
