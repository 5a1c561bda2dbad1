//! Whether a file is in step with what was rendered.

use std::io::{self, Read};
use std::path::Path;

use md5::{Digest, Md5};

use crate::error::FileError;
use crate::options::Dialect;
use crate::permissions::{Permissions, mode_text};
use crate::target::Target;

/// What a file holds, and who may do what with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contents<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) permissions: Permissions,
}

/// The file as it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Current {
    pub(crate) bytes: Vec<u8>,
    pub(crate) permissions: Permissions,
    /// By itself: it is written in place.
    pub(crate) is_mounted: bool,
}

/// More of a file than this is not compared, unless more was rendered: somebody else may have made it
/// as long as he likes.
const LIMIT: u64 = 64 * 1024 * 1024;

/// The file as it is, beside something `wanted` bytes long; none if there is none.
pub(crate) fn read(target: &Target, wanted: usize) -> Result<Option<Current>, FileError> {
    let read = || -> io::Result<_> {
        let dir = target.directory()?;
        let file = dir.read(target.name())?;
        let metadata = file.metadata()?;
        let limit = LIMIT.max(wanted as u64).saturating_add(1);
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Current {
            bytes,
            permissions: Permissions::of(&metadata),
            is_mounted: dir.is_mount(target.name(), &metadata),
        })
    };
    match read() {
        Ok(current) => Ok(Some(current)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new("read", target.path())(error)),
    }
}

/// A line for each difference, in confd's words and order. Only confd's dialect has one for the
/// contents: their digests cost as much as rendering them, and tell a person nothing.
pub(crate) fn differences(
    dest: &Path,
    current: &Contents,
    wanted: &Contents,
    dialect: Dialect,
) -> Vec<String> {
    let dest = dest.display();
    let (now, then) = (current.permissions, wanted.permissions);
    let mut lines = Vec::new();
    if now.uid != then.uid {
        lines.push(format!("{dest} has UID {} should be {}", now.uid, then.uid));
    }
    if now.gid != then.gid {
        lines.push(format!("{dest} has GID {} should be {}", now.gid, then.gid));
    }
    if now.mode != then.mode {
        let (now, then) = (mode_text(now.mode), mode_text(then.mode));
        lines.push(format!("{dest} has mode {now} should be {then}"));
    }
    if dialect == Dialect::Confd && current.bytes != wanted.bytes {
        let (now, then) = (md5sum(current.bytes), md5sum(wanted.bytes));
        lines.push(format!("{dest} has md5sum {now} should be {then}"));
    }
    lines
}

pub(crate) fn md5sum(bytes: &[u8]) -> String {
    let digest = Md5::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const ROOTS: Permissions = Permissions {
        uid: 0,
        gid: 0,
        mode: 0o644,
    };

    fn contents(bytes: &[u8], permissions: Permissions) -> Contents<'_> {
        Contents { bytes, permissions }
    }

    #[test]
    fn what_is_equal_does_not_differ() {
        let dest = Path::new("/etc/app.conf");
        let file = contents(b"old\n", ROOTS);
        assert_eq!(differences(dest, &file, &file, Dialect::Confd), [""; 0]);
    }

    #[test]
    fn every_difference_is_told_in_confds_words() {
        let theirs = Permissions {
            uid: 33,
            gid: 34,
            mode: 0o600,
        };
        assert_eq!(
            differences(
                Path::new("/etc/app.conf"),
                &contents(b"old\n", theirs),
                &contents(b"", ROOTS),
                Dialect::Confd
            ),
            [
                "/etc/app.conf has UID 33 should be 0",
                "/etc/app.conf has GID 34 should be 0",
                "/etc/app.conf has mode -rw------- should be -rw-r--r--",
                "/etc/app.conf has md5sum 814fa5ca98406a903e22b43d9b610105 \
                 should be d41d8cd98f00b204e9800998ecf8427e",
            ]
        );
    }

    #[test]
    fn what_is_no_regular_file_is_not_read() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("app.conf");
        let target = Target::of(&path).unwrap();
        assert_eq!(read(&target, 0).unwrap(), None);
        fs::create_dir(&path).unwrap();
        assert_eq!(
            read(&target, 0).unwrap_err().to_string(),
            format!("cannot read {}: not a regular file", path.display())
        );
    }
}
