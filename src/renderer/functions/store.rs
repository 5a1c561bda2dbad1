//! Functions on the keys of the store.

use std::cell::RefCell;
use std::rc::Rc;

use crate::store::Store;
use gotemplate::Str;
use gotemplate::library::pattern::Pattern;
use gotemplate::library::{mistyped, path};
use gotemplate::{KVPair, Value};

pub(super) fn get(store: &Store, args: &[Value]) -> Result<Value, String> {
    let [Value::String(key)] = args else {
        return mistyped();
    };
    match store.get(key) {
        Some(entry) => Ok(Value::Pair(Rc::new(pair(entry)))),
        None => Err(missing(key)),
    }
}

pub(super) fn gets(store: &Store, args: &[Value]) -> Result<Value, String> {
    let pairs = matching(store, args)?.into_iter().map(pair).collect();
    Ok(Value::Pairs(Rc::new(RefCell::new(pairs))))
}

pub(super) fn getv(store: &Store, args: &[Value]) -> Result<Value, String> {
    let [Value::String(key), defaults @ ..] = args else {
        return mistyped();
    };
    match (store.get(key), defaults.first()) {
        (Some((_, value)), _) => Ok(Value::String(value.clone())),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(missing(key)),
    }
}

pub(super) fn getvs(store: &Store, args: &[Value]) -> Result<Value, String> {
    let entries = matching(store, args)?;
    let mut values: Vec<_> = entries
        .into_iter()
        .map(|(_, value)| value.clone())
        .collect();
    values.sort();
    Ok(Value::strings(values))
}

pub(super) fn exists(store: &Store, args: &[Value]) -> Result<Value, String> {
    let [Value::String(key)] = args else {
        return mistyped();
    };
    Ok(Value::Bool(store.get(key).is_some()))
}

pub(super) fn ls(store: &Store, args: &[Value]) -> Result<Value, String> {
    let [Value::String(wanted)] = args else {
        return mistyped();
    };
    let leaf = store.get(wanted).map(|(key, _)| match path::last(key) {
        b"" => key.clone(),
        name => key.slice_ref(name),
    });
    let children = below(store, wanted)
        .filter(|key| key != &wanted)
        .map(|key| {
            let rest = key.strip_prefix(&wanted[..]).unwrap_or(key);
            let rest = rest.strip_prefix(b"/").unwrap_or(rest);
            key.slice_ref(first_name(rest))
        });
    Ok(sorted(leaf.into_iter().chain(children).collect()))
}

pub(super) fn lsdir(store: &Store, args: &[Value]) -> Result<Value, String> {
    let [Value::String(wanted)] = args else {
        return mistyped();
    };
    let top = path::clean(wanted);
    let directories = below(store, wanted)
        .filter(|key| key.starts_with(wanted))
        .filter_map(|key| {
            let rest = key.get(top.len() + 1..)?;
            let name = first_name(rest);
            (name.len() < rest.len()).then(|| key.slice_ref(name))
        });
    Ok(sorted(directories.collect()))
}

fn missing(key: &Str) -> String {
    format!("key does not exist: {}", String::from_utf8_lossy(key))
}

fn pair((key, value): &(Str, Str)) -> KVPair {
    KVPair {
        key: key.clone(),
        value: value.clone(),
    }
}

fn matching<'a>(store: &'a Store, args: &[Value]) -> Result<Vec<&'a (Str, Str)>, String> {
    match args {
        // confd reads the pattern once for each key.
        [Value::String(_)] if store.entries().is_empty() => Ok(Vec::new()),
        [Value::String(pattern)] => {
            let pattern = Pattern::parse(pattern).map_err(|fault| fault.to_string())?;
            Ok(store.matching(&pattern).collect())
        }
        _ => mistyped().map(|_| Vec::new()),
    }
}

/// The keys below a path. As confd compares names, those below `/` are the ones with no second
/// slash.
fn below<'a>(store: &'a Store, wanted: &[u8]) -> impl Iterator<Item = &'a Str> {
    let mut beginning = path::clean(wanted).into_owned();
    let at_root = beginning == b"/";
    if !at_root {
        beginning.push(b'/');
    }
    let keys = store.beginning(&beginning).iter().map(|(key, _)| key);
    keys.filter(move |key| !at_root || !key[1..].contains(&b'/'))
}

fn first_name(path: &[u8]) -> &[u8] {
    path.split(|&byte| byte == b'/').next().unwrap_or_default()
}

