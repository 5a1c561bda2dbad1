//! What stands in for what is empty. Empty is what `if` takes for false.

use gotemplate::Value;
use gotemplate::library::mistyped;

/// The second argument, or the first if that is empty or missing.
pub(super) fn default(args: &[Value]) -> Result<Value, String> {
    let [default, given @ ..] = args else {
        return mistyped();
    };
    let given = given.first().filter(|value| value.is_true());
    Ok(given.unwrap_or(default).clone())
}

/// The first argument that is not empty, else nil.
pub(super) fn coalesce(args: &[Value]) -> Result<Value, String> {
    let first = args.iter().find(|value| value.is_true());
    Ok(first.cloned().unwrap_or(Value::Nil))
}

pub(super) fn empty(args: &[Value]) -> Result<Value, String> {
    let [value] = args else {
        return mistyped();
    };
    Ok(Value::Bool(!value.is_true()))
}

/// The first argument if the third is true, else the second.
pub(super) fn ternary(args: &[Value]) -> Result<Value, String> {
    let [yes, no, Value::Bool(condition)] = args else {
        return mistyped();
    };
    Ok(if *condition { yes } else { no }.clone())
}

#[cfg(test)]
mod tests {
    use crate::proxy::helpers::tests::{fails_with, gives};

    #[test]
    fn a_default_stands_in_for_what_is_empty() {
        for empty in [
            "\"\"",
            "0",
            "0.0",
            "false",
            "nil",
            "list",
            "dict",
            "(map).x",
            "(split \"\" \"\")",
        ] {
            gives(&format!("{{{{default \"d\" {empty}}}}}"), "d");
            gives(&format!("{{{{empty {empty}}}}}"), "true");
        }
        for (full, shown) in [
            ("\"0\"", "0"),
            ("-1", "-1"),
            ("true", "true"),
            ("(list nil)", "[<no value>]"),
            ("(dict \"a\" 0)", "map[a:0]"),
        ] {
            let shown = shown.replace("<no value>", "<nil>");
            gives(&format!("{{{{default \"d\" {full}}}}}"), &shown);
            gives(&format!("{{{{empty {full}}}}}"), "false");
        }
    }

    #[test]
    fn a_default_is_for_the_end_of_a_pipe() {
        gives(r#"{{getv "/none" "" | default "80"}}"#, "80");
        gives(r#"{{getv "/port" "" | default "80"}}"#, "8080");
        gives(r#"{{default "d"}}"#, "d");
        gives(r#"{{default "d" "" "ignored"}}"#, "d");
        fails_with(
            "{{default}}",
            "wrong number of args for default: want at least 1 got 0",
        );
    }

    #[test]
    fn a_pair_and_a_time_are_never_empty() {
        gives(
            r#"{{empty (get "/port")}} {{empty datetime}}"#,
            "false false",
        );
    }

    #[test]
    fn the_first_that_is_not_empty_is_given() {
        gives(r#"{{coalesce 0 "" nil list "x" "y"}}"#, "x");
        gives("{{coalesce 0 1 2}}", "1");
        gives("{{coalesce}}|{{coalesce 0 false}}", "<no value>|<no value>");
    }

    #[test]
    fn a_condition_chooses_one_of_two() {
        gives(
            r#"{{ternary "a" "b" true}}{{false | ternary "a" "b"}}"#,
            "ab",
        );
        gives(r#"{{exists "/port" | ternary 1 2}}"#, "1");
        fails_with(
            r#"{{ternary "a" "b" "true"}}"#,
            "expected bool; found \"true\"",
        );
        fails_with(
            r#"{{ternary "a" "b" (getv "/port")}}"#,
            "wrong type for value; expected bool; got string",
        );
    }
}
