//! Any text as confd's file of settings.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use register::cli;
use register::config::ConfdSettings;
use tempfile::NamedTempFile;

static FILE: LazyLock<NamedTempFile> =
    LazyLock::new(|| NamedTempFile::with_suffix(".toml").expect("a temporary file"));

fuzz_target!(|text: &[u8]| {
    fs::write(FILE.path(), text).expect("the temporary file can be written");
    let words = ["-config-file".to_owned(), FILE.path().display().to_string()];
    let args = cli::confd::parse(&words).expect("the flag is there");
    let mut settings = ConfdSettings::gather(args);
    let _level = settings.log_level();
    let _backend = settings.backend();
});
