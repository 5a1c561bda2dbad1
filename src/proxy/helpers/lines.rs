//! Text of several lines, further to the right.

use gotemplate::Value;
use gotemplate::library::mistyped;
use gotemplate::library::strings::{check_length, repeated};

/// Every line with so many spaces before it, empty ones too.
pub(super) fn indent(args: &[Value]) -> Result<Value, String> {
    indented(b"", args)
}

/// The same on a line of its own.
pub(super) fn nindent(args: &[Value]) -> Result<Value, String> {
    indented(b"\n", args)
}

fn indented(before: &[u8], args: &[Value]) -> Result<Value, String> {
    let [Value::Int(spaces), Value::String(text)] = args else {
        return mistyped();
    };
    let pad = repeated(b" ", *spaces)?;
    let lines = || text.split(|byte| *byte == b'\n');
    let padding = pad.len().saturating_mul(lines().count());
    check_length(text.len().saturating_add(padding))?;
    let mut out = before.to_vec();
    for (number, line) in lines().enumerate() {
        if number > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(&pad);
        out.extend_from_slice(line);
    }
    Ok(Value::string(out))
}

#[cfg(test)]
mod tests {
    use crate::proxy::helpers::tests::{fails_with, gives};

    #[test]
    fn every_line_is_indented_be_it_empty() {
        gives(r#"{{indent 4 "a\n\nb\n"}}"#, "    a\n    \n    b\n    ");
        gives(
            r#"{{"a" | indent 2}}|{{indent 2 ""}}|{{indent 0 "a\nb"}}"#,
            "  a|  |a\nb",
        );
    }

    #[test]
    fn a_line_of_its_own_begins_before() {
        gives(r#"a:{{nindent 2 "b\nc"}}"#, "a:\n  b\n  c");
    }

    #[test]
    fn an_indent_is_a_number_of_spaces_that_there_can_be() {
        fails_with(
            r#"{{indent -1 "a"}}"#,
            "error calling indent: strings: negative Repeat count",
        );
        fails_with(
            r#"{{indent 9223372036854775807 "a"}}"#,
            "error calling indent: the result would be 9223372036854775807 bytes long",
        );
        fails_with(
            r#"{{nindent 1000 (repeat 100000 "\n")}}"#,
            "error calling nindent: the result would be 100101000 bytes long",
        );
        fails_with(r#"{{indent "1" "a"}}"#, "expected integer; found \"1\"");
    }
}
