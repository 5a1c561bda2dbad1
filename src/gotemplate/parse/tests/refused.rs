//! What is no template, and what is said about it.

use super::refusal;

/// Checks what is said about texts of one line.
fn refuses(cases: &[(&str, &str)]) {
    for (text, message) in cases {
        assert_eq!(
            refusal(text),
            format!("template: t.tmpl:1: {message}"),
            "{text}"
        );
    }
}

#[test]
fn actions_that_are_not_closed() {
    refuses(&[
        ("a{{", "unclosed action"),
        ("{{print 1", "unclosed action"),
        ("{{1}", "unexpected \"}\" in operand"),
        ("{{print {{1}}", "unexpected \"{\" in operand"),
        ("{{\"a}}", "unterminated quoted string"),
        ("{{\"a\\\"}}", "unterminated quoted string"),
        ("{{`a}}", "unterminated raw quoted string"),
        ("{{'a}}", "unterminated character constant"),
        ("{{/* a }}", "unclosed comment"),
        ("{{/* a */ }}", "comment ends before closing delimiter"),
        ("{{ /* a */}}", "unexpected \"/\" in command"),
        ("{{(print 1}}", "unclosed left paren"),
        ("{{print 1)}}", "unexpected \")\" in command"),
    ]);
}

#[test]
fn the_action_s_first_line_is_told() {
    let opened = "started at t.tmpl:2";
    assert_eq!(
        refusal("\n{{1\n\n"),
        format!("template: t.tmpl:4: unclosed action {opened}")
    );
    assert_eq!(
        refusal("\n{{\n\"\n}}"),
        format!("template: t.tmpl:3: unterminated quoted string in action {opened}")
    );
    assert_eq!(
        refusal("\n{{`\n\n"),
        "template: t.tmpl:2: unterminated raw quoted string"
    );
}

#[test]
fn the_line_is_that_of_what_was_read_last() {
    for (text, line, message) in [
        ("\n{{\nx\n}}", 3, "function \"x\" not defined"),
        ("{{- /*\n\n*/ -}}\n\n{{x}}", 5, "function \"x\" not defined"),
        ("{{`\n\n` | x}}", 3, "function \"x\" not defined"),
        ("{{if 1}}\n{{end}}\n{{end}}", 3, "unexpected {{end}}"),
        ("{{range .}}\n\n", 3, "unexpected EOF"),
        ("{{/*\n\n", 1, "unclosed comment"),
        (
            "{{define `a`}}x{{end}}\n{{define `a`}}y\n{{end}}",
            3,
            "template: multiple definition of template \"a\"",
        ),
        (
            "{{block `a` 1}}\n{{else}}{{end}}",
            1,
            "unexpected {{else}} in block clause",
        ),
    ] {
        assert_eq!(
            refusal(text),
            format!("template: t.tmpl:{line}: {message}"),
            "{text}"
        );
    }
}

#[test]
fn characters_that_have_no_place() {
    refuses(&[
        ("{{.a-b}}", "bad character U+002D '-'"),
        ("{{$x+2}}", "bad character U+002B '+'"),
        ("{{$x=1}}", "bad character U+003D '='"),
        ("{{a}b}}", "bad character U+007D '}'"),
        ("{{print\u{a0}1}}", "bad character U+00A0"),
        ("{{.e\u{301}}}", "bad character U+0301 '\u{301}'"),
        ("{{“a”}}", "unrecognized character in action: U+201C '“'"),
        ("{{\u{feff}}}", "unrecognized character in action: U+FEFF"),
        ("{{\0}}", "unrecognized character in action: U+0000"),
        ("{{print : 1}}", "expected :="),
        ("{{@}}", "unexpected \"@\" in command"),
        ("{{print 1,2}}", "unexpected \",\" in operand"),
        (
            "{{print 1 'a'\"long enough\"}}",
            "unexpected \"\\\"long enou\"... in operand",
        ),
    ]);
}

#[test]
fn numbers_that_are_none() {
    refuses(&[
        ("{{0b2}}", "bad number syntax: \"0b2\""),
        ("{{-x}}", "bad number syntax: \"-x\""),
        ("{{1é}}", "bad number syntax: \"1é\""),
        ("{{1+2}}", "bad number syntax: \"1+2\""),
        ("{{1-}}", "bad number syntax: \"1-\""),
        ("{{1 - 1}}", "illegal number syntax: \"-\""),
        ("{{1__0}}", "illegal number syntax: \"1__0\""),
        ("{{1e400}}", "illegal number syntax: \"1e400\""),
        ("{{0x1.8}}", "illegal number syntax: \"0x1.8\""),
        ("{{.", "illegal number syntax: \".\""),
        ("{{08}}", "integer overflow: \"08\""),
        (
            "{{18446744073709551616}}",
            "integer overflow: \"18446744073709551616\"",
        ),
        ("{{1+i}}", "syntax error scanning complex number"),
        ("{{0b1+2i}}", "syntax error scanning complex number"),
        (
            "{{0x1+2i}}",
            "strconv.ParseFloat: parsing \"0x1\": invalid syntax",
        ),
        (
            "{{1+1e400i}}",
            "strconv.ParseFloat: parsing \"+1e400\": value out of range",
        ),
        ("{{''}}", "invalid syntax"),
        ("{{'ab'}}", "malformed character constant: 'ab'"),
        ("{{\"\\q\"}}", "invalid syntax"),
    ]);
}

