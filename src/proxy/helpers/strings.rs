//! Texts, shorter or longer.

use gotemplate::Value;
use gotemplate::library::strings::repeated;
use gotemplate::library::{mistyped, utf8};

/// The text without the prefix, if it has it.
pub(super) fn trim_prefix(args: &[Value]) -> Result<Value, String> {
    let [Value::String(prefix), Value::String(text)] = args else {
        return mistyped();
    };
    let rest = text.strip_prefix(&prefix[..]).unwrap_or(text);
    Ok(Value::String(text.slice_ref(rest)))
}

/// The text so many times.
pub(super) fn repeat(args: &[Value]) -> Result<Value, String> {
    let [Value::Int(count), Value::String(text)] = args else {
        return mistyped();
    };
    repeated(text, *count).map(Value::string)
}

/// The text without its white space, of which Unicode has more than spaces.
pub(super) fn nospace(args: &[Value]) -> Result<Value, String> {
    let [Value::String(text)] = args else {
        return mistyped();
    };
    let mut kept = utf8::mended(text);
    kept.retain(|char| !char.is_whitespace());
    Ok(Value::string(kept))
}

#[cfg(test)]
mod tests {
    use crate::proxy::helpers::tests::{fails_with, gives};

    #[test]
    fn a_prefix_is_trimmed_once_and_comes_first() {
        gives(
            r#"{{trimPrefix "-" "-hello"}} {{trimPrefix "a" "aab"}}"#,
            "hello ab",
        );
        gives(
            r#"{{"/a" | trimPrefix "b"}} {{trimPrefix "long" "l"}}"#,
            "/a l",
        );
    }

    #[test]
    fn a_text_is_repeated() {
        gives(r#"{{repeat 3 "hello"}}{{repeat 0 "x"}}"#, "hellohellohello");
        fails_with(
            r#"{{repeat -1 "a"}}"#,
            "error calling repeat: strings: negative Repeat count",
        );
    }

    #[test]
    fn repeating_may_not_fill_the_memory() {
        fails_with(
            r#"{{repeat 67108865 "a"}}"#,
            "error calling repeat: the result would be 67108865 bytes long",
        );
        fails_with(
            "{{range seq 1 100}}{{$x := repeat 67108864 `a`}}{{end}}",
            "values exceed 1073741824 bytes",
        );
    }

    #[test]
    fn all_white_space_goes_and_other_characters_stay() {
        gives(
            r#"{{nospace " hello w\to\nr\u00a0l\u2003d "}}"#,
            "helloworld",
        );
        gives(r#"{{nospace "é à"}}"#, "éà");
    }
}
