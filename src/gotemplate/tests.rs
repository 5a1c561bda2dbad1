//! Templates as a whole, with functions of the library and such as a caller may have.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;

use crate::library::{json, map as maps, mistyped, number, order, strings, time};
use crate::*;

/// What the functions `getv` and `gets` see: texts by name.
type Texts = BTreeMap<&'static str, &'static str>;

const REPLACE: &[Type] = &[Type::String, Type::String, Type::String, Type::Int];

static FUNCTIONS: &[Function<Texts>] = &[
    Function::fixed("add", &[Type::Int; 2], Type::Int, number::add),
    Function::fixed("datetime", &[], Type::Time, time::now),
    Function::seeing("gets", &[Type::String], Type::Pairs, gets),
    Function::seeing("getv", &[Type::String; 2], Type::String, getv).variadic(),
    Function::fixed(
        "join",
        &[Type::Strings, Type::String],
        Type::String,
        strings::join,
    ),
    Function::fixed("json", &[Type::String], Type::Map, json::object),
    Function::fixed("map", &[Type::Any], Type::Map, maps::map).variadic(),
    Function::fixed("replace", REPLACE, Type::String, strings::replace),
    Function::fixed("reverse", &[Type::Any], Type::Any, order::reverse),
    Function::fixed("seq", &[Type::Int; 2], Type::Ints, number::seq),
    Function::fixed(
        "sortByLength",
        &[Type::Strings],
        Type::Strings,
        order::sort_by_length,
    ),
    Function::fixed("split", &[Type::String; 2], Type::Strings, strings::split),
    Function::fixed("toUpper", &[Type::String], Type::String, strings::to_upper),
];

fn gets(texts: &Texts, _: &[Value]) -> Result<Value, String> {
    let pairs = texts.iter().map(|(key, value)| KVPair {
        key: (*key).into(),
        value: (*value).into(),
    });
    let pairs: Vec<_> = pairs.collect();
    Ok(Value::Pairs(Rc::new(pairs.into())))
}

fn getv(texts: &Texts, args: &[Value]) -> Result<Value, String> {
    let [Value::String(name), defaults @ ..] = args else {
        return mistyped();
    };
    let name = String::from_utf8_lossy(name);
    match (texts.get(&*name), defaults.first()) {
        (Some(text), _) => Ok(Value::string(*text)),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(format!("key does not exist: {name}")),
    }
}

/// Executes `template` with the dot `data`: its output, or why there is none.
pub(crate) fn render(template: &str, data: &Value) -> String {
    render_with(template, data, &Options::default())
}

