//! Where a program is, as a shell would look for it.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// A word with a slash is a path; others are looked for along `path`.
pub(super) fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|file| can_run(file));
    }
    let mut files = env::split_paths(path).map(|directory| directory.join(program));
    files.find(|file| can_run(file))
}

fn can_run(file: &Path) -> bool {
    file.is_file() && access(file, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_program_is_a_file_that_may_be_run() {
        let directory = tempfile::tempdir().expect("directory");
        let file = |name: &str, mode| {
            let path = directory.path().join(name);
            fs::write(&path, "").expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            path
        };
        let (runs, data) = (file("runs", 0o755), file("data", 0o644));
        let path = directory.path().as_os_str();
        assert_eq!(find("runs", path), Some(runs.clone()));
        assert_eq!(find("data", path), None);
        assert_eq!(find("missing", path), None);
        assert_eq!(
            find(&runs.display().to_string(), OsStr::new("")),
            Some(runs)
        );
        assert_eq!(find(&data.display().to_string(), path), None);
        assert_eq!(find(&directory.path().display().to_string(), path), None);
    }
}
