//! Files that hold secrets.

use std::fs;
use std::os::unix::fs::MetadataExt;

use tracing::warn;

/// Says so if others than its owner and group have access to the file that `name` names.
pub(super) fn warn_if_exposed(name: impl std::fmt::Display, path: &str) {
    let Ok(file) = fs::metadata(path) else { return };
    let mode = file.mode() & 0o777;
    if file.is_file() && mode & 0o007 != 0 {
        warn!(
            event = "secret_exposed",
            "{name} {path:?}: other users of this host have access to it (mode {mode:04o}); \
             run chmod o-rwx {path}"
        );
    }
}
