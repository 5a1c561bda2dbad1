//! Texts between quotes.

use gotemplate::library::print::sprint;
use gotemplate::library::strings::check_length;
use gotemplate::{Value, quote};

/// Each argument but nils between double quotes, as Go writes strings, with spaces between them.
pub(super) fn quote(args: &[Value]) -> Result<Value, String> {
    each(args, |text| quote::quote(text).into_bytes())
}

/// Each argument but nils between single quotes, as it is, with spaces between them.
pub(super) fn squote(args: &[Value]) -> Result<Value, String> {
    each(args, |text| [b"'", text, b"'"].concat())
}

fn each(args: &[Value], quoted: fn(&[u8]) -> Vec<u8>) -> Result<Value, String> {
    let mut out = Vec::new();
    for arg in args.iter().filter(|arg| !matches!(arg, Value::Nil)) {
        if !out.is_empty() {
            out.push(b' ');
        }
        let text = sprint(arg)?;
        check_length(out.len().saturating_add(text.len()))?;
        out.extend(quoted(&text));
    }
    check_length(out.len())?;
    Ok(Value::string(out))
}

#[cfg(test)]
mod tests {
    use crate::proxy::helpers::tests::{fails_with, gives};

    #[test]
    fn double_quotes_escape_what_is_between_them() {
        gives(r#"{{quote "a\"b\\c\n\té\x00"}}"#, r#""a\"b\\c\n\té\x00""#);
        gives(r#"{{quote ""}} {{getv "/port" | quote}}"#, r#""" "8080""#);
    }

    #[test]
    fn single_quotes_escape_nothing() {
        gives(r#"{{squote "it's \"\n"}}"#, "'it's \"\n'");
    }

    #[test]
    fn each_argument_is_quoted_but_nils_are_left_out() {
        gives(
            r#"{{quote 1 nil true "a b" (list 1 "x")}}"#,
            r#""1" "true" "a b" "[1 x]""#,
        );
        gives("{{squote 1 nil 2.5}}", "'1' '2.5'");
        gives("{{quote}}{{squote}}{{quote nil}}{{quote (map).x}}", "");
    }

    #[test]
    fn quoting_may_not_fill_the_memory() {
        fails_with(
            "{{$x := repeat 60000000 `x`}}{{squote $x $x}}",
            "error calling squote: the result would be 120000003 bytes long",
        );
    }
}
