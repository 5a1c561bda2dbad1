//! Tidies up after a process that was killed while it replaced a file.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tracing::{debug, warn};

use crate::backup::Backup;
use crate::error::FileError;
use crate::lock;
use crate::target::Target;

/// Puts a file back that was replaced and never judged. Fails while another process lives that is
/// at work on it.
pub(crate) fn put_back(target: &Target, dest: &Path) -> Result<(), FileError> {
    let restored = match Backup::left_behind(target) {
        Ok(None) => return Ok(()),
        Ok(Some(backup)) => backup.restore(target),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::other("another process is replacing it"))
        }
        Err(error) => Err(error),
    };
    if restored.map_err(FileError::new("put back", dest))? {
        warn!(
            "{} had been replaced and not been checked: put back the previous one",
            dest.display()
        );
    }
    Ok(())
}

/// Removes staged files that nobody works on any more. Whether none is left.
pub(crate) fn sweep(target: &Target) -> bool {
    let Ok(entries) = fs::read_dir(target.dir()) else {
        return false;
    };
    let mut clean = true;
    for entry in entries.flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && target.is_stage(&entry.file_name()) {
            let path = entry.path();
            match remove_if_left(&path) {
                Ok(()) => debug!("Removed {}, left by a killed process", path.display()),
                Err(error) => {
                    debug!("Left {} alone: {error}", path.display());
                    clean = false;
                }
            }
        }
    }
    clean
}

fn remove_if_left(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    lock::take_over(&file)?;
    fs::remove_file(path)
}
