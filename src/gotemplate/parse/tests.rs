use proptest::prelude::*;

use super::*;
use crate::builtin;
use crate::node::{Expr, ExprKind, Node, Pipe};

mod refused;

fn parse_bytes(text: impl Into<Str>) -> Result<Trees, ParseError> {
    parse("t.tmpl", text.into(), &Delims::default(), &builtin::find)
}

fn parsed(text: &str) -> Trees {
    parse_bytes(text.to_owned()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    parse_bytes(text.to_owned()).unwrap_err().to_string()
}

fn nodes<'a>(trees: &'a Trees, name: &str) -> &'a [Node] {
    &trees.get(name.as_bytes()).unwrap().0
}

/// The pipeline of a template that is one action.
fn pipe(trees: &Trees) -> &Pipe {
    match nodes(trees, "t.tmpl") {
        [Node::Action(pipe)] => pipe,
        nodes => panic!("{nodes:?}"),
    }
}

fn operand(trees: &Trees) -> &Expr {
    &pipe(trees).cmds[0].args[0]
}

/// The template's text outside of actions, with a `|` for each action.
fn texts(text: &str) -> String {
    let trees = parsed(text);
    let text = nodes(&trees, "t.tmpl").iter().map(|node| match node {
        Node::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => "|".to_owned(),
    });
    text.collect()
}

#[test]
fn text_stays_where_it_was() {
    let text = Str::from_static(b"\xff{ }} {{1}} \0");
    let trees = parse_bytes(text.clone()).unwrap();
    let [Node::Text(before), Node::Action(_), Node::Text(after)] = nodes(&trees, "t.tmpl") else {
        panic!("{trees:?}");
    };
    assert_eq!(before.as_ref(), b"\xff{ }} ");
    assert_eq!(before.as_ptr(), text.as_ptr());
    assert_eq!(after.as_ref(), b" \0");
}

#[test]
fn trim_markers_take_ascii_space() {
    assert_eq!(texts("a \r\n\t{{- 1 -}} \n b"), "a|b");
    assert_eq!(texts("a {{1 -}} \u{a0}b"), "a |\u{a0}b");
    assert_eq!(texts("a {{-\n1\n-}} b"), "a|b");
    assert_eq!(texts("a {{-1}} b"), "a | b");
}

#[test]
fn comments_leave_nothing() {
    assert_eq!(texts("a {{/* {{ }} */}} b"), "a  b");
    assert_eq!(texts("a {{- /* \n */ -}} b"), "ab");
}

#[test]
fn delimiters_may_be_any_text() {
    let delims = Delims {
        left: "<<".to_owned(),
        right: "|".to_owned(),
    };
    let trees = parse(
        "t.tmpl",
        Str::from_static(b"{{ <<- \"<<|\" -| x"),
        &delims,
        &builtin::find,
    );
    let trees = trees.unwrap();
    let [Node::Text(before), Node::Action(pipe), Node::Text(after)] = nodes(&trees, "t.tmpl")
    else {
        panic!("{trees:?}");
    };
    assert_eq!(
        (before.as_ref(), after.as_ref()),
        (b"{{".as_ref(), b"x".as_ref())
    );
    assert_eq!(pipe.to_string(), "\"<<|\"");
}

#[test]
fn an_action_may_go_over_many_lines() {
    assert_eq!(
        pipe(&parsed("{{\nprint\r\n\t1\n|\nlen\n}}")).to_string(),
        "print 1 | len"
    );
}

#[test]
fn pipelines_print_themselves_as_written_but_for_space() {
    for text in [
        "print",
        "print 0x1F 'a' 1_0 `raw` \"\\n\" nil true . $ .A.B $.C",
        "(print 1).A.B | printf \"%d\" (len (index . 0)).X",
        "$x := print 1 | len",
        "print.A",
    ] {
        assert_eq!(
            pipe(&parsed(&format!("{{{{ {text} }}}}"))).to_string(),
            text
        );
    }
}

#[test]
fn an_assignment_prints_itself_as_a_declaration() {
    let trees = parsed("{{$x := 1}}{{$x = 2}}");
    let [_, Node::Action(pipe)] = nodes(&trees, "t.tmpl") else {
        panic!("{trees:?}")
    };
    assert!(pipe.is_assign);
    assert_eq!(pipe.to_string(), "$x := 2");
}

