//! Any text as the file that `--data` reads in etcd's place.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use register::proxy::data;
use tempfile::NamedTempFile;

static FILE: LazyLock<NamedTempFile> =
    LazyLock::new(|| NamedTempFile::with_suffix(".json").expect("a temporary file"));

fuzz_target!(|text: &[u8]| {
    fs::write(FILE.path(), text).expect("the temporary file can be written");
    let _result = data::read(FILE.path());
});
