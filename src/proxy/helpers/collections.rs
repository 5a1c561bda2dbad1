//! Lists and dictionaries. None is changed once it is there.

use std::collections::BTreeMap;

use gotemplate::Value;
use gotemplate::library::mistyped;
use gotemplate::library::print::sprint;

pub(super) fn list(args: &[Value]) -> Result<Value, String> {
    Ok(Value::list(args.to_vec()))
}

/// Another list, of the elements of the first argument and the second one.
pub(super) fn append(args: &[Value]) -> Result<Value, String> {
    let [slice, item] = args else {
        return mistyped();
    };
    if !slice.is_slice() {
        let kind = slice.kind();
        let kind = kind.map_or_else(|| "nil".to_owned(), |kind| kind.to_string());
        return Err(format!("cannot append to {kind}"));
    }
    let items = (0..slice.len()).filter_map(|index| slice.element(index));
    Ok(Value::list(items.chain([item.clone()]).collect()))
}

/// Of keys and values in turn; a last key without a value has an empty text.
pub(super) fn dict(args: &[Value]) -> Result<Value, String> {
    let mut entries = BTreeMap::new();
    for pair in args.chunks(2) {
        let [key, value @ ..] = pair else {
            return mistyped();
        };
        let value = value.first().cloned();
        entries.insert(sprint(key)?, value.unwrap_or_else(|| Value::string("")));
    }
    Ok(Value::map(entries))
}

pub(super) fn has_key(args: &[Value]) -> Result<Value, String> {
    let [Value::Map(entries), Value::String(key)] = args else {
        return mistyped();
    };
    Ok(Value::Bool(entries.contains_key(key)))
}

/// The keys of one dictionary after the other, of each in their order.
pub(super) fn keys(args: &[Value]) -> Result<Value, String> {
    let mut keys = Vec::new();
    for dict in args {
        let Value::Map(entries) = dict else {
            return mistyped();
        };
        keys.extend(entries.keys().cloned());
    }
    Ok(Value::strings(keys))
}

/// The values, in the order of their keys.
pub(super) fn values(args: &[Value]) -> Result<Value, String> {
    let [Value::Map(entries)] = args else {
        return mistyped();
    };
    Ok(Value::list(entries.values().cloned().collect()))
}

/// What each dictionary that has the key has for it.
pub(super) fn pluck(args: &[Value]) -> Result<Value, String> {
    let [Value::String(key), dicts @ ..] = args else {
        return mistyped();
    };
    let found = dicts.iter().filter_map(|dict| match dict {
        Value::Map(entries) => entries.get(key).cloned(),
        _ => None,
    });
    Ok(Value::list(found.collect()))
}

#[cfg(test)]
mod tests {
    use crate::proxy::helpers::tests::{fails_with, gives};

    #[test]
    fn a_list_has_elements_of_any_type() {
        gives(r#"{{list 1 "a" nil}} {{len (list)}}"#, "[1 a <nil>] 0");
        gives(
            r#"{{range $i, $x := list "a" "b"}}{{$i}}{{$x}}{{end}}"#,
            "0a1b",
        );
    }

    #[test]
    fn appending_makes_a_new_list() {
        gives(
            "{{$a := list 1 2}}{{$b := append $a 3}}{{$a}}{{$b}}",
            "[1 2][1 2 3]",
        );
        gives(
            r#"{{append (getvs "/web/*") "c"}} {{append (seq 1 2) "x"}}"#,
            "[a b c] [1 2 x]",
        );
        gives("{{append list nil}}", "[<nil>]");
        fails_with(
            r#"{{append "a" "b"}}"#,
            "error calling append: cannot append to string",
        );
        fails_with(
            "{{append nil 1}}",
            "error calling append: cannot append to nil",
        );
        fails_with(
            "{{append dict 1}}",
            "error calling append: cannot append to map[string]interface {}",
        );
    }

    #[test]
    fn a_dictionary_is_of_keys_and_values_in_turn() {
        gives(r#"{{dict "b" 1 "a" 2 "b" 3}}"#, "map[a:2 b:3]");
        gives(r#"{{dict 1 "x" true "y"}}"#, "map[1:x true:y]");
        gives(r#"{{dict "a" 1 "b" | toJson}}"#, r#"{"a":1,"b":""}"#);
        gives("{{dict}}", "map[]");
    }

    #[test]
    fn a_key_is_there_whatever_its_value() {
        gives(
            r#"{{$d := dict "a" nil}}{{hasKey $d "a"}} {{hasKey $d "b"}} {{hasKey nil "a"}}"#,
            "true false false",
        );
        gives(
            r#"{{hasKey (json `{"a": 1}`) "a"}} {{hasKey (fromJson `{}`) "a"}}"#,
            "true false",
        );
        fails_with(
            r#"{{hasKey (list 1) "a"}}"#,
            "wrong type for value; expected map[string]interface {}; got []interface {}",
        );
    }

    #[test]
    fn keys_and_values_are_in_the_order_of_the_keys() {
        gives(
            r#"{{$d := dict "b" 1 "a" 2}}{{keys $d}} {{values $d}}"#,
            "[a b] [2 1]",
        );
        gives(
            r#"{{keys (dict "b" 1 "a" 2) (dict "a" 3)}} {{keys}}"#,
            "[a b a] []",
        );
        gives(r#"{{join (keys (dict "b" 1 "a" 2)) ","}}"#, "a,b");
    }

    #[test]
    fn one_key_is_plucked_from_many_dictionaries() {
        gives(
            r#"{{pluck "a" (dict "a" 1) (dict "b" 2) (dict "a" nil)}} {{pluck "a"}}"#,
            "[1 <nil>] []",
        );
    }
}
