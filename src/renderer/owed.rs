//! The record on disk that a file was replaced and its reload has not succeeded since.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::compare::md5sum;
use crate::error::FileError;
use crate::target::Target;

/// Of one file.
#[derive(Debug)]
pub(crate) struct Owed(PathBuf);

impl Owed {
    /// Beside the file, or in `state_dir` under a name made from the file's.
    pub(crate) fn of(target: &Target, state_dir: Option<&Path>) -> Self {
        Self(match state_dir {
            None => target.owed(),
            Some(dir) => {
                let name = md5sum(target.path().as_os_str().as_bytes());
                dir.join(format!("{name}.owed"))
            }
        })
    }

    pub(crate) fn is_recorded(&self) -> Result<bool, FileError> {
        match fs::symlink_metadata(&self.0) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(FileError::new("find", &self.0)(error)),
        }
    }

    /// Not synced: after a power cut the daemon starts with the file as it is.
    pub(crate) fn record(&self) -> Result<(), FileError> {
        let create = || {
            if let Some(dir) = self.0.parent() {
                fs::create_dir_all(dir)?;
            }
            match File::create_new(&self.0) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                Ok(_) | Err(_) => Ok(()),
            }
        };
        create().map_err(FileError::new("write", &self.0))
    }

    pub(crate) fn clear(&self) -> Result<(), FileError> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError::new("remove", &self.0)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
