//! Digests.

use std::fmt::Write as _;

use gotemplate::Value;
use gotemplate::library::mistyped;
use ring::digest::{SHA256, digest};

/// The SHA-256 digest of the text, in hexadecimal digits.
pub(super) fn sha256sum(args: &[Value]) -> Result<Value, String> {
    let [Value::String(text)] = args else {
        return mistyped();
    };
    let digest = digest(&SHA256, text);
    let digits = digest
        .as_ref()
        .iter()
        .fold(String::new(), |mut digits, byte| {
            // Writing to a string cannot fail.
            let _ = write!(digits, "{byte:02x}");
            digits
        });
    Ok(Value::string(digits))
}

#[cfg(test)]
mod tests {
    use crate::proxy::helpers::tests::gives;

    #[test]
    fn a_digest_is_64_hexadecimal_digits() {
        gives(
            r#"{{sha256sum ""}}"#,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        );
        gives(
            r#"{{"abc" | sha256sum}}"#,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        );
    }
}
