//! Any text as a template with all functions, run over a few keys.
#![no_main]

use std::sync::LazyLock;

use gotemplate::{Delims, Options, Template, Value};
use libfuzzer_sys::fuzz_target;
use register::proxy::helpers::HELPERS;
use renderer::functions::FUNCTIONS;
use renderer::snapshot::Snapshot;
use renderer::store::Store;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let entries = [
        ("/services/web/1", "10.0.0.1:80"),
        ("/services/web/2", "10.0.0.2:80"),
        (
            "/json",
            r#"{"host": "10.0.0.1", "port": 80, "list": [1, null, "x"]}"#,
        ),
        ("/list", r#"[{"a": 1}, [], "x"]"#),
    ];
    Snapshot {
        entries: entries
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
        revision: 1,
    }
});

fuzz_target!(|text: &str| {
    // Those ask the network, and the files of this machine.
    if ["lookup", "file", "env"]
        .iter()
        .any(|name| text.contains(name))
    {
        return;
    }
    let delims = Delims::default();
    let parsed = Template::parse_with("t.tmpl", text.to_owned(), &delims, FUNCTIONS, HELPERS);
    let Ok(template) = parsed else {
        return;
    };
    let store = Store::select(&SNAPSHOT, "", &["/".to_owned()]);
    let _result = template.execute(&Value::Nil, &store, &Options::default());
});
