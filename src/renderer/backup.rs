//! The file that was replaced, for as long as the new one is not known to be good.
//!
//! Either the previous file lies beside the new one, or an empty file says that there was none.
//! Making and removing that one file are single steps, so that whoever comes after a crash knows
//! what to do.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use crate::directory::Directory;
use crate::lock;
use crate::permissions::{Permissions, Wanted};
use crate::replace::{self, NotSwapped};
use crate::stage::Stage;
use crate::target::Target;

/// What to put back.
#[derive(Debug)]
pub(crate) struct Backup {
    name: OsString,
    was_there: bool,
}

impl Backup {
    /// Keeps the target as it is now.
    pub(crate) fn take(target: &Target) -> io::Result<Self> {
        let dir = target.directory()?;
        dir.claim(target.name());
        match dir.read(target.name()) {
            Ok(file) => Self::keep(target, dir, &file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let name = target.absent();
                dir.create(&name)?;
                Ok(Self::of(name, false))
            }
            Err(error) => Err(error),
        }
    }

    fn of(name: OsString, was_there: bool) -> Self {
        Self { name, was_there }
    }

    fn keep(target: &Target, dir: &Directory, file: &File) -> io::Result<Self> {
        let name = target.previous();
        let linked = if dir.lets_remove(file.metadata()?.uid()) {
            dir.link(target.name(), &name)
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        };
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // A mounted file has no second name, nor has any file on some file systems, and Linux
            // gives none to a file that is another's.
            Err(_) => {
                let permissions = Permissions::of(&file.metadata()?);
                let mut copy = Stage::write_from(target, file, Wanted::unasked(permissions))?;
                copy.rename(&name)?;
            }
        }
        Ok(Self::of(name, true))
    }

    /// What a process that is no more left behind. [`io::ErrorKind::WouldBlock`] if it lives.
    pub(crate) fn left_behind(target: &Target) -> io::Result<Option<LeftBehind>> {
        let Ok(dir) = target.directory() else {
            return Ok(None);
        };
        for (name, was_there) in [(target.previous(), true), (target.absent(), false)] {
            match dir.read(&name) {
                Ok(file) => {
                    dir.refuse_planted(Permissions::of(&file.metadata()?).uid)?;
                    lock::take_over(&file)?;
                    if dir.is_claimed(target.name()) {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    let backup = Self::of(name, was_there);
                    return Ok(Some(LeftBehind { backup, file }));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Puts it back.
    pub(crate) fn restore(self, target: &Target) -> io::Result<()> {
        if self.was_there {
            return replace::replace(&self.name, target).map_err(NotSwapped::into_error);
        }
        match target.directory()?.remove(target.name()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.discard(target)
    }

    /// The new file is good, or never came in.
    pub(crate) fn discard(self, target: &Target) -> io::Result<()> {
        target.directory()?.remove(&self.name)
    }
}

/// A backup of a process that is no more. Nobody else tidies it away meanwhile.
pub(crate) struct LeftBehind {
    backup: Backup,
    file: File,
}

impl LeftBehind {
    /// Puts it back. Whether the target had been replaced at all.
    pub(crate) fn restore(self, target: &Target) -> io::Result<bool> {
        let replaced = if self.backup.was_there {
            !self.is(target)?
        } else {
            exists(target)?
        };
        if replaced {
            self.backup.restore(target)?;
        } else {
            self.backup.discard(target)?;
        }
        Ok(replaced)
    }

    /// Whether it is still the same file, by another name or as a copy.
    fn is(&self, target: &Target) -> io::Result<bool> {
        let now = match target.directory()?.read(target.name()) {
            Ok(now) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if replace::is_same(&self.file, &now)? {
            return Ok(true);
        }
        let (kept, found) = (self.file.metadata()?, now.metadata()?);
        if Permissions::of(&kept) != Permissions::of(&found) || kept.len() != found.len() {
            return Ok(false);
        }
        have_same_bytes(&self.file, &now, kept.len())
    }
}

fn exists(target: &Target) -> io::Result<bool> {
    match target.directory()?.stat(target.name()) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn have_same_bytes(mut one: &File, mut other: &File, length: u64) -> io::Result<bool> {
    let (mut here, mut there) = ([0; 8192], [0; 8192]);
    let mut left = length;
    while left > 0 {
        let chunk = usize::try_from(left.min(8192)).unwrap_or(8192);
        let (Some(here), Some(there)) = (here.get_mut(..chunk), there.get_mut(..chunk)) else {
            return Ok(false);
        };
        one.read_exact(here)?;
        other.read_exact(there)?;
        if here != there {
            return Ok(false);
        }
        left -= chunk as u64;
    }
    Ok(true)
}
