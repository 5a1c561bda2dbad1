//! Templates that call every function but those that ask the network.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use renderer::functions::FUNCTIONS;
use renderer::template::function::Type;

use crate::damage::damaged;

const BUILTINS: &[&str] = &[
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or",
    "print", "printf", "println", "slice", "urlquery",
];

const TEXTS: &[&str] = &[
    r#""/services/web/1""#,
    r#""/services/web/*""#,
    r#""/*""#,
    r#""/[a-c]*\\""#,
    r#""/json""#,
    r#""/services""#,
    r#""2006-01-02T15:04:05.000Z07:00 Mon Jan""#,
    r#""%v %#v %+q %x %T""#,
    r#""%[3]*.[2]*[1]f %!""#,
    r#""%99999d %-8.3s|""#,
    "``",
    "`/`",
    r#"(getv "/json" "{}")"#,
    r#"(getv "/list")"#,
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "70",
    "9223372036854775807",
    "-9223372036854775808",
    "(len .)",
];

const OPERANDS: &[&str] = &[
    ".",
    "$",
    "$x",
    "nil",
    "true",
    "'c'",
    "1.5e300",
    "1i",
    ".Key",
    ".a.b",
    "$x.host",
    "$x.Len",
    "(index $x 0)",
    "datetime.Month",
    r#"(gets "/*")"#,
    r#"(getvs "/services/web/*")"#,
    r#"(ls "/")"#,
    r#"(json (getv "/json"))"#,
    r#"(jsonArray (getv "/list"))"#,
    r#"(map "a" . "b" $x)"#,
    r#"(split "a,b" ",")"#,
    "(seq 1 3)",
];

const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{end}}",
    "{{else}}",
    "{{- ",
    " -}}",
    "(",
    ")",
    "|",
    "$x",
    ":=",
    " ",
    ".",
    "\"",
    "`",
    "/*",
    "{{break}}",
    "{{define `t`}}",
    "{{template `t` .}}",
    "{{block `u` .}}",
];

/// Templates, half of them damaged.
pub(crate) fn templates() -> impl Strategy<Value = Vec<u8>> {
    let whole = (pipeline(), list(), list()).prop_map(|(x, main, t)| {
        format!("{{{{$x := {x}}}}}{main}{{{{define `t`}}}}{t}{{{{end}}}}")
    });
    damaged(whole, PIECES)
}

fn list() -> impl Strategy<Value = String> {
    let node = prop_oneof![
        2 => select(&["server ", ";\n", "é", "\u{0}"][..]).prop_map(str::to_owned),
        4 => pipeline().prop_map(|pipe| format!("{{{{{pipe}}}}}")),
        2 => pipeline().prop_map(|pipe| format!("{{{{$x = {pipe}}}}}")),
        1 => pipeline().prop_map(|pipe| format!("{{{{template `t` {pipe}}}}}")),
    ];
    node.prop_recursive(4, 24, 4, |node| {
        let word = select(&["if", "with", "range", "range $i, $x :=", "range $x :="][..]);
        let body = || vec(node.clone(), 0..4).prop_map(|nodes| nodes.concat());
        let rest = select(&["", "{{else}}", "{{break}}", "{{else if $x}}"][..]);
        (word, pipeline(), body(), rest, body()).prop_map(|(word, pipe, body, rest, other)| {
            format!("{{{{{word} {pipe}}}}}{body}{rest}{other}{{{{end}}}}")
        })
    })
}

fn pipeline() -> impl Strategy<Value = String> {
    let end = select(
        &[
            "",
            "",
            "",
            " | len",
            " | printf `%q`",
            " | $x.Len",
            " | json",
        ][..],
    );
    (prop_oneof![operand(Type::Any), call()], end).prop_map(|(command, end)| command + end)
}

/// A function with arguments of mostly the types that it wants.
fn call() -> impl Strategy<Value = String> {
    let ours = FUNCTIONS
        .iter()
        .filter(|function| !function.name.starts_with("lookup"))
        .map(|function| (function.name, function.params, function.variadic));
    let builtins = BUILTINS.iter().map(|&name| (name, &[Type::Any][..], true));
    select(ours.chain(builtins).collect::<Vec<_>>()).prop_flat_map(|(name, params, variadic)| {
        let args: Vec<_> = params.iter().map(|&kind| operand(kind)).collect();
        let more = vec(operand(Type::Any), 0..if variadic { 4 } else { 1 });
        (args, more).prop_map(move |(args, more)| {
            let words = [vec![name.to_owned()], args, more].concat();
            words.join(" ")
        })
    })
}

fn operand(kind: Type) -> BoxedStrategy<String> {
    let fitting = match kind {
        Type::String => TEXTS,
        Type::Int => NUMBERS,
        _ => OPERANDS,
    };
    let all = [TEXTS, NUMBERS, OPERANDS].concat();
    prop_oneof![7 => select(fitting), 1 => select(all)]
        .prop_map(str::to_owned)
        .boxed()
}
