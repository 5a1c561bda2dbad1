//! Any text as a check's flags, and as an address.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use register::address::Address;
use register::probe::{Probe, Spec};

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let mut next = || {
        lines
            .next()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
    };
    let url = next().unwrap_or_default();
    if let Ok(address) = url.parse::<Address>() {
        let shown = address.to_string();
        assert_eq!(
            shown.parse::<Address>().map(|again| again.to_string()),
            Ok(shown)
        );
    }
    // Reading the system's certificates each time takes too long.
    let scheme = url.to_ascii_lowercase();
    if ["https:", "tls:", "grpcs:"].iter().any(|tls| scheme.starts_with(tls)) {
        return;
    }
    let spec = Spec {
        url,
        timeout: Duration::from_secs(1),
        expect: next(),
        method: next(),
        body_regex: next(),
        host: next(),
        headers: lines.map(str::to_owned).collect(),
        ..Spec::default()
    };
    let _result = Probe::new(spec);
});
