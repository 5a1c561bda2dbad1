//! Parts in files of their own.

use std::collections::BTreeMap;

use crate::{Delims, Limits, Options, Str, Template, Value};

/// What a template makes of `"dot"`, with these parts.
fn rendered(text: &str, parts: &[(&str, &str)]) -> Result<String, String> {
    rendered_within(text, parts, Limits::default())
}

fn rendered_within(text: &str, parts: &[(&str, &str)], limits: Limits) -> Result<String, String> {
    let parts: BTreeMap<_, _> = parts.iter().copied().collect();
    let mut find = |name: &str| match parts.get(name) {
        Some(text) => Ok(Str::from((*text).to_owned())),
        None => Err("no such file".to_owned()),
    };
    let text = text.to_owned();
    let template: Template =
        Template::parse_with_parts("t", text, &Delims::default(), &[], &[], &mut find)
            .map_err(|error| error.to_string())?;
    let options = Options {
        limits,
        ..Options::default()
    };
    let made = template.execute(&Value::string("dot"), &(), &options);
    let made = made.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(made).unwrap())
}

fn fault(text: &str, parts: &[(&str, &str)]) -> String {
    rendered(text, parts).unwrap_err()
}

#[test]
fn a_part_is_a_value_that_can_be_piped() {
    let parts = [
        ("a", "[{{.}}]"),
        ("b/c", "{{$x := 1}}{{$x}}{{include \"a\" $}}"),
    ];
    let made = |text| rendered(text, &parts).unwrap();
    assert_eq!(made("x {{include \"a\" 7}} y"), "x [7] y");
    assert_eq!(made("{{include \"a\" . | printf \"%q\"}}"), "\"[dot]\"");
    assert_eq!(made("{{. | include \"b/c\"}}"), "1[dot]");
    assert_eq!(
        made("{{range $i := 3}}{{include \"a\" $i}}{{end}}"),
        "[0][1][2]"
    );
    assert_eq!(
        made("{{if eq (include \"a\" 1) \"[1]\"}}same{{end}}"),
        "same"
    );
}

#[test]
fn a_part_has_variables_and_templates_of_its_own() {
    let parts = [("a", "{{define \"u\"}}inner{{end}}{{template \"u\"}}")];
    let text = "{{define \"u\"}}outer{{end}}{{include \"a\" .}} {{template \"u\"}}";
    assert_eq!(rendered(text, &parts).unwrap(), "inner outer");
    assert_eq!(
        fault("{{$x := 1}}{{include \"v\" .}}", &[("v", "{{$x}}")]),
        "template: v:1: undefined variable \"$x\""
    );
}

#[test]
fn the_name_stands_in_the_template() {
    assert_eq!(
        fault("{{include . .}}", &[]),
        "template: t:1: include: write the part's name as a string"
    );
    assert_eq!(
        fault("a\n {{include \"x\" .}}", &[]),
        "template: t:2:3: include \"x\": no such file"
    );
    assert_eq!(
        fault("{{include \"a\" .}}", &[("a", "{{include \"gone\" .}}")]),
        "template: a:1:2: include \"gone\": no such file"
    );
}

#[test]
fn a_fault_in_a_part_names_the_part() {
    assert_eq!(
        fault("{{include \"a\" .}}", &[("a", "\n{{")]),
        "template: a:2: unclosed action"
    );
    let failing = fault("{{include \"a\" .}}", &[("a", "{{index . 7}}")]);
    assert!(
        failing.starts_with("template: a:1:2: executing \"a\" at <index . 7>: "),
        "{failing}"
    );
}

#[test]
fn parts_are_eight_deep_and_no_deeper() {
    let names: Vec<_> = (0..9).map(|number| number.to_string()).collect();
    let texts: Vec<_> = (1..10)
        .map(|next| format!("{{{{include \"{next}\" .}}}}"))
        .collect();
    let mut parts: Vec<_> = names
        .iter()
        .zip(&texts)
        .map(|(n, t)| (n.as_str(), t.as_str()))
        .collect();
    parts[7].1 = "end";
    assert_eq!(rendered("{{include \"0\" .}}", &parts).unwrap(), "end");
    let itself = [("a", "{{include \"a\" .}}")];
    assert_eq!(
        fault("{{include \"a\" .}}", &itself),
        "template: a:1:2: executing \"a\" at <include \"a\" .>: include: more than 8 parts inside each other"
    );
}

#[test]
fn parts_write_within_the_limit_of_the_whole() {
    let limits = Limits {
        output: 10,
        ..Limits::default()
    };
    let parts = [("a", "123456")];
    let made = |text| rendered_within(text, &parts, limits.clone());
    assert_eq!(made("1234{{include \"a\" .}}").unwrap(), "1234123456");
    assert!(
        made("12345{{include \"a\" .}}")
            .unwrap_err()
            .contains("output exceeds")
    );
    assert!(
        made("{{include \"a\" .}}{{include \"a\" .}}")
            .unwrap_err()
            .contains("output exceeds")
    );
}

#[test]
fn without_parts_there_is_no_such_function() {
    let parsed = Template::<()>::parse("t", "{{include \"a\" .}}", &Delims::default(), &[]);
    assert_eq!(
        parsed.unwrap_err().to_string(),
        "template: t:1: function \"include\" not defined"
    );
}
