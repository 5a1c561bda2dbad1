//! Any text as a services file.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use register::cli::{ConfigArgs, EtcdArgs, ObserveArgs, Variables};
use register::config;
use tempfile::NamedTempFile;

static FILE: LazyLock<NamedTempFile> =
    LazyLock::new(|| NamedTempFile::with_suffix(".toml").expect("a temporary file"));

fuzz_target!(|text: &[u8]| {
    // These read files, `https://` the system's certificates each time.
    let is_slow = |name: &str| text.windows(name.len()).any(|part| part == name.as_bytes());
    if ["https", "cacert", "cert", "file", "_ca"]
        .into_iter()
        .any(is_slow)
    {
        return;
    }
    fs::write(FILE.path(), text).expect("the temporary file can be written");
    let config = ConfigArgs {
        config: Some(FILE.path().display().to_string()),
    };
    let env = |name: &str| (name.len() == 1).then(|| "{host}".to_owned());
    let observe = ObserveArgs::default();
    let _result = config::host(
        config,
        observe,
        EtcdArgs::default(),
        Variables::default(),
        env,
    );
});
