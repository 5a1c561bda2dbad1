//! The file that was replaced, for as long as the new one is not known to be good.
//!
//! Either the previous file lies beside the new one, or an empty file says that there was none.
//! Making and removing that one file are single steps, so that whoever comes after a crash knows
//! what to do.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::OFlags;

use crate::lock;
use crate::permissions::Permissions;
use crate::stage::Stage;
use crate::swap;
use crate::target::{Target, refuse_planted};

/// What to put back.
#[derive(Debug)]
pub(crate) struct Backup {
    path: PathBuf,
    was_there: bool,
    /// While it is locked, nobody else takes it for left behind.
    _lock: File,
}

impl Backup {
    /// Keeps the target as it is now.
    pub(crate) fn take(target: &Target) -> io::Result<Self> {
        match File::open(target.path()) {
            Ok(file) => Self::keep(target, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::keep_absence(target),
            Err(error) => Err(error),
        }
    }

    fn keep(target: &Target, file: File) -> io::Result<Self> {
        let path = target.previous();
        let linked = if lock::hold(&file) {
            fs::hard_link(target.path(), &path)
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        };
        let lock = match linked {
            Ok(()) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // A mounted file has no second name, nor has any file on some file systems.
            Err(_) => {
                let permissions = Permissions::of(&file.metadata()?);
                let contents = fs::read(target.path())?;
                let mut copy = Stage::write(target, &contents, permissions)?;
                copy.rename(&path)?;
                copy.lock()?
            }
        };
        Ok(Self {
            path,
            was_there: true,
            _lock: lock,
        })
    }

    fn keep_absence(target: &Target) -> io::Result<Self> {
        let path = target.absent();
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        lock::hold(&file);
        Ok(Self {
            path,
            was_there: false,
            _lock: file,
        })
    }

    /// What a process that is no more left behind. [`io::ErrorKind::WouldBlock`] if it lives.
    pub(crate) fn left_behind(target: &Target) -> io::Result<Option<Self>> {
        for (path, was_there) in [(target.previous(), true), (target.absent(), false)] {
            let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
            let mut options = OpenOptions::new();
            let opened = options
                .read(true)
                .custom_flags(flags.cast_signed())
                .open(&path);
            match opened {
                Ok(lock) => {
                    refuse_planted(&lock.metadata()?, target.dir())?;
                    lock::take_over(&lock)?;
                    return Ok(Some(Self {
                        path,
                        was_there,
                        _lock: lock,
                    }));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Puts it back. Whether the target had been replaced at all.
    pub(crate) fn restore(self, target: &Target) -> io::Result<bool> {
        if self.was_there {
            if self.is(target)? {
                self.discard()?;
                return Ok(false);
            }
            swap::replace(&self.path, target)?;
            return Ok(true);
        }
        let removed = match fs::remove_file(target.path()) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        self.discard()?;
        Ok(removed)
    }

    /// The new file is good.
    pub(crate) fn discard(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }

    /// Whether it is still the same file: renaming one name over the other would do nothing.
    fn is(&self, target: &Target) -> io::Result<bool> {
        let kept = fs::metadata(&self.path)?;
        match fs::metadata(target.path()) {
            Ok(now) => Ok((kept.dev(), kept.ino()) == (now.dev(), now.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
