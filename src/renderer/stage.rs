//! The new file, complete, beside the one that it is to replace.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::lock;
use crate::permissions::Permissions;
use crate::target::Target;

/// Names that are tried before giving up.
const ATTEMPTS: u32 = 100;

/// A staged file. It is removed when dropped, unless it was kept or swapped in.
#[derive(Debug)]
pub(crate) struct Stage {
    path: PathBuf,
    /// The lock tells others that we live. Held by a descriptor that only reads, so that a check
    /// may execute the file.
    lock: File,
    keep: bool,
}

impl Stage {
    /// `contents` with these permissions, all of it on disk.
    pub(crate) fn write(
        target: &Target,
        contents: &[u8],
        permissions: Permissions,
    ) -> io::Result<Self> {
        let (path, mut file) = create(target)?;
        let stage = Self {
            lock: File::open(&path)?,
            path,
            keep: false,
        };
        lock::hold(&stage.lock);
        file.write_all(contents)?;
        permissions.give(&file)?;
        file.sync_all()?;
        Ok(stage)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the file for people to look at.
    pub(crate) fn keep(&mut self) {
        self.keep = true;
    }

    /// Gives the file its final name, and the lock to whoever still needs it.
    pub(crate) fn rename(&mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.keep = true;
        Ok(())
    }

    pub(crate) fn lock(&self) -> io::Result<File> {
        self.lock.try_clone()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed now is swept at the next sync.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A new, empty, locked file that only we can read.
fn create(target: &Target) -> io::Result<(PathBuf, File)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = clock.map_or(0, |since| since.subsec_nanos());
    for attempt in 0..ATTEMPTS {
        let path = target.stage(seed.wrapping_add(attempt) % 1_000_000_000);
        match options.open(&path) {
            Ok(file) => {
                // Before it was locked, another process may have swept it as a leftover.
                if lock::hold(&file) && file.metadata()?.nlink() > 0 {
                    return Ok((path, file));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;

    const MINE: Permissions = Permissions {
        uid: 0,
        gid: 0,
        mode: 0o640,
    };

    fn mine() -> Permissions {
        Permissions {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            ..MINE
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn is_complete_under_a_name_like_confds() {
        let dir = TempDir::new().unwrap();
        let target = Target::of(&dir.path().join("app.conf")).unwrap();
        let stage = Stage::write(&target, b"new\n", mine()).unwrap();
        assert_eq!(fs::read(stage.path()).unwrap(), b"new\n");
        let mode = fs::metadata(stage.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert!(target.is_stage(stage.path().file_name().unwrap()));
    }

    #[test]
    fn is_gone_when_dropped_unless_it_is_to_be_kept() {
        let dir = TempDir::new().unwrap();
        let target = Target::of(&dir.path().join("app.conf")).unwrap();
        drop(Stage::write(&target, b"1", mine()).unwrap());
        assert!(names(dir.path()).is_empty());

        let mut stage = Stage::write(&target, b"2", mine()).unwrap();
        stage.keep();
        drop(stage);
        assert_eq!(names(dir.path()).len(), 1);
    }

    #[test]
    fn a_renamed_file_stays() {
        let dir = TempDir::new().unwrap();
        let target = Target::of(&dir.path().join("app.conf")).unwrap();
        let mut stage = Stage::write(&target, b"new", mine()).unwrap();
        stage.rename(target.path()).unwrap();
        drop(stage);
        assert_eq!(names(dir.path()), ["app.conf"]);
    }

    #[test]
    fn can_be_executed_while_it_is_locked() {
        let dir = TempDir::new().unwrap();
        let target = Target::of(&dir.path().join("script")).unwrap();
        let permissions = Permissions {
            mode: 0o755,
            ..mine()
        };
        let stage = Stage::write(&target, b"#!/bin/sh\nexit 0\n", permissions).unwrap();
        assert!(Command::new(stage.path()).status().unwrap().success());
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        let target = Target::of(Path::new("/no/such/dir/app.conf")).unwrap();
        let error = Stage::write(&target, b"", mine()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
