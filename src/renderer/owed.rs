//! The record on disk that a file was replaced and its reload has not succeeded since.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::compare::md5sum;
use crate::directory::Directory;
use crate::error::FileError;
use crate::target::Target;
use crate::walk::{End, walk};

/// Of one file.
#[derive(Debug)]
pub(crate) struct Owed {
    /// The record's directory, where it is not the file's.
    state_dir: Option<PathBuf>,
    path: PathBuf,
}

impl Owed {
    /// Beside the file, or in `state_dir` under a name made from the file's.
    pub(crate) fn of(target: &Target, state_dir: Option<&Path>) -> Self {
        let path = match state_dir {
            None => target.shown(&target.owed()),
            Some(dir) => {
                let name = md5sum(target.path().as_os_str().as_bytes());
                dir.join(format!("{name}.owed"))
            }
        };
        Self {
            state_dir: state_dir.map(Path::to_owned),
            path,
        }
    }

    pub(crate) fn is_recorded(&self, target: &Target) -> Result<bool, FileError> {
        match self.at(target, Directory::stat) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(FileError::new("find", &self.path)(error)),
        }
    }

    /// Not synced: after a power cut the daemon starts with the file as it is.
    pub(crate) fn record(&self, target: &Target) -> Result<(), FileError> {
        let made = self.state_dir.as_ref().map_or(Ok(()), fs::create_dir_all);
        match made.and_then(|()| self.at(target, Directory::create)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(FileError::new("write", &self.path)(error))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    pub(crate) fn clear(&self, target: &Target) -> Result<(), FileError> {
        match self.at(target, Directory::remove) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError::new("remove", &self.path)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Does something to the record.
    fn at<T>(
        &self,
        target: &Target,
        work: impl FnOnce(&Directory, &OsStr) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.state_dir.is_none() {
            return work(target.directory()?, &target.owed());
        }
        let End { dir, name, path } = walk(&self.path)?;
        if path != self.path {
            return Err(io::Error::other("it is a symbolic link"));
        }
        let dir = dir.ok_or(io::ErrorKind::NotFound)?;
        work(&Directory::open(dir)?, &name)
    }
}