#[test]
fn names_that_nobody_defined() {
    refuses(&[
        ("{{nope 1}}", "function \"nope\" not defined"),
        ("{{print (Ӵ)}}", "function \"Ӵ\" not defined"),
        (
            "{{if 1}}{{elseif 2}}{{end}}",
            "function \"elseif\" not defined",
        ),
        ("{{$x}}", "undefined variable \"$x\""),
        ("{{if $x := 1}}{{end}}{{$x}}", "undefined variable \"$x\""),
        ("{{range $k, $v}}{{end}}", "undefined variable \"$v\""),
        (
            "{{$x := 1}}{{define `a`}}{{$x}}{{end}}",
            "undefined variable \"$x\"",
        ),
    ]);
}

#[test]
fn pipelines_that_make_no_sense() {
    refuses(&[
        ("{{}}", "missing value for command"),
        ("{{if }}{{end}}", "missing value for if"),
        ("{{print ()}}", "missing value for parenthesized pipeline"),
        ("{{|1}}", "unexpected \"|\" in command"),
        ("{{1|2}}", "non executable command in pipeline stage 2"),
        (
            "{{1|print|.}}",
            "non executable command in pipeline stage 3",
        ),
        ("{{print(1)}}", "unexpected \"(\" in operand"),
        ("{{true.A}}", "unexpected . after term \"true\""),
        ("{{`a`.A}}", "unexpected . after term \"`a`\""),
        ("{{.A.}}", "unexpected <.> in operand"),
        ("{{$x.y := 1}}", "undefined variable \"$x\""),
        ("{{$.y := 1}}", "unexpected \":=\" in operand"),
        ("{{$x, $y := 1}}", "too many declarations in command"),
        (
            "{{range $x, $y, $z := .}}{{end}}",
            "too many declarations in range",
        ),
        (
            "{{range $x, 1 := .}}{{end}}",
            "range can only initialize variables",
        ),
    ]);
}

#[test]
fn control_structures_that_do_not_fit() {
    refuses(&[
        ("{{end}}", "unexpected {{end}}"),
        ("{{else if 1}}", "unexpected {{else}}"),
        ("{{end 1}}", "unexpected \"1\" in end"),
        ("{{else 1}}", "unexpected \"1\" in else"),
        ("{{if 1}}", "unexpected EOF"),
        (
            "{{if 1}}{{else}}{{else}}{{end}}",
            "expected end; found {{else}}",
        ),
        (
            "{{if 1}}{{else}}{{else if 1}}{{end}}",
            "expected end; found {{else}}",
        ),
        (
            "{{range .}}{{else if 1}}{{end}}",
            "unexpected <if> in input",
        ),
        ("{{with 1}}{{else if 1}}{{end}}", "unexpected <if> in input"),
        (
            "{{if 1}}{{else with 1}}{{end}}",
            "unexpected <with> in else",
        ),
        ("{{else with 1}}", "unexpected <with> in else"),
        (
            "{{with 1}}{{else}}{{else with 1}}{{end}}",
            "unexpected <with> in else",
        ),
        ("{{break}}", "{{break}} outside {{range}}"),
        (
            "{{range .}}{{else}}{{continue}}{{end}}",
            "{{continue}} outside {{range}}",
        ),
        (
            "{{range .}}{{block `a` .}}{{break}}{{end}}{{end}}",
            "{{break}} outside {{range}}",
        ),
        (
            "{{range .}}{{break 1}}{{end}}",
            "unexpected \"1\" in {{break}}",
        ),
    ]);
}

#[test]
fn templates_that_are_not_defined_as_they_should() {
    refuses(&[
        ("{{define a}}{{end}}", "unexpected \"a\" in define clause"),
        ("{{define `a` .}}{{end}}", "unexpected <.> in define clause"),
        (
            "{{define `a`}}{{else}}{{end}}",
            "unexpected {{else}} in define clause",
        ),
        ("{{define `a`}}", "unexpected EOF"),
        ("{{define \"\\q\"}}{{end}}", "invalid syntax"),
        (
            "{{if 1}}{{define `a`}}{{end}}{{end}}",
            "unexpected <define> in command",
        ),
        ("{{template $}}", "unexpected \"$\" in template clause"),
        ("{{block `a`}}{{end}}", "missing value for block clause"),
        (
            "{{block `a` .}}{{else}}{{end}}",
            "unexpected {{else}} in block clause",
        ),
        (
            "{{define `a`}}x{{end}}{{block `a` .}}y{{end}}",
            "template: multiple definition of template \"a\"",
        ),
        (
            "{{define `t.tmpl`}}x{{end}}y",
            "template: multiple definition of template \"t.tmpl\"",
        ),
    ]);
}
