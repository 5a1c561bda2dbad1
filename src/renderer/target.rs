//! Where a file really is, and how the files are called that lie beside it for a while.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::geteuid;

use crate::error::FileError;

/// As many symbolic links as Linux follows.
const MAX_LINKS: usize = 40;

/// Go's `TempFile` appends nine digits, newer ones up to ten.
const STAGE_DIGITS: std::ops::RangeInclusive<usize> = 9..=10;

/// Of a directory in which all may create files, and remove only their own.
const SHARED: u32 = 0o1002;

/// The file that is replaced: `dest`, or what it links to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    path: PathBuf,
    dir: PathBuf,
    name: OsString,
}

impl Target {
    pub(crate) fn of(dest: &Path) -> Result<Self, FileError> {
        Self::follow(dest).map_err(FileError::new("find", dest))
    }

    fn follow(dest: &Path) -> io::Result<Self> {
        let mut path = dest.to_owned();
        for _ in 0..=MAX_LINKS {
            let dir = match path.parent() {
                Some(dir) if dir != Path::new("") => dir.to_owned(),
                Some(_) | None => PathBuf::from("."),
            };
            match fs::read_link(&path) {
                Ok(link) => {
                    refuse_planted(&fs::symlink_metadata(&path)?, &dir)?;
                    path = dir.join(link);
                }
                Err(error) if is_no_link(&error) => {
                    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
                    let name = name.to_owned();
                    return Ok(Self { path, dir, name });
                }
                Err(error) => return Err(error),
            }
        }
        Err(Errno::LOOP.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn stage(&self, number: u32) -> PathBuf {
        self.beside(&format!("{number:09}"))
    }

    /// Whether a file of the directory is called like one of ours, or of confd's.
    pub(crate) fn is_stage(&self, name: &OsStr) -> bool {
        let name = name.as_encoded_bytes();
        let digits = name
            .strip_prefix(b".")
            .and_then(|name| name.strip_prefix(self.name.as_encoded_bytes()));
        digits.is_some_and(|digits| {
            STAGE_DIGITS.contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
        })
    }

    /// The previous file, while the new one is not known to be good.
    pub(crate) fn previous(&self) -> PathBuf {
        self.beside(".previous")
    }

    /// Says that there was no previous file.
    pub(crate) fn absent(&self) -> PathBuf {
        self.beside(".absent")
    }

    pub(crate) fn owed(&self) -> PathBuf {
        self.beside(".owed")
    }

    /// Hidden, so that `include *` of a daemon does not read it.
    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(suffix);
        self.dir.join(name)
    }
}

/// Refuses what somebody else has put into a directory that all may write to, such as `/tmp`. Linux
/// follows no such links either.
pub(crate) fn refuse_planted(entry: &Metadata, dir: &Path) -> io::Result<()> {
    let dir = fs::metadata(dir)?;
    let is_shared = dir.mode() & SHARED == SHARED;
    if is_shared && ![geteuid().as_raw(), dir.uid()].contains(&entry.uid()) {
        return Err(Errno::ACCESS.into());
    }
    Ok(())
}

fn is_no_link(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::NotFound
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn names_beside_the_file_are_hidden() {
        let target = Target::of(Path::new("/no/such/app.conf")).unwrap();
        assert_eq!(target.path(), Path::new("/no/such/app.conf"));
        assert_eq!(target.dir(), Path::new("/no/such"));
        assert_eq!(target.stage(42), Path::new("/no/such/.app.conf000000042"));
        assert_eq!(target.previous(), Path::new("/no/such/.app.conf.previous"));
        assert_eq!(target.absent(), Path::new("/no/such/.app.conf.absent"));
        assert_eq!(target.owed(), Path::new("/no/such/.app.conf.owed"));
    }

    #[test]
    fn a_bare_name_is_in_the_current_directory() {
        let target = Target::of(Path::new("no-such-file")).unwrap();
        assert_eq!(target.dir(), Path::new("."));
        assert_eq!(target.owed(), Path::new("./.no-such-file.owed"));
    }

    #[test]
    fn links_are_followed_also_when_they_lead_nowhere_yet() {
        let dir = TempDir::new().unwrap();
        let link = dir.path().join("link");
        fs::create_dir(dir.path().join("sub")).unwrap();
        symlink("sub/second", &link).unwrap();
        symlink("../real", dir.path().join("sub/second")).unwrap();
        let target = Target::of(&link).unwrap();
        assert_eq!(target.path(), dir.path().join("sub/../real"));
        assert_eq!(target.stage(1), dir.path().join("sub/../.real000000001"));
    }

    #[test]
    fn a_link_to_itself_is_an_error() {
        let dir = TempDir::new().unwrap();
        let link = dir.path().join("link");
        symlink("link", &link).unwrap();
        assert_eq!(
            Target::of(&link).unwrap_err().to_string(),
            format!(
                "cannot find {}: Too many levels of symbolic links (os error 40)",
                link.display()
            )
        );
    }

    #[test]
    fn what_is_no_file_name_is_an_error() {
        assert_eq!(
            Target::of(Path::new("/")).unwrap_err().to_string(),
            "cannot find /: is a directory"
        );
    }

    #[test]
    fn staged_files_are_told_from_their_neighbours() {
        let target = Target::of(Path::new("/no/such/app.conf")).unwrap();
        for name in [
            ".app.conf000000042",
            ".app.conf123456789",
            ".app.conf1234567890",
        ] {
            assert!(target.is_stage(OsStr::new(name)), "{name}");
        }
        for name in [
            "app.conf",
            ".app.conf",
            ".app.conf2",
            ".app.conf12345678x",
            ".app.conf.previous",
            ".xapp.conf123456789",
            "app.conf123456789",
        ] {
            assert!(!target.is_stage(OsStr::new(name)), "{name}");
        }
    }
}
