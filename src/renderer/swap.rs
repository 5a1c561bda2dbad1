//! Putting a file in the place of another.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::io::Errno;
use tracing::{debug, warn};

use crate::backup::Backup;
use crate::permissions::Permissions;
use crate::stage::Stage;
use crate::target::Target;

/// Puts the staged file in the target's place. When that fails the target is as it was, unless
/// `backed_up`: then it may be damaged.
pub(crate) fn swap(stage: &mut Stage, target: &Target, backed_up: bool) -> io::Result<()> {
    match stage.rename(target.path()) {
        Ok(()) => sync_dir(target.dir()),
        Err(error) if is_mount(&error) => {
            debug!("Rename failed - target is likely a mount. Trying to write instead");
            if backed_up {
                write_into(stage.path(), target.path())?;
            } else {
                write_safely(stage.path(), target)?;
            }
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Moves a file on, as [`swap`] does.
pub(crate) fn replace(from: &Path, target: &Target) -> io::Result<()> {
    match fs::rename(from, target.path()) {
        Ok(()) => {}
        Err(error) if is_mount(&error) => {
            write_into(from, target.path())?;
            fs::remove_file(from)?;
        }
        Err(error) => return Err(error),
    }
    sync_dir(target.dir());
    Ok(())
}

/// A file that is mounted by itself, as containers do it, cannot be renamed over.
fn is_mount(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::BUSY | Errno::XDEV))
}

fn write_safely(from: &Path, target: &Target) -> io::Result<()> {
    let backup = Backup::take(target)?;
    match write_into(from, target.path()) {
        Ok(()) => backup.discard(),
        Err(error) => {
            backup.restore(target)?;
            Err(error)
        }
    }
}

/// Gives the file at `to` what the one at `from` has, contents and permissions.
fn write_into(from: &Path, to: &Path) -> io::Result<()> {
    let contents = fs::read(from)?;
    let source = fs::metadata(from)?;
    let mut file = OpenOptions::new().write(true).open(to)?;
    let target = file.metadata()?;
    if (source.dev(), source.ino()) == (target.dev(), target.ino()) {
        return Ok(());
    }
    // Nobody gets to see contents that the permissions do not let him.
    file.set_len(0)?;
    Permissions::of(&source).give(&file)?;
    file.write_all(&contents)?;
    file.sync_all()
}

/// Makes sure that a rename outlasts a power cut. It has happened, whatever comes of this.
fn sync_dir(dir: &Path) {
    if let Err(error) = File::open(dir).and_then(|dir| dir.sync_all()) {
        warn!("cannot sync {}: {error}", dir.display());
    }
}
