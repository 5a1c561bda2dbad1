//! The new file, complete, beside the one that it is to replace.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::permissions::{Obtained, Wanted};
use crate::target::Target;

/// Names that are tried before giving up.
const ATTEMPTS: u32 = 100;

/// A staged file. It is removed when dropped, unless it was kept or swapped in.
#[derive(Debug)]
pub(crate) struct Stage {
    target: Target,
    name: OsString,
    given: Obtained,
    keep: bool,
}

impl Stage {
    /// `contents`, with as much of these permissions as can be had, all of it on disk.
    pub(crate) fn write(target: &Target, contents: &[u8], wanted: Wanted) -> io::Result<Self> {
        Self::write_from(target, contents, wanted)
    }

    /// The same with what `contents` has to read.
    pub(crate) fn write_from(
        target: &Target,
        mut contents: impl io::Read,
        wanted: Wanted,
    ) -> io::Result<Self> {
        let (name, mut file) = create(target)?;
        let mut stage = Self {
            target: target.clone(),
            name,
            given: Obtained::default(),
            keep: false,
        };
        io::copy(&mut contents, &mut file)?;
        file.flush()?;
        stage.given = wanted.give(&file)?;
        file.sync_all()?;
        Ok(stage)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.target.shown(&self.name)
    }

    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// What the file system made of the permissions.
    pub(crate) fn given(&self) -> &Obtained {
        &self.given
    }

    /// Leaves the file for people to look at.
    pub(crate) fn keep(&mut self) {
        self.keep = true;
    }

    /// Gives the file its final name.
    pub(crate) fn rename(&mut self, to: &OsStr) -> io::Result<()> {
        self.target.directory()?.rename(&self.name, to)?;
        self.keep = true;
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed now is swept at the next sync.
            let _ = self
                .target
                .directory()
                .and_then(|dir| dir.remove(&self.name));
        }
    }
}

/// A new, empty file that only we can read, and that counts as in use.
fn create(target: &Target) -> io::Result<(OsString, File)> {
    let dir = target.directory()?;
    dir.claim(target.name());
    let clock = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = clock.map_or(0, |since| since.subsec_nanos());
    for attempt in 0..ATTEMPTS {
        let name = target.stage(seed.wrapping_add(attempt) % 1_000_000_000);
        match dir.create(&name) {
            Ok(file) => return Ok((name, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;

    fn mine() -> Wanted {
        Wanted::ours(0o640)
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
        assert!(target.is_stage(stage.name()));
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
        stage.rename(target.name()).unwrap();
        drop(stage);
        assert_eq!(names(dir.path()), ["app.conf"]);
    }

    #[test]
    fn can_be_executed() {
        let dir = TempDir::new().unwrap();
        let target = Target::of(&dir.path().join("script")).unwrap();
        let script = b"#!/bin/sh\nexit 0\n";
        let stage = Stage::write(&target, script, Wanted::ours(0o755)).unwrap();
        assert!(Command::new(stage.path()).status().unwrap().success());
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        let target = Target::of(Path::new("/no/such/dir/app.conf")).unwrap();
        let error = Stage::write(&target, b"", mine()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
