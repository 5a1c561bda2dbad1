//! Templates and values of hostile or mistaken size.

use std::collections::BTreeMap;
use std::time::Duration;

use gotemplate::Value;
use gotemplate::{Delims, Limits, Options, Template};
use renderer::functions::FUNCTIONS;
use renderer::snapshot::Snapshot;
use renderer::store::Store;

/// Output or error of `text`, with `value` at the key `/v`.
fn render_with(text: &str, value: &str, limits: Limits) -> String {
    let entry = ("/v".into(), value.to_owned().into());
    let snapshot = Snapshot {
        entries: BTreeMap::from([entry]),
        revision: 1,
    };
    let store = Store::select(&snapshot, "", &["/".to_owned()]);
    let options = Options {
        limits,
        ..Options::default()
    };
    let parsed = Template::parse("t", text.to_owned(), &Delims::default(), FUNCTIONS);
    let output = match parsed {
        Ok(template) => template.execute(&Value::Nil, &store, &options),
        Err(error) => return error.to_string(),
    };
    output.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output).into_owned(),
    )
}

fn render(text: &str) -> String {
    render_with(text, "", Limits::default())
}

fn around(before: &str, middle: &str, after: &str, depth: usize) -> String {
    before.repeat(depth) + middle + &after.repeat(depth)
}

#[test]
fn blocks_nest_ten_thousand_deep_and_no_deeper() {
    for open in ["{{if 1}}", "{{with 1}}", "{{range seq 1 1}}"] {
        assert_eq!(render(&around(open, "x", "{{end}}", 10_000)), "x");
        assert_eq!(
            render(&around(open, "x", "{{end}}", 10_001)),
            "template: t:1: exceeded maximum nesting depth (10000)"
        );
    }
}

#[test]
fn what_does_not_end_is_refused_at_any_depth() {
    assert_eq!(
        render(&"{{if 1}}".repeat(10_000)),
        "template: t:1: unexpected EOF"
    );
    assert_eq!(
        render(&format!("{{{{{}}}}}", "(".repeat(10_000))),
        "template: t:1: unclosed left paren"
    );
}

#[test]
fn calls_nest_ten_thousand_deep() {
    let text = around("(print ", "1", ")", 10_000);
    assert_eq!(render(&format!("{{{{{text}}}}}")), "1");
}

#[test]
fn long_chains_cost_no_depth() {
    let arms = "{{else if 0}}".repeat(10_000);
    assert_eq!(
        render(&format!("{{{{if 0}}}}{arms}{{{{else}}}}x{{{{end}}}}")),
        "x"
    );

    let pipes = " | print".repeat(10_000);
    assert_eq!(render(&format!("{{{{1{pipes}}}}}")), "1");

    let args = " 1".repeat(10_000);
    assert_eq!(render(&format!("{{{{len (print{args})}}}}")), "19999");

    let fields = ".a".repeat(10_000);
    let text = format!("{{{{with map `b` 1}}}}{{{{{fields}}}}}{{{{end}}}}");
    assert_eq!(render(&text), "<no value>");
}

#[test]
fn templates_that_use_themselves_or_each_other_stop() {
    assert_eq!(
        render("x{{template `t`}}"),
        "template: t:1:12: executing \"t\" at <{{template \"t\"}}>: exceeded maximum template depth (100000)"
    );
    let mutual = "{{define `a`}}{{template `b`}}{{end}}{{define `b`}}{{template `a`}}{{end}}{{template `a`}}";
    assert_eq!(
        render(mutual),
        "template: t:1:62: executing \"b\" at <{{template \"a\"}}>: exceeded maximum template depth (100000)"
    );
}

#[test]
fn nested_ranges_stop_at_the_limit_of_output_or_time() {
    let ranges = |body| around("{{range seq 1 1000}}", body, "{{end}}", 6);
    let limits = |output, time| Limits {
        output,
        time: Some(time),
    };
    let much = limits(1_000_000, Duration::from_secs(60));
    assert_eq!(
        render_with(&ranges("x"), "", much),
        "template: t:1:114: executing \"t\" at <1000>: output exceeds 1000000 bytes"
    );
    let long = limits(1_000_000, Duration::from_millis(50));
    let error = render_with(&ranges(""), "", long);
    assert!(error.ends_with(": took longer than 50ms"), "{error}");
}

#[test]
fn deep_json_is_printed_or_refused() {
    let print = "{{range jsonArray (getv `/v`)}}{{.}}{{end}}";
    let deep = around("[", "", "]", 10_000);
    assert_eq!(
        render_with(print, &deep, Limits::default()),
        deep[1..19_999]
    );

    let deeper = around("[", "", "]", 10_001);
    assert!(render_with(print, &deeper, Limits::default()).ends_with("exceeded max depth"));
}
