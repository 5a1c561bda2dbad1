//! Putting a staged file in the place of another.

use std::ffi::OsStr;
use std::io;

use tracing::debug;

use crate::backup::Backup;
use crate::replace::{NotSwapped, is_mount, sync_dir, write_into};
use crate::stage::Stage;
use crate::target::Target;

/// Puts the staged file in the target's place. Unless it is `backed_up`, the target is as it was
/// when that fails.
pub(crate) fn swap(stage: &mut Stage, target: &Target, backed_up: bool) -> Result<(), NotSwapped> {
    match stage.rename(target.name()) {
        Ok(()) => sync_dir(target),
        Err(error) if is_mount(&error) => {
            debug!("Rename failed - target is likely a mount. Trying to write instead");
            if backed_up {
                write_into(stage.name(), target)?;
            } else {
                write_safely(stage.name(), target)?;
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn write_safely(from: &OsStr, target: &Target) -> Result<(), NotSwapped> {
    let backup = Backup::take(target)?;
    match write_into(from, target) {
        Ok(()) => Ok(backup.discard(target)?),
        Err(NotSwapped::Untouched(error)) => {
            backup.discard(target)?;
            Err(NotSwapped::Untouched(error))
        }
        Err(NotSwapped::Damaged(error)) => match backup.restore(target) {
            Ok(()) => Err(NotSwapped::Untouched(error)),
            Err(worse) => Err(NotSwapped::Damaged(io::Error::new(
                error.kind(),
                format!("{error}; it cannot be put back either: {worse}"),
            ))),
        },
    }
}
