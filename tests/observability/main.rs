//! Metrics and the alert rules on them, as Prometheus' own tool reads them, and the page that documents both.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    reason = "tests stop at the first surprise, and use a part of the samples"
)]

/// Rules, and what makes them fire.
mod alerts;
/// `docs/observability.md`.
mod document;
/// What is scraped.
mod scrape;

mod samples;

use std::fs;
use std::path::Path;
use std::process::Command;

/// The one of the distribution, or the one that `make deps` unpacks.
fn promtool() -> Command {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/usr/bin/promtool");
    Command::new(if tools.exists() {
        tools
    } else {
        "promtool".into()
    })
}

/// Runs it to its end, which must be good: what it printed.
fn succeeded(command: &mut Command) -> String {
    let output = command.output().expect("promtool: run `make deps`");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}