#[test]
fn uses_of_templates_print_themselves() {
    let trees = parsed("{{template `a\"` . | print}}{{block \"b\" 1}}x{{end}}{{template \"c\"}}");
    let calls = nodes(&trees, "t.tmpl").iter().map(|node| match node {
        Node::Template(call) => call.to_string(),
        node => panic!("{node:?}"),
    });
    assert_eq!(
        calls.collect::<Vec<_>>(),
        [
            r#"{{template "a\"" . | print}}"#,
            r#"{{template "b" 1}}"#,
            r#"{{template "c"}}"#
        ]
    );
}

#[test]
fn a_field_chain_stands_where_its_second_name_does() {
    let text = "\n {{ $x := 1 }}{{ print .A (.).B $x.C.D }}";
    let trees = parsed(text);
    let [.., Node::Action(pipe)] = nodes(&trees, "t.tmpl") else {
        panic!("{trees:?}")
    };
    let located = pipe.cmds[0].args.iter().map(|arg| trees.location(arg.pos));
    assert_eq!(
        located.collect::<Vec<_>>(),
        ["t.tmpl:2:17", "t.tmpl:2:23", "t.tmpl:2:29", "t.tmpl:2:34"]
    );
}

#[test]
fn a_constant_is_every_kind_of_number_that_can_hold_it() {
    for (text, int, float, complex) in [
        ("0x10", Some(16), Some(16.0), None),
        ("-1", Some(-1), Some(-1.0), None),
        ("-0", Some(0), Some(0.0), None),
        ("+1", Some(1), Some(1.0), None),
        ("1e3", Some(1000), Some(1000.0), None),
        ("1e19", None, Some(1e19), None),
        (
            "9223372036854775808.0",
            None,
            Some(9_223_372_036_854_775_808.0),
            None,
        ),
        ("1e20", None, Some(1e20), None),
        (".5", None, Some(0.5), None),
        (
            "18446744073709551615",
            None,
            Some(1.844_674_407_370_955_2e19),
            None,
        ),
        ("'\\xff'", Some(255), Some(255.0), None),
        ("'日'", Some(0x65e5), Some(26_085.0), None),
        ("2i", None, None, Some((0.0, 2.0))),
        ("1+0i", Some(1), Some(1.0), Some((1.0, 0.0))),
        ("0x1p1-1.5e1i", None, None, Some((2.0, -15.0))),
    ] {
        let trees = parsed(&format!("{{{{{text}}}}}"));
        let ExprKind::Number(number) = &operand(&trees).kind else {
            panic!("{trees:?}")
        };
        let kinds = (number.int, number.float, number.complex);
        assert_eq!(kinds, (int, float, complex), "{text}");
    }
}

#[test]
fn else_if_adds_an_arm() {
    let trees = parsed("{{if 1}}a{{else if 2}}b{{else if 3}}c{{else}}d{{end}}");
    let [Node::If(branch)] = nodes(&trees, "t.tmpl") else {
        panic!("{trees:?}")
    };
    let tests = branch.arms.iter().map(|(pipe, _)| pipe.to_string());
    assert_eq!(tests.collect::<Vec<_>>(), ["1", "2", "3"]);
    assert!(branch.otherwise.is_some());
}

#[test]
fn else_with_adds_an_arm_as_in_newer_go() {
    let trees = parsed("{{with .A}}a{{else with .B}}b{{else}}c{{end}}");
    let [Node::With(branch)] = nodes(&trees, "t.tmpl") else {
        panic!("{trees:?}")
    };
    assert_eq!(branch.arms.len(), 2);
    assert!(branch.otherwise.is_some());
}

#[test]
fn an_empty_template_may_be_defined_again() {
    let text = "{{define `a`}} \n{{end}}{{define `a`}}x{{end}}{{define `a`}}{{/* c */}}{{end}}";
    let trees = parsed(text);
    assert!(matches!(nodes(&trees, "a"), [Node::Text(text)] if text == "x"));
}

#[test]
fn a_file_without_output_may_define_its_own_name() {
    let trees = parsed("{{define `t.tmpl`}}x{{end}}\n");
    assert!(matches!(nodes(&trees, "t.tmpl"), [Node::Text(text)] if text == "x"));
}

#[test]
fn break_and_continue_are_names_where_there_are_such_functions() {
    let find = |name: &[u8]| match name {
        b"break" => builtin::find(b"print"),
        _ => builtin::find(name),
    };
    let trees = parse(
        "t.tmpl",
        Str::from_static(b"{{break 1}}"),
        &Delims::default(),
        &find,
    );
    assert!(matches!(
        operand(&trees.unwrap()).kind,
        ExprKind::Function(_)
    ));
}

