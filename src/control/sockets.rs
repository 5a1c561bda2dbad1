//! Which sockets to ask.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, RunError};

/// Where the units put theirs.
pub(super) const DIRECTORY: &str = "/run/register";

/// In a directory for each unit: see `RuntimeDirectory=`.
const NAME: &str = "control.sock";

/// Those that are given, or else all that there are.
///
/// # Errors
/// When there are none.
pub(super) fn those(given: &[PathBuf]) -> Result<Vec<PathBuf>, RunError> {
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    let found = below(Path::new(DIRECTORY));
    if found.is_empty() {
        let reason = format!(
            "no control socket below {DIRECTORY}: start agents with --control PATH, and name PATH here \
             too unless it is {DIRECTORY}/NAME/{NAME}"
        );
        return Err(RunError::new(Exit::Usage, reason));
    }
    Ok(found)
}

/// Sorted. What cannot be read has none.
pub(super) fn below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path().join(NAME));
    let mut sockets: Vec<_> = paths.filter(|path| may_be_a_socket(path)).collect();
    sockets.sort();
    sockets
}

/// Of one in a directory that we may not enter nothing is known but that: who asks it is told so.
fn may_be_a_socket(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(found) => found.file_type().is_socket(),
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn sockets_are_found_in_the_directory_of_each_unit() {
        let run = tempfile::tempdir().expect("a directory");
        let path = |name: &str| run.path().join(name).join(NAME);
        for unit in ["web", "db", "none", "file"] {
            fs::create_dir(run.path().join(unit)).expect("created");
        }
        let _listening = ["web", "db"].map(|unit| UnixListener::bind(path(unit)).expect("bound"));
        fs::write(path("file"), "").expect("written");
        assert_eq!(below(run.path()), [path("db"), path("web")]);
        assert!(below(&run.path().join("nowhere")).is_empty());
    }

    #[test]
    fn what_is_given_is_asked_whether_it_is_there_or_not() {
        let given = [PathBuf::from("/no/such.sock")];
        assert_eq!(those(&given).expect("as given"), given);
    }
}
