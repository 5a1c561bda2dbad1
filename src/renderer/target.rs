//! Where a file really is, and how the files are called that lie beside it for a while.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::directory::{Directories, Directory};
use crate::error::FileError;
use crate::walk::{self, End};

/// As Go's `TempFile` once appended.
const STAGE_DIGITS: usize = 9;

/// Newer ones append up to ten.
const GO_DIGITS: std::ops::RangeInclusive<usize> = STAGE_DIGITS..=10;

/// Device and inode of a directory, and a name there.
pub(crate) type Place = (u64, u64, OsString);

/// The file that is replaced: `dest`, or what it links to. Its directory is open, and what is done to
/// the file is done there, whatever the path may lead to by then.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    path: PathBuf,
    dir: PathBuf,
    name: OsString,
    /// None if it is missing.
    opened: Option<Arc<Directory>>,
}

impl Target {
    pub(crate) fn of(dest: &Path) -> Result<Self, FileError> {
        Self::among(&Directories::default(), dest)
    }

    /// In a directory that may be open already.
    pub(crate) fn among(open: &Directories, dest: &Path) -> Result<Self, FileError> {
        Self::find(open, dest).map_err(FileError::new("find", dest))
    }

    fn find(open: &Directories, dest: &Path) -> io::Result<Self> {
        let End { dir, name, path } = walk::walk(dest)?;
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            Some(_) | None => PathBuf::from("."),
        };
        let opened = dir.map(|handle| open.open(&parent, handle)).transpose()?;
        Ok(Self {
            path,
            dir: parent,
            name,
            opened,
        })
    }

    /// For people, and for commands.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Likewise.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Likewise: of a file beside it.
    pub(crate) fn shown(&self, name: &OsStr) -> PathBuf {
        self.dir.join(name)
    }

    /// For everything else.
    pub(crate) fn directory(&self) -> io::Result<&Directory> {
        let missing = io::Error::from(rustix::io::Errno::NOENT);
        self.opened.as_deref().ok_or(missing)
    }

    /// When there is nothing more to do here.
    pub(crate) fn close(&mut self) {
        self.opened = None;
    }

    /// The same for all ways to it; none if its directory is missing.
    pub(crate) fn place(&self) -> Option<Place> {
        self.place_of(&self.name)
    }

    /// Of a file beside it.
    pub(crate) fn place_of(&self, name: &OsStr) -> Option<Place> {
        let (device, inode) = self.opened.as_ref()?.id();
        Some((device, inode, name.to_owned()))
    }

    /// In the directory.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    pub(crate) fn stage(&self, number: u32) -> OsString {
        self.beside(&format!("{number:09}"))
    }

    /// Whether a file of the directory is called like one of ours, or of confd's.
    pub(crate) fn is_stage(&self, name: &OsStr) -> bool {
        let name = name.as_encoded_bytes();
        let digits = name
            .strip_prefix(b".")
            .and_then(|name| name.strip_prefix(self.name.as_encoded_bytes()));
        digits.is_some_and(|digits| {
            GO_DIGITS.contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
        })
    }

    /// The file that a staged one was made for, if by us. That may be another: `.a1000000042` is also
    /// called like a file of confd's that becomes `a`.
    pub(crate) fn staged_for(name: &OsStr) -> Option<&OsStr> {
        let name = name.as_bytes().strip_prefix(b".")?;
        let (name, _) = name.split_last_chunk::<STAGE_DIGITS>()?;
        Some(OsStr::from_bytes(name))
    }

    /// The previous file, while the new one is not known to be good.
    pub(crate) fn previous(&self) -> OsString {
        self.beside(".previous")
    }

    /// Says that there was no previous file.
    pub(crate) fn absent(&self) -> OsString {
        self.beside(".absent")
    }

    pub(crate) fn owed(&self) -> OsString {
        self.beside(".owed")
    }

    /// Hidden, so that `include *` of a daemon does not read it.
    fn beside(&self, suffix: &str) -> OsString {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(suffix);
        name
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn names_beside_the_file_are_hidden() {
        let target = Target::of(Path::new("/no/such/app.conf")).unwrap();
        assert_eq!(target.path(), Path::new("/no/such/app.conf"));
        assert_eq!(target.dir(), Path::new("/no/such"));
        assert_eq!(target.stage(42), ".app.conf000000042");
        assert_eq!(target.previous(), ".app.conf.previous");
        assert_eq!(target.absent(), ".app.conf.absent");
        assert_eq!(target.owed(), ".app.conf.owed");
        assert_eq!(
            target.shown(&target.owed()),
            Path::new("/no/such/.app.conf.owed")
        );
    }

    #[test]
    fn a_bare_name_is_in_the_current_directory() {
        let target = Target::of(Path::new("no-such-file")).unwrap();
        assert_eq!(target.dir(), Path::new("."));
        assert_eq!(target.path(), Path::new("no-such-file"));
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
        fs::write(dir.path().join("real"), "").unwrap();
        target.directory().unwrap().read(target.name()).unwrap();
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
    fn a_staged_file_tells_what_it_was_made_for() {
        let staged_for = |name| Target::staged_for(OsStr::new(name));
        assert_eq!(staged_for(".a1000000042"), Some(OsStr::new("a1")));
        assert_eq!(
            staged_for(".app.conf000000042"),
            Some(OsStr::new("app.conf"))
        );
        assert_eq!(staged_for(".a42"), None);
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