#[test]
fn variables_are_visible_until_the_end() {
    parsed("{{$x := 1}}{{if $y := $x}}{{$z := $y}}{{else}}{{$z}}{{end}}{{$x}}");
    parsed("{{range $i, $x := .}}{{$i}}{{else}}{{$x}}{{end}}");
    parsed("{{($x := 1)}}{{$x}}{{$x := $x}}");
}

fn nest(depth: usize, open: &str, inner: &str, close: &str) -> String {
    [&open.repeat(depth), inner, &close.repeat(depth)].concat()
}

const TOO_DEEP: &str = "template: t.tmpl:1: exceeded maximum nesting depth (10000)";

#[test]
fn control_structures_may_be_nested_to_a_limit() {
    for open in ["{{if 1}}", "{{with 1}}{{else}}", "{{range 1}}"] {
        parsed(&nest(MAX_DEPTH, open, "x", "{{end}}"));
        assert_eq!(
            refusal(&nest(MAX_DEPTH + 1, open, "x", "{{end}}")),
            TOO_DEEP
        );
    }
    assert_eq!(refusal(&"{{block `b` 1}}".repeat(MAX_DEPTH + 1)), TOO_DEEP);
}

#[test]
fn parentheses_may_be_nested_to_a_limit() {
    let text = nest(MAX_DEPTH, "(", "1", ")");
    assert_eq!(pipe(&parsed(&format!("{{{{{text}}}}}"))).to_string(), text);
    assert_eq!(refusal(&format!("{{{{({text})}}}}")), TOO_DEEP);
}

#[test]
fn a_chain_of_else_if_may_be_of_any_length() {
    let text = format!("{{{{if 1}}}}{}{{{{end}}}}", "{{else if 2}}".repeat(100_000));
    let trees = parsed(&text);
    let [Node::If(branch)] = nodes(&trees, "t.tmpl") else {
        panic!("no branch")
    };
    assert_eq!(branch.arms.len(), 100_001);
}

/// Pieces that templates are made of, so that nonsense looks like templates.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{{",
        "}}",
        "{{- ",
        " -}}",
        " ",
        "\n",
        "|",
        ":=",
        "=",
        ",",
        "(",
        ")",
        ".",
        "$",
        "$x",
        ".A",
        "nil",
        "true",
        "1",
        "1.5",
        "0x1F",
        "1i",
        "1+2i",
        "'a'",
        "\"s\"",
        "`r`",
        "if ",
        "else",
        "end",
        "range ",
        "with ",
        "define ",
        "block ",
        "template ",
        "break",
        "continue",
        "/*",
        "*/",
        "text",
        "print",
        "len",
        "é",
        "\0",
        "\\",
        "'",
        "\"",
        "`",
        "{{if .}}",
        "{{else}}",
        "{{end}}",
        "{{range $x := .}}",
        "{{define \"x\"}}",
        "{{$x := 1}}",
        "{{else if .}}",
        "{{break}}",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// What is parsed, or an error on one of the text's lines.
fn check(text: &[u8]) -> Result<(), TestCaseError> {
    let lines = 1 + text.iter().filter(|&&byte| byte == b'\n').count();
    if let Err(error) = parse_bytes(Str::copy_from_slice(text)) {
        let error = error.to_string();
        let line = error
            .strip_prefix("template: t.tmpl:")
            .and_then(|rest| rest.split_once(": "));
        let line: usize = line.expect("a line").0.parse().expect("a number");
        prop_assert!((1..=lines).contains(&line), "{}", error);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(text in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&text)?;
        check(&[b"{{", text.as_slice(), b"}}"].concat())?;
    }

    #[test]
    fn any_pieces_are_parsed_or_refused(text in pieces()) {
        check(text.as_bytes())?;
    }

    #[test]
    fn what_a_pipeline_prints_is_parsed_alike(text in pieces()) {
        let text = format!("{{{{$x := .}}}}{{{{{text}}}}}");
        if let Ok(trees) = parse_bytes(text)
            && let [_, Node::Action(pipe)] = nodes(&trees, "t.tmpl")
        {
            let printed = pipe.to_string();
            let again = parsed(&format!("{{{{$x := .}}}}{{{{{printed}}}}}"));
            let [_, Node::Action(pipe)] = nodes(&again, "t.tmpl") else { panic!("{printed}") };
            prop_assert_eq!(pipe.to_string(), printed);
        }
    }
}
