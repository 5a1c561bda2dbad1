//! Any text as a template with functions of Go's library, run over data of many kinds.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gotemplate::library::{base64, json, map, number, order, path, strings, time};
use gotemplate::{Delims, Function, Options, Str, Template, Type, Value};
use libfuzzer_sys::fuzz_target;

const TEXT: Type = Type::String;

static FUNCTIONS: &[Function] = &[
    Function::fixed("add", &[Type::Int; 2], Type::Int, number::add),
    Function::fixed("atoi", &[TEXT], Type::Int, number::atoi),
    Function::fixed("base", &[TEXT], TEXT, path::base),
    Function::fixed("datetime", &[], Type::Time, time::now),
    Function::fixed("decode", &[TEXT], TEXT, base64::decode),
    Function::fixed("dir", &[TEXT], TEXT, path::dir),
    Function::fixed("join", &[Type::Strings, TEXT], TEXT, strings::join),
    Function::fixed("json", &[TEXT], Type::Map, json::object),
    Function::fixed("jsonArray", &[TEXT], Type::List, json::array),
    Function::fixed("map", &[Type::Any], Type::Map, map::map).variadic(),
    Function::fixed(
        "replace",
        &[TEXT, TEXT, TEXT, Type::Int],
        TEXT,
        strings::replace,
    ),
    Function::fixed("reverse", &[Type::Any], Type::Any, order::reverse),
    Function::fixed("seq", &[Type::Int; 2], Type::Ints, number::seq),
    Function::fixed("split", &[TEXT; 2], Type::Strings, strings::split),
    Function::fixed("toUpper", &[TEXT], TEXT, strings::to_upper),
];

const JSON: &str =
    r#"{"host": "10.0.0.1", "port": 80, "list": [1, null, "x", {"a": [true, -1.5e9]}]}"#;

// Values are of one thread: each run makes its own of this.
static JSON_TEXT: LazyLock<Str> = LazyLock::new(|| Str::from_static(JSON.as_bytes()));

fuzz_target!(|text: &str| {
    let Ok(template) = Template::parse("t.tmpl", text.to_owned(), &Delims::default(), FUNCTIONS)
    else {
        return;
    };
    let parsed = json::object(&[Value::String(JSON_TEXT.clone())]).expect("it is JSON");
    let data = BTreeMap::from([
        ("json".into(), parsed),
        ("names".into(), Value::strings(vec!["a".into(), "b".into()])),
        ("number".into(), Value::Int(-3)),
        ("text".into(), Value::string("x\u{0}é\n")),
    ]);
    let _result = template.execute(&Value::map(data), &(), &Options::default());
});
