//! Any text as a template resource.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use renderer::resource::Resource;
use tempfile::NamedTempFile;

static FILE: LazyLock<NamedTempFile> =
    LazyLock::new(|| NamedTempFile::with_suffix(".toml").expect("a temporary file"));

fuzz_target!(|text: &[u8]| {
    fs::write(FILE.path(), text).expect("the temporary file can be written");
    let _result = Resource::load(FILE.path(), Path::new("/etc/confd"));
});
