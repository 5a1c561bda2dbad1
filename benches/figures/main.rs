//! Whole-process figures, with a real etcd and nginx on loopback, beside what peers are found.
//!
//! `make bench` writes the table, `make curves` the plots; both want the released binary.
#![expect(
    unreachable_pub,
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement stops at the first surprise, and uses a part of the tests' harness"
)]

mod agent;
mod changes;
mod curves;
#[path = "../../tests/harness/mod.rs"]
mod harness;
mod looking;
mod peers;
mod process;
mod proxy;
mod report;
mod resources;
mod services;

use std::fs;
use std::path::Path;

use report::Report;

const TABLE: &str = "target/figures";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let rest: Vec<_> = arguments.collect();
    match command.as_deref() {
        Some("table") => table(&rest),
        Some("curves") => curves::draw(&rest),
        Some("hold") => curves::leases::hold(&rest),
        _ => panic!("say `table`, or `curves` and which of {}", curves::NAMES),
    }
}

/// A part of the table, and its name.
type Part = (&'static str, fn(&mut Report));

const PARTS: [Part; 5] = [
    ("agent", agent::measure),
    ("services", services::measure),
    ("looking", looking::measure),
    ("proxy", proxy::measure),
    ("resources", resources::measure),
];

/// Those parts that are named, or all.
fn table(names: &[String]) {
    let mut report = Report::default();
    for (name, measure) in PARTS {
        if names.is_empty() || names.iter().any(|asked| asked == name) {
            measure(&mut report);
        }
    }
    fs::create_dir_all(TABLE).unwrap();
    let directory = Path::new(TABLE);
    fs::write(directory.join("table.md"), report.markdown()).unwrap();
    fs::write(directory.join("table.json"), report.json()).unwrap();
    print!("{}", report.markdown());
    println!("\nAlso in {TABLE}/table.md and table.json.");
}
