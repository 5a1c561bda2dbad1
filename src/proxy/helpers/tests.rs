//! What the helpers' tests share, and tests of the table itself.

use gotemplate::{Delims, Options, Template, Value};
use proptest::prelude::*;
use renderer::functions::FUNCTIONS;
use renderer::snapshot::Snapshot;
use renderer::store::Store;

use super::*;

const KEYS: &[(&str, &str)] = &[("/port", "8080"), ("/web/1", "a"), ("/web/2", "b")];

fn rendered(text: &str, keys: &[(&str, &[u8])]) -> Result<Vec<u8>, String> {
    let mut snapshot = Snapshot::default();
    for (key, value) in keys {
        snapshot.put((*key).to_owned().into(), value.to_vec().into());
    }
    let store = Store::select(&snapshot, "", &["/".to_owned()]);
    let delims = Delims::default();
    let template = Template::parse_with("t", text.to_owned(), &delims, FUNCTIONS, HELPERS);
    let template = template.map_err(|error| error.to_string())?;
    let made = template.execute(&Value::Nil, &store, &Options::default());
    made.map_err(|error| error.to_string())
}

fn with_keys(text: &str) -> Result<String, String> {
    let keys: Vec<_> = KEYS
        .iter()
        .map(|(key, value)| (*key, value.as_bytes()))
        .collect();
    rendered(text, &keys).map(|made| String::from_utf8_lossy(&made).into_owned())
}

pub(super) fn gives(text: &str, expected: &str) {
    assert_eq!(with_keys(text), Ok(expected.to_owned()), "{text}");
}

pub(super) fn fails_with(text: &str, expected: &str) {
    let error = with_keys(text).expect_err(text);
    assert!(error.contains(expected), "{text}: {error}");
}

#[test]
fn helpers_are_in_order_and_none_has_the_name_of_one_of_confds() {
    let names = || HELPERS.iter().map(|helper| helper.signature().name);
    assert_eq!(names().count(), 28);
    assert!(names().is_sorted_by(|one, next| one.to_lowercase() < next.to_lowercase()));
    for confds in FUNCTIONS {
        let name = confds.signature().name;
        assert!(names().all(|helper| helper != name), "{name}");
    }
}

#[test]
fn no_helper_panics_on_arguments_it_does_not_expect() {
    for helper in HELPERS {
        for count in 0..4 {
            let _result = helper.call(&(), &vec![Value::Nil; count]);
        }
    }
}

const TAKE_A_TEXT: &[&str] = &[
    "{{nospace V}}{{camelcase V}}{{snakecase V}}{{kebabcase V}}{{sha256sum V}}",
    "{{quote V V}}{{squote V 1 V}}{{indent 3 V}}{{nindent 2 V}}{{repeat 3 V}}",
    "{{toJson V}}{{fromJson V | toPrettyJson}}{{dict V V | toJson}}{{keys (dict V V)}}",
    "{{trimPrefix V `/a`}}{{trimPrefix `a` V}}{{default V V}}{{coalesce V}}{{append (list V) V}}",
    "{{regexMatch `(a|b)*c` V}}{{regexFind `^.*?[^x]$` V}}{{regexReplaceAll `.` V V}}",
    "{{regexMatch V `aab`}}",
    "{{regexFind V V}}",
    "{{regexReplaceAll V V V}}",
];

proptest! {
    #[test]
    fn no_value_makes_a_helper_panic(
        value in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "[a-cA-C0-9_ /(){}\\[\\]\\\\*+?|^$,.:\"é-]{0,20}".prop_map(String::into_bytes),
        ],
    ) {
        for text in TAKE_A_TEXT {
            let text = text.replace('V', "(getv `/v`)");
            let _made = rendered(&text, &[("/v", &value)]);
        }
    }

    #[test]
    fn json_that_was_written_is_read_again(value in "\\PC{0,20}") {
        let text = r#"{{$v := getv "/v"}}{{(dict "a" (list $v) | toJson | fromJson).a}}"#;
        let made = rendered(text, &[("/v", value.as_bytes())]);
        prop_assert_eq!(made, Ok(format!("[{value}]").into_bytes()));
    }
}
