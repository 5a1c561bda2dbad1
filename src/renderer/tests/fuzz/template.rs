//! Templates that call every function but those that ask the network.

use gotemplate::{Function, Type};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use renderer::functions::FUNCTIONS;

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
    r#"(json (getv "/json"))"#,
    r#"(map "a" . "b" $x)"#,
];

const STRINGS: &[&str] = &[
    r#"(getvs "/services/web/*")"#,
    r#"(ls "/services")"#,
    r#"(split "a,b" ",")"#,
];

const LISTS: &[&str] = &[
    r#"(getvs "/services/web/*")"#,
    r#"(gets "/*")"#,
    r#"(lsdir "/")"#,
    r#"(jsonArray (getv "/list" "[]"))"#,
    r#"(json (getv "/json" "{}"))"#,
    "(seq 1 3)",
    r#"(map "a" $ "b" "c")"#,
];

const PAIRS: &[&str] = &[r#"(gets "/services/web/*")"#, r#"(gets "/*")"#];

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
    let whole = (select(LISTS), list(), list()).prop_map(|(x, main, t)| {
        format!("{{{{$x := {x}}}}}{main}{{{{define `t`}}}}{{{{$x := $}}}}{t}{{{{end}}}}")
    });
    damaged(whole, PIECES)
}

fn list() -> impl Strategy<Value = String> {
    let node = prop_oneof![
        2 => select(&["server ", ";\n", "é", "\u{0}"][..]).prop_map(str::to_owned),
        2 => select(&["{{.}}", "{{$x}}", "{{printf `%v %#v` . $x}}"][..]).prop_map(str::to_owned),
        4 => pipeline().prop_map(|pipe| format!("{{{{{pipe}}}}}")),
        1 => pipeline().prop_map(|pipe| format!("{{{{$x = {pipe}}}}}")),
        1 => operand(Type::Any).prop_map(|dot| format!("{{{{template `t` {dot}}}}}")),
    ];
    node.prop_recursive(4, 24, 4, |node| {
        let body = vec(node, 0..4).prop_map(|nodes| nodes.concat());
        prop_oneof![ranges(body.clone()), branches(body)]
    })
}

fn ranges(body: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    let variables = select(&["", "$x :=", "$i, $x :=", "$x ="][..]);
    let rest = select(&["", "{{else}}", "{{break}}", "{{if $x}}{{continue}}{{end}}"][..]);
    let over = prop_oneof![6 => select(LISTS).prop_map(str::to_owned), 1 => pipeline()];
    (variables, over, body.clone(), rest, body).prop_map(|(variables, over, body, rest, other)| {
        format!("{{{{range {variables} {over}}}}}{body}{rest}{other}{{{{end}}}}")
    })
}

fn branches(body: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    let word = select(&["if", "with"][..]);
    let rest = select(&["", "{{else}}", "{{else WORD $x}}"][..]);
    (word, pipeline(), body.clone(), rest, body).prop_map(|(word, pipe, body, rest, other)| {
        let rest = rest.replace("WORD", word);
        format!("{{{{{word} {pipe}}}}}{body}{rest}{other}{{{{end}}}}")
    })
}

fn pipeline() -> impl Strategy<Value = String> {
    let end = select(&[" | len", " | print `a`", " | printf `%q`", " | json"][..]);
    let end = prop_oneof![9 => Just(""), 1 => end];
    (prop_oneof![operand(Type::Any), call()], end).prop_map(|(command, end)| command + end)
}

/// A function with arguments of mostly the types that it wants.
fn call() -> impl Strategy<Value = String> {
    let ours = FUNCTIONS
        .iter()
        .map(Function::signature)
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
        Type::Strings => STRINGS,
        Type::PairSlice => PAIRS,
        _ => OPERANDS,
    };
    let all = [TEXTS, NUMBERS, OPERANDS, LISTS].concat();
    prop_oneof![20 => select(fitting), 1 => select(all)]
        .prop_map(str::to_owned)
        .boxed()
}