pub(crate) fn render_with(template: &str, data: &Value, options: &Options) -> String {
    let texts = Texts::from([("/a", "1"), ("/b/c", "2")]);
    match Template::parse("t", template.to_owned(), &Delims::default(), FUNCTIONS) {
        Ok(template) => match template.execute(data, &texts, options) {
            Ok(output) => String::from_utf8_lossy(&output).into_owned(),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    }
}

/// `[]interface {}`
pub(crate) fn list<const N: usize>(items: [Value; N]) -> Value {
    Value::list(items.into())
}

/// `map[string]interface {}`
pub(crate) fn map<const N: usize>(entries: [(&'static str, Value); N]) -> Value {
    Value::map(
        entries
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect(),
    )
}

/// `memkv.KVPairs`
pub(crate) fn pairs<const N: usize>(entries: [(&'static str, &'static str); N]) -> Value {
    let pair = |(key, value): (&'static str, &'static str)| KVPair {
        key: key.into(),
        value: value.into(),
    };
    let pairs: Vec<KVPair> = entries.into_iter().map(pair).collect();
    Value::Pairs(Rc::new(pairs.into()))
}

fn limited(output: usize, time: Duration) -> Options {
    Options {
        limits: Limits {
            output,
            time: Some(time),
        },
        ..Options::default()
    }
}

#[test]
fn functions_shadow_builtins_of_their_name() {
    static OURS: &[Function] = &[Function::fixed("len", &[], Type::Int, |_| {
        Ok(Value::Int(7))
    })];
    let template = Template::parse("t", "{{len}}", &Delims::default(), OURS).unwrap();
    let output = template.execute(&Value::Nil, &(), &Options::default());
    assert_eq!(output.unwrap(), b"7");
}

#[test]
fn helpers_come_after_functions_and_before_builtins() {
    static OURS: &[Function<u8>] = &[Function::seeing("a", &[], Type::Int, |seen, _| {
        Ok(Value::Int((*seen).into()))
    })];
    static HELPERS: &[Function] = &[
        Function::fixed("a", &[], Type::Int, |_| Ok(Value::Int(1))),
        Function::seeing("b", &[], Type::Int, |(), _| Ok(Value::Int(2))),
        Function::fixed("len", &[], Type::Int, |_| Ok(Value::Int(3))),
    ];
    let text = "{{a}}{{b}}{{len}}{{print 4}}";
    let template = Template::parse_with("t", text, &Delims::default(), OURS, HELPERS).unwrap();
    let output = template.execute(&Value::Nil, &7, &Options::default());
    assert_eq!(output.unwrap(), b"7234");
}

#[test]
fn templates_nest_deeply() {
    let ifs = "{{if true}}".repeat(5_000) + "x" + &"{{end}}".repeat(5_000);
    assert_eq!(render(&ifs, &Value::Nil), "x");

    let pipes = "{{".to_owned() + &"(".repeat(10_000) + "1" + &")".repeat(10_000) + "}}";
    assert_eq!(render(&pipes, &Value::Nil), "1");

    let data = (0..1_000).fold(map([]), |data, _| map([("n", data)]));
    let template = r#"{{define "r"}}{{if .n}}x{{template "r" .n}}{{end}}{{end}}{{template "r" .}}"#;
    assert_eq!(render(template, &data), "x".repeat(999));
}

#[test]
fn endless_templates_end() {
    assert_eq!(
        render(
            r#"{{define "r"}}{{template "r" .}}{{end}}{{template "r" .}}"#,
            &Value::Nil
        ),
        r#"template: t:1:25: executing "r" at <{{template "r" .}}>: exceeded maximum template depth (100000)"#
    );
    let block = r#"{{define "r"}}{{if 1}}{{if 1}}{{if 1}}{{if 1}}{{if 1}}{{template "r"}}
        {{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{template "r"}}"#;
    assert_eq!(
        render(block, &Value::Nil),
        r#"template: t:1:65: executing "r" at <{{template "r"}}>: exceeded maximum number of blocks (500000)"#
    );
    let variables = "{{define `r`}}".to_owned()
        + &"{{$a := 1}}".repeat(9)
        + "{{template `r`}}{{end}}{{template `r`}}";
    assert!(
        render(&variables, &Value::Nil).ends_with("exceeded maximum number of variables (500000)")
    );
}

#[test]
fn output_is_limited() {
    let options = limited(1_000, Duration::from_secs(10));
    assert_eq!(
        render_with("{{range seq 1 1000}}{{.}}{{end}}", &Value::Nil, &options),
        r#"template: t:1:22: executing "t" at <.>: output exceeds 1000 bytes"#
    );
    assert_eq!(
        render_with(&"x".repeat(1_001), &Value::Nil, &options),
        "template: t: output exceeds 1000 bytes"
    );
    assert_eq!(
        render_with(&"x".repeat(1_000), &Value::Nil, &options),
        "x".repeat(1_000)
    );
}

#[test]
fn time_is_limited() {
    let options = limited(1_000, Duration::ZERO);
    assert_eq!(
        render_with(
            "{{range seq 1 1000}}{{if .}}{{end}}{{end}}",
            &Value::Nil,
            &options
        ),
        r#"template: t:1:25: executing "t" at <.>: took longer than 0ns"#
    );
}

#[test]
fn values_that_share_parts_do_not_explode() {
    let template = r#"{{$x := "ha"}}{{range seq 1 64}}{{$x = map "a" $x "b" $x}}{{end}}{{$x}}"#;
    assert_eq!(
        render_with(
            template,
            &Value::Nil,
            &limited(1_000, Duration::from_secs(10))
        ),
        r#"template: t:1:67: executing "t" at <$x>: output exceeds 1000 bytes"#
    );
}

#[test]
fn values_do_not_nest_without_end() {
    let template = r#"{{$x := "a"}}{{range seq 1 20000}}{{$x = map "a" $x}}{{end}}"#;
    assert_eq!(
        render(template, &Value::Nil),
        r#"template: t:1:41: executing "t" at <map "a" $x>: exceeded maximum depth of values (10000)"#
    );
    let data = (0..9_999).fold(map([]), |data, _| map([("n", data)]));
    assert_eq!(
        render("{{len (print .)}}", &data),
        (9_999 * "map[n:]".len() + "map[]".len()).to_string()
    );
}

#[test]
fn a_text_that_a_function_makes_is_limited() {
    let template = "{{printf `".to_owned() + &"%9999999d".repeat(7) + "` 1 2 3 4 5 6 7}}";
    let error = "error calling printf: text exceeds 67108864 bytes";
    assert!(render(&template, &Value::Nil).ends_with(error));
}

#[test]
fn what_functions_make_is_limited() {
    let template = r#"{{$x := "xxxxxxxxxxxxxxxx"}}{{range seq 1 22}}{{$x = print $x $x}}{{end}}
        {{- range seq 1 1000}}{{$y := print $x}}{{end}}"#;
    assert_eq!(
        render(template, &Value::Nil),
        r#"template: t:2:38: executing "t" at <print $x>: values exceed 1073741824 bytes"#
    );
}

const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    "if ",
    "else ",
    "else if ",
    "end",
    "{{end}}",
    "range ",
    "with ",
    "define ",
    "template ",
    "block ",
    "break",
    "continue",
    "{{else}}",
    "\"t\"",
    "\"%5.3v %x %q\"",
    "`a`",
    "'c'",
    "1",
    "-1",
    "1.5",
    "0x1p4",
    "1i",
    "99999999999",
    "nil",
    "true",
    "false",
    ".",
    ".a",
    ".b.c",
    ".p.Key",
    "$",
    "$x",
    "$x ",
    "$x.a",
    ":=",
    "=",
    ",",
    "|",
    "(",
    ")",
    " ",
    "\n",
    "\\",
    "é",
    "\u{0}",
    "/*",
    "*/",
    "index ",
    "slice ",
    "len ",
    "print ",
    "printf ",
    "eq ",
    "lt ",
    "and ",
    "or ",
    "not ",
    "call ",
    "html ",
    "js ",
    "urlquery ",
    "gets \"/*\"",
    "getv \"/a\"",
    "json ",
    "map ",
    "add ",
    "split ",
    "join ",
    "reverse ",
    "seq 1 3",
    "datetime",
    ".Format",
    "text",
];

fn soup() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(PIECES);
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// An action with arguments that parses more often than not.
fn action() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "index",
        "slice",
        "len",
        "print",
        "printf",
        "println",
        "eq",
        "ne",
        "lt",
        "ge",
        "and",
        "or",
        "not",
        "call",
        "html",
        "js",
        "urlquery",
        "map",
        "add",
        "join",
        "reverse",
        "if",
        "range",
        "with",
        "",
        ".a",
        "$",
        "datetime.Format",
        "sortByLength",
    ];
    const ARGS: &[&str] = &[
        " .",
        " .a",
        " .b",
        " .p",
        " $",
        " 1",
        " -1",
        " 1.5",
        " nil",
        " \"%d%v%[3]*.[2]*[1]f\"",
        " \"%#v %+q %x\"",
        " `b`",
        " 'x'",
        " true",
        " (len .a)",
        " (gets `/*`)",
        " (print .a)",
        " | len",
        " | printf `%T`",
        " | index .a",
        " datetime",
        " (1i)",
    ];
    let name = proptest::sample::select(NAMES);
    let args = proptest::collection::vec(proptest::sample::select(ARGS), 0..5);
    (name, args).prop_map(|(name, args)| match name {
        "if" | "range" | "with" => format!("{{{{{name}{}}}}}{{{{.}}}}{{{{end}}}}", args.concat()),
        _ => format!("{{{{{name}{}}}}}", args.concat()),
    })
}

fn data() -> Value {
    map([
        (
            "a",
            list([
                Value::Int(1),
                Value::string("x"),
                Value::Nil,
                map([("k", Value::Float(0.5))]),
            ]),
        ),
        ("b", map([("c", Value::Bool(true))])),
        ("p", pairs([("/a", "1"), ("/b", "2")])),
        ("s", Value::strings(vec!["bb".into(), "a".into()])),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_rendered_or_refused(text in soup()) {
        render_with(&text, &data(), &limited(100_000, Duration::from_secs(1)));
    }

    #[test]
    fn any_action_is_executed_or_refused(actions in proptest::collection::vec(action(), 1..4)) {
        render_with(&actions.concat(), &data(), &limited(100_000, Duration::from_secs(1)));
    }
}
