//! Functions that look at the host: environment and files.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use gotemplate::Value;
use gotemplate::library::mistyped;

/// A variable that is empty counts as not set.
pub(super) fn getenv(args: &[Value]) -> Result<Value, String> {
    let [Value::String(name), defaults @ ..] = args else {
        return mistyped();
    };
    let value = env::var_os(OsStr::from_bytes(name)).unwrap_or_default();
    Ok(match defaults.first() {
        Some(default) if value.is_empty() => default.clone(),
        _ => Value::string(value.into_vec()),
    })
}

/// A file that cannot be looked at counts as one that exists.
pub(super) fn file_exists(args: &[Value]) -> Result<Value, String> {
    let [Value::String(path)] = args else {
        return mistyped();
    };
    let found = fs::metadata(OsStr::from_bytes(path));
    Ok(Value::Bool(
        !found.is_err_and(|error| error.kind() == ErrorKind::NotFound),
    ))
}

#[cfg(test)]
mod tests {
    use std::env;

    use crate::functions::tests::{call, text};

    #[test]
    fn a_variable_has_a_default() {
        let set = "PATH";
        let value = env::var(set).unwrap();
        let unset = "RENDERER_TEST_UNSET";
        assert_eq!(call("getenv", &[text(set)]), Ok(value.clone()));
        assert_eq!(call("getenv", &[text(set), text("d")]), Ok(value));
        assert_eq!(call("getenv", &[text(unset)]), Ok("".into()));
        assert_eq!(
            call("getenv", &[text(unset), text("d"), text("e")]),
            Ok("d".into())
        );
        assert_eq!(call("getenv", &[text("A=B"), text("d")]), Ok("d".into()));
    }

    #[test]
    fn only_what_is_not_found_does_not_exist() {
        let directory = env!("CARGO_MANIFEST_DIR");
        let exists = |path: &str| call("fileExists", &[text(path)]);
        assert_eq!(exists(directory), Ok("true".into()));
        assert_eq!(
            exists(&format!("{directory}/Cargo.toml")),
            Ok("true".into())
        );
        assert_eq!(exists(&format!("{directory}/nothing")), Ok("false".into()));
        assert_eq!(exists(""), Ok("false".into()));
        assert_eq!(
            exists(&format!("{directory}/Cargo.toml/x")),
            Ok("true".into())
        );
    }
}