fn sorted(mut names: Vec<Str>) -> Value {
    names.sort();
    names.dedup();
    Value::strings(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::tests::{store, strings_from, text, value_from};

    fn example() -> Store {
        store(&[
            ("/app/deep/a/b/c", "1"),
            ("/app/deep/a/x", "2"),
            ("/app/empty", ""),
            ("/app/name", "web"),
            ("/app/up/app1", "10.0.1.100:80"),
            ("/app/up/app10", "10.0.1.9:80"),
            ("/app/up/app2", "10.0.1.100:80"),
            ("/application/x", "3"),
            ("/top", "4"),
        ])
    }

    fn string(store: &Store, name: &str, args: &[&str]) -> Result<String, String> {
        let args: Vec<_> = args.iter().copied().map(text).collect();
        value_from(store, name, &args).map(|value| match value {
            Value::String(text) => String::from_utf8(text.to_vec()).unwrap(),
            Value::Bool(bool) => bool.to_string(),
            Value::Pair(pair) => format!("{:?}={:?}", pair.key, pair.value),
            Value::Pairs(pairs) => {
                let keys = pairs.borrow();
                let keys: Vec<_> = keys
                    .iter()
                    .map(|pair| String::from_utf8_lossy(&pair.key))
                    .collect();
                keys.join(" ")
            }
            other => panic!("{other:?}"),
        })
    }

    fn list(store: &Store, name: &str, path: &str) -> Vec<Str> {
        strings_from(store, name, &[text(path)])
    }

    #[test]
    fn a_key_is_found_only_as_it_is_written() {
        let store = example();
        assert_eq!(
            string(&store, "get", &["/top"]),
            Ok("b\"/top\"=b\"4\"".into())
        );
        assert_eq!(string(&store, "getv", &["/app/name"]), Ok("web".into()));
        for key in ["app/name", "/app/name/", "/app", "/app//name", ""] {
            let missing = Err(format!("key does not exist: {key}"));
            assert_eq!(string(&store, "get", &[key]), missing);
            assert_eq!(string(&store, "getv", &[key]), missing);
            assert_eq!(string(&store, "exists", &[key]), Ok("false".into()));
        }
        assert_eq!(string(&store, "exists", &["/app/empty"]), Ok("true".into()));
    }

    #[test]
    fn a_default_is_for_a_key_that_does_not_exist() {
        let store = example();
        assert_eq!(string(&store, "getv", &["/nope", "d", "e"]), Ok("d".into()));
        assert_eq!(string(&store, "getv", &["/app/empty", "d"]), Ok("".into()));
    }

    #[test]
    fn pairs_come_by_key_and_values_by_value() {
        let store = example();
        assert_eq!(
            string(&store, "gets", &["/app/up/*"]),
            Ok("/app/up/app1 /app/up/app10 /app/up/app2".into())
        );
        assert_eq!(string(&store, "gets", &["/*"]), Ok("/top".into()));
        assert_eq!(string(&store, "gets", &["/nope/*"]), Ok("".into()));
        assert_eq!(
            list(&store, "getvs", "/app/up/app?*"),
            ["10.0.1.100:80", "10.0.1.100:80", "10.0.1.9:80"]
        );
        assert_eq!(list(&store, "getvs", "/nope"), [""; 0]);
    }

    #[test]
    fn a_bad_pattern_is_noticed_if_there_are_keys() {
        let bad = Err("syntax error in pattern".to_owned());
        assert_eq!(string(&example(), "gets", &["/nope/["]), bad);
        assert_eq!(string(&example(), "getvs", &["/nope/["]), bad);
        assert_eq!(string(&store(&[]), "gets", &["/nope/["]), Ok("".into()));
    }

    #[test]
    fn ls_lists_leaves_and_directories() {
        let store = example();
        assert_eq!(list(&store, "ls", "/app"), ["deep", "empty", "name", "up"]);
        assert_eq!(list(&store, "ls", "/app/"), ["deep", "empty", "name", "up"]);
        assert_eq!(list(&store, "ls", "/app/deep/a"), ["b", "x"]);
        assert_eq!(list(&store, "ls", "/app/name"), ["name"]);
        assert_eq!(list(&store, "ls", "/nope"), [""; 0]);
        assert_eq!(list(&store, "ls", "app"), [""; 0]);
        assert_eq!(list(&store, "ls", ""), [""; 0]);
    }

    #[test]
    fn ls_of_a_leaf_with_children_lists_the_leaf_too() {
        let store = store(&[("/s", "1"), ("/s/t", "2")]);
        assert_eq!(list(&store, "ls", "/s"), ["s", "t"]);
    }

    #[test]
    fn ls_takes_a_path_that_is_not_clean_off_no_key() {
        assert_eq!(list(&example(), "ls", "/app/."), ["app"]);
        assert_eq!(list(&example(), "ls", "/app//deep"), ["app"]);
    }

    #[test]
    fn ls_of_the_root_lists_only_leaves() {
        assert_eq!(list(&example(), "ls", "/"), ["top"]);
        assert_eq!(
            list(&store(&[("/", "1"), ("/a", "2")]), "ls", "/"),
            ["/", "a"]
        );
    }

    #[test]
    fn lsdir_lists_directories_and_none_at_the_root() {
        let store = example();
        assert_eq!(list(&store, "lsdir", "/app"), ["deep", "up"]);
        assert_eq!(list(&store, "lsdir", "/app/"), ["deep", "up"]);
        assert_eq!(list(&store, "lsdir", "/app/deep/a"), ["b"]);
        for path in ["/", "", "/ap", "app", "/app//", "/app/up", "/app/name"] {
            assert_eq!(list(&store, "lsdir", path), [""; 0], "{path:?}");
        }
    }
}
