//! Tidies up after a process that was killed while it replaced a file.

use std::ffi::OsStr;
use std::io;
use std::iter;
use std::path::Path;

use tracing::{debug, warn};

use crate::backup::Backup;
use crate::directory::Directory;
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
            event = "file_put_back",
            "{} had been replaced and not been checked: put back the previous one",
            dest.display()
        );
    }
    Ok(())
}

/// Removes staged files that nobody works on any more. Whether none is left. `is_ours`: we work on
/// the neighbour of that name.
pub(crate) fn sweep(target: &Target, is_ours: impl Fn(&OsStr) -> bool) -> bool {
    let Ok(dir) = target.directory() else {
        return false;
    };
    let Ok(names) = dir.names() else {
        return false;
    };
    let mut clean = true;
    for name in names.iter().filter(|name| target.is_stage(name)) {
        let neighbour = Target::staged_for(name).filter(|name| *name != target.name());
        if !dir.is_file(name) || neighbour.is_some_and(&is_ours) {
            continue;
        }
        let path = target.shown(name);
        let users = iter::once(target.name()).chain(neighbour);
        match remove_if_left(dir, name, users) {
            Ok(()) => debug!("Removed {}, left by a killed process", path.display()),
            Err(error) => {
                debug!("Left {} alone: {error}", path.display());
                clean = false;
            }
        }
    }
    clean
}

fn remove_if_left<'a>(
    dir: &Directory,
    name: &OsStr,
    mut users: impl Iterator<Item = &'a OsStr>,
) -> io::Result<()> {
    lock::take_over(&dir.read(name)?)?;
    if users.any(|user| dir.is_claimed(user)) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    dir.remove(name)
}
