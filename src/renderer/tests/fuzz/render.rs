//! Arbitrary templates over arbitrary stores.

use std::time::{Duration, Instant};

use gotemplate::Value;
use gotemplate::{Delims, Limits, Options, Template};
use proptest::prelude::*;
use renderer::functions::FUNCTIONS;
use renderer::store::Store;

use crate::store::snapshots;
use crate::template::templates;

const OUTPUT: usize = 100_000;

/// Far more than a machine with other work to do needs.
const HUNG: Duration = Duration::from_secs(20);

/// What a template makes of a store: its output, or that it was refused or stopped.
fn answer(text: Vec<u8>, store: &Store) -> Result<Vec<u8>, String> {
    let template = Template::parse("t.tmpl", text, &Delims::default(), FUNCTIONS)
        .map_err(|error| error.to_string())?;
    let options = Options {
        limits: Limits {
            output: OUTPUT,
            time: Some(Duration::from_secs(1)),
        },
        ..Options::default()
    };
    template
        .execute(&Value::Nil, store, &options)
        .map_err(|error| error.to_string())
}

proptest! {
    #[test]
    fn a_template_is_rendered_or_an_error_says_where_it_stopped(
        text in templates(),
        snapshot in snapshots(),
        prefix in "/?(services)?/?",
    ) {
        let start = Instant::now();
        let store = Store::select(&snapshot, &prefix, &["/".to_owned()]);
        match answer(text, &store) {
            Ok(output) => prop_assert!(output.len() <= OUTPUT),
            Err(error) => prop_assert!(error.starts_with("template: t.tmpl:"), "{error}"),
        }
        prop_assert!(start.elapsed() < HUNG);
    }
}
