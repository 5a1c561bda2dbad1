//! Slash-separated paths, as Go's package `path` handles them.

use std::borrow::Cow;

use crate::library::mistyped;
use crate::value::Value;

/// `path.Base`.
///
/// # Errors
/// Go's text.
pub fn base(args: &[Value]) -> Result<Value, String> {
    let [Value::String(path)] = args else {
        return mistyped();
    };
    Ok(match last(path) {
        b"" if path.is_empty() => Value::string(&b"."[..]),
        b"" => Value::string(&b"/"[..]),
        name => Value::String(path.slice_ref(name)),
    })
}

/// `path.Dir`.
///
/// # Errors
/// Go's text.
pub fn dir(args: &[Value]) -> Result<Value, String> {
    let [Value::String(path)] = args else {
        return mistyped();
    };
    let end = path
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |at| at + 1);
    Ok(Value::string(clean(&path[..end]).into_owned()))
}

/// The last name of `path`: empty when there is none.
pub fn last(path: &[u8]) -> &[u8] {
    let end = path
        .iter()
        .rposition(|&byte| byte != b'/')
        .map_or(0, |at| at + 1);
    path[..end]
        .rsplit(|&byte| byte == b'/')
        .next()
        .unwrap_or_default()
}

/// The shortest path that means the same.
pub fn clean(path: &[u8]) -> Cow<'_, [u8]> {
    if is_clean(path) {
        return Cow::Borrowed(path);
    }
    let rooted = path.starts_with(b"/");
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if names.last().is_some_and(|last| *last != b"..") => {
                names.pop();
            }
            b".." if rooted => {}
            _ => names.push(name),
        }
    }
    let root = if rooted { &b"/"[..] } else { b"" };
    match [root, &names.join(&b'/')].concat() {
        empty if empty.is_empty() => Cow::Borrowed(b"."),
        path => Cow::Owned(path),
    }
}

/// Whether `path` begins with a slash and is as short as it can be.
pub fn is_clean(path: &[u8]) -> bool {
    let Some(mut rest) = path.strip_prefix(b"/") else {
        return false;
    };
    if rest.is_empty() {
        return true;
    }
    loop {
        match rest {
            [] | [b'/', ..] | [b'.'] | [b'.', b'/', ..] => return false,
            [b'.', b'.'] | [b'.', b'.', b'/', ..] => return false,
            _ => {}
        }
        match rest.iter().position(|&byte| byte == b'/') {
            Some(at) => rest = &rest[at + 1..],
            None => return true,
        }
    }
}

/// The parts that are not empty, put together and cleaned.
pub fn join(parts: &[&[u8]]) -> Vec<u8> {
    let parts: Vec<_> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() {
        return Vec::new();
    }
    clean(&parts.join(&b'/')).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::tests::{call, text};

    #[test]
    fn base_is_the_last_name() {
        for (path, name) in [
            ("", "."),
            ("/", "/"),
            ("///", "/"),
            (".", "."),
            ("/a/b", "b"),
            ("/a/b//", "b"),
            ("a", "a"),
            ("/a", "a"),
            ("/a/..", ".."),
        ] {
            assert_eq!(call("base", &[text(path)]), Ok(name.into()), "{path:?}");
        }
    }

    #[test]
    fn dir_is_what_precedes_the_last_name() {
        for (path, parent) in [
            ("", "."),
            ("a", "."),
            ("/", "/"),
            ("/a", "/"),
            ("/a/", "/a"),
            ("/a/b", "/a"),
            ("a/b/../c", "a"),
            ("/a//b", "/a"),
            ("../x", ".."),
        ] {
            assert_eq!(call("dir", &[text(path)]), Ok(parent.into()), "{path:?}");
        }
    }

    #[test]
    fn a_clean_path_is_the_shortest_one() {
        for (path, short) in [
            ("", "."),
            ("/", "/"),
            ("//", "/"),
            ("/a", "/a"),
            ("/a/", "/a"),
            ("/a//b", "/a/b"),
            ("/a/./b/.", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a"),
            ("/../a", "/a"),
            ("..", ".."),
            ("../../a", "../../a"),
            ("a/../..", ".."),
            ("a/..", "."),
            ("/.a/..b/c.", "/.a/..b/c."),
        ] {
            let cleaned = clean(path.as_bytes());
            assert_eq!(cleaned, short.as_bytes(), "{path:?}");
            assert_eq!(clean(&cleaned), cleaned, "{path:?}");
            let unchanged = path == short && path.starts_with('/');
            assert_eq!(is_clean(path.as_bytes()), unchanged, "{path:?}");
        }
    }

    #[test]
    fn empty_parts_are_not_joined() {
        assert_eq!(join(&[b"", b""]), b"");
        assert_eq!(join(&[b"", b"a"]), b"a");
        assert_eq!(join(&[b"/", b"", b"a/", b"/b"]), b"/a/b");
        assert_eq!(join(&[b"/a", b"../../b"]), b"/b");
    }
}
