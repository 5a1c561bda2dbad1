//! A report as a page for browsers.

use std::time::SystemTime;

use super::json;
use super::report::Report;

/// `wall`: the time of day when the report was made.
#[must_use]
pub fn html(report: &Report, wall: SystemTime) -> String {
    let status = json::of(report, wall)["process"]["ready"].to_string();
    format!("<!doctype html><title>register</title><p>ready: {status}\n")
}

/// Its whole Content-Security-Policy.
#[must_use]
pub fn policy() -> String {
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'".to_owned()
}
