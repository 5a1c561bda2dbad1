//! One file takes the place of another: by its name or, where that is a mount, by what it holds.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::fs::MetadataExt;

use rustix::io::Errno;
use rustix::process::geteuid;
use tracing::warn;

use crate::directory::Directory;
use crate::permissions::{Permissions, Wanted};
use crate::target::Target;
use crate::walk::{Trusted, user};

/// The file could not be put in place.
#[derive(Debug)]
pub(crate) enum NotSwapped {
    /// The target is as it was.
    Untouched(io::Error),
    /// The target may hold anything.
    Damaged(io::Error),
}

impl NotSwapped {
    pub(crate) fn into_error(self) -> io::Error {
        match self {
            Self::Untouched(error) | Self::Damaged(error) => error,
        }
    }
}

impl From<io::Error> for NotSwapped {
    fn from(error: io::Error) -> Self {
        Self::Untouched(error)
    }
}

/// Moves a file on.
pub(crate) fn replace(from: &OsStr, target: &Target) -> Result<(), NotSwapped> {
    let dir = target.directory()?;
    match dir.rename(from, target.name()) {
        Ok(()) => {}
        Err(error) if is_mount(&error) => {
            write_into(from, target)?;
            dir.remove(from)?;
        }
        Err(error) => return Err(error.into()),
    }
    sync_dir(target);
    Ok(())
}

/// Renaming one name of a file over another would do nothing.
pub(crate) fn is_same(one: &File, other: &File) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// A file that is mounted by itself, as containers do it, cannot be renamed over.
pub(crate) fn is_mount(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::BUSY | Errno::XDEV))
}

/// Gives the target what the file `from` has, contents and permissions.
pub(crate) fn write_into(from: &OsStr, target: &Target) -> Result<(), NotSwapped> {
    let dir = target.directory()?;
    let mut source = dir.read(from)?;
    let mut file = dir.write(target.name())?;
    if is_same(&source, &file)? {
        return Ok(());
    }
    refuse_others(dir, &source, &file)?;
    let permissions = Permissions::of(&source.metadata()?);
    let mut write = || {
        // Permissions before contents, so that nobody reads too much.
        file.set_len(0)?;
        Wanted::unasked(permissions).give(&file)?;
        source.rewind()?;
        io::copy(&mut source, &mut file)?;
        file.flush()?;
        file.sync_all()
    };
    write().map_err(NotSwapped::Damaged)
}

/// What is written into, and not replaced, must belong to who decides what lies there. And what is
/// copied there must not be somebody's second name for another file.
fn refuse_others(dir: &Directory, from: &File, to: &File) -> io::Result<()> {
    let trusted = Trusted::find()?;
    let is_safe = |to| trusted.is_safe(dir.owner(), to);
    let owner = Permissions::of(&to.metadata()?).uid;
    if is_safe(owner) && (is_safe(geteuid().as_raw()) || from.metadata()?.nlink() == 1) {
        return Ok(());
    }
    let (dir, owner) = (user(dir.owner()), user(owner));
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("it is mounted in a directory of {dir}, and belongs to {owner}"),
    ))
}

/// The rename has happened, whatever comes of this.
pub(crate) fn sync_dir(target: &Target) {
    if let Err(error) = target.directory().and_then(Directory::sync) {
        warn!(
            event = "directory_not_synced",
            "cannot sync {}: {error}",
            target.dir().display()
        );
    }
}
