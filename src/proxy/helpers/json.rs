//! JSON.

use gotemplate::Value;
use gotemplate::library::json::any;
use gotemplate::library::json::encode::{MarshalError, marshal, marshal_indent};
use gotemplate::library::mistyped;

/// The value that a JSON document stands for, or nil where it is none.
pub(super) fn from_json(args: &[Value]) -> Result<Value, String> {
    Ok(any(args).unwrap_or(Value::Nil))
}

pub(super) fn to_json(args: &[Value]) -> Result<Value, String> {
    written(args, marshal)
}

/// The same with an element a line, two spaces further in for each level.
pub(super) fn to_pretty_json(args: &[Value]) -> Result<Value, String> {
    written(args, |value| marshal_indent(value, "  "))
}

/// What JSON has nothing for is an empty text.
fn written(
    args: &[Value],
    write: impl FnOnce(&Value) -> Result<String, MarshalError>,
) -> Result<Value, String> {
    let [value] = args else {
        return mistyped();
    };
    match write(value) {
        Ok(text) => Ok(Value::string(text)),
        Err(MarshalError::Unsupported(_)) => Ok(Value::string("")),
        Err(error @ MarshalError::TooLong) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::helpers::tests::{fails_with, gives};

    #[test]
    fn json_is_read_into_values() {
        gives(r#"{{(fromJson `{"foo": 55}`).foo}}"#, "55");
        gives(
            r#"{{range fromJson `[1, "b", null]`}}{{.}},{{end}}"#,
            "1,b,<no value>,",
        );
        gives(
            "{{fromJson `\"x\"`}} {{fromJson `true`}} {{fromJson ` 1.5 `}}",
            "x true 1.5",
        );
    }

    #[test]
    fn what_is_no_json_is_nil() {
        for text in ["", "{", "[1,]", "x", "1 2"] {
            gives(&format!("{{{{fromJson `{text}`}}}}"), "<no value>");
            gives(
                &format!("{{{{fromJson `{text}` | default dict | toJson}}}}"),
                "{}",
            );
            gives(
                &format!("{{{{range fromJson `{text}`}}}}x{{{{else}}}}none{{{{end}}}}"),
                "none",
            );
        }
        let deep = "[".repeat(10_001) + &"]".repeat(10_001);
        gives(&format!("{{{{fromJson `{deep}`}}}}"), "<no value>");
        gives("{{fromJson `[1, 1e999]`}}", "[1 <nil>]");
    }

    #[test]
    fn values_are_written_as_json() {
        gives(
            r#"{{dict "b" (list 1 "x" nil true 1.5) "a" dict | toJson}}"#,
            r#"{"a":{},"b":[1,"x",null,true,1.5]}"#,
        );
        gives(
            r#"{{toJson nil}} {{toJson "<&>"}}"#,
            r#"null "\u003c\u0026\u003e""#,
        );
        gives(
            r#"{{get "/port" | toJson}}"#,
            r#"{"Key":"/port","Value":"8080"}"#,
        );
        gives(
            r#"{{getvs "/web/*" | toJson}} {{toJson (seq 1 3)}}"#,
            r#"["a","b"] [1,2,3]"#,
        );
    }

    #[test]
    fn pretty_json_is_indented_by_two_spaces() {
        gives(
            r#"{{dict "a" (list 1 list) "b" dict | toPrettyJson}}"#,
            "{\n  \"a\": [\n    1,\n    []\n  ],\n  \"b\": {}\n}",
        );
    }

    #[test]
    fn what_json_has_nothing_for_is_empty() {
        gives("{{toJson 1i}}{{toPrettyJson (list 1i)}}", "");
    }

    #[test]
    fn json_of_what_shares_its_parts_may_not_fill_the_memory() {
        let text = "{{$l := repeat 100000 `x`}}{{range seq 1 40}}{{$l = list $l $l}}{{end}}";
        fails_with(
            &format!("{text}{{{{toJson $l}}}}"),
            "error calling toJson: text exceeds 67108864 bytes",
        );
    }
}
