//! Any words as confd's command line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use register::cli;

fuzz_target!(|text: &str| {
    let words: Vec<_> = text.lines().map(str::to_owned).collect();
    let _result = cli::confd::parse(&words);
});
