//! Any bytes as the value of a key, through every function that reads a value.
#![no_main]

use std::sync::LazyLock;

use gotemplate::{Delims, Options, Template, Value};
use libfuzzer_sys::fuzz_target;
use register::proxy::helpers::HELPERS;
use renderer::functions::FUNCTIONS;
use renderer::snapshot::Snapshot;
use renderer::store::Store;

/// One each, as the first fault ends a template.
const TEXTS: &[&str] = &[
    r#"{{range $k, $v := json (getv "/v")}}{{$k}}={{$v}}{{end}}"#,
    r#"{{range jsonArray (getv "/v")}}{{.}}{{printf "%v %q %x" . . .}}{{end}}"#,
    r#"{{base64Decode (getv "/v")}}{{base64Encode (getv "/v")}}"#,
    r#"{{getv "/v" | printf "%v %q %+q %x %s"}}{{html (getv "/v")}}{{js (getv "/v")}}{{urlquery (getv "/v")}}"#,
    r#"{{atoi (getv "/v")}}{{parseBool (getv "/v")}}"#,
    r#"{{printf (getv "/v") 1 "x" 1.5}}"#,
    r#"{{toUpper (getv "/v")}}{{replace (getv "/v") "a" "b" -1}}{{range split (getv "/v") ","}}{{.}}{{end}}"#,
    r#"{{base (getv "/v")}}{{dir (getv "/v")}}{{trimSuffix (getv "/v") "/"}}"#,
    r#"{{range gets (getv "/v")}}{{.Key}}{{end}}{{range ls (getv "/v")}}{{.}}{{end}}"#,
    r#"{{getv "/v" | fromJson | toJson}}{{getv "/v" | fromJson | toPrettyJson | indent 2}}"#,
    r#"{{$v := getv "/v"}}{{snakecase $v}}{{kebabcase $v}}{{camelcase $v}}{{nospace $v}}{{quote $v}}{{squote $v}}"#,
    r#"{{regexMatch (getv "/v") "aab"}}{{regexFind (getv "/v") "a1 b2"}}"#,
    r#"{{$v := getv "/v"}}{{regexReplaceAll "(a+)|(?P<b>[^b])" $v $v}}{{regexReplaceAll $v $v $v}}"#,
    r#"{{$v := getv "/v"}}{{range sortByLength (split $v "/")}}{{.}}{{end}}{{len $v}}{{slice $v 1}}"#,
];

static TEMPLATES: LazyLock<Vec<Template<Store>>> = LazyLock::new(|| {
    let parse = |text: &&str| {
        let delims = Delims::default();
        Template::parse_with("t.tmpl", (*text).to_owned(), &delims, FUNCTIONS, HELPERS)
            .expect("the templates of this file are right")
    };
    TEXTS.iter().map(parse).collect()
});

fuzz_target!(|value: &[u8]| {
    let snapshot = Snapshot {
        entries: [("/v".into(), value.to_vec().into())].into(),
        revision: 1,
    };
    let store = Store::select(&snapshot, "", &["/".to_owned()]);
    for template in TEMPLATES.iter() {
        let _result = template.execute(&Value::Nil, &store, &Options::default());
    }
});
