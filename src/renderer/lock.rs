//! Tells other processes which of the files beside a target are in use.
//!
//! Some file systems have no locks. There nothing counts as in use, since a crash is likelier than
//! two processes at the same file.

use std::fs::File;
use std::io;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Marks a file as in use, for as long as it is open. False if another process is tidying it away.
pub(crate) fn hold(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockShared) != Err(Errno::WOULDBLOCK)
}

/// Takes a file over that nobody uses. [`io::ErrorKind::WouldBlock`] if somebody does.
pub(crate) fn take_over(file: &File) -> io::Result<()> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(Errno::WOULDBLOCK.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_is_held_is_not_taken_over() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::open(file.path()).unwrap();
        let (one, other, tidy) = (open(), open(), open());
        assert!(hold(&one));
        assert!(hold(&other));
        assert_eq!(
            take_over(&tidy).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        drop((one, other));
        // A child that another test is about to start holds them for a moment.
        let deadline = Instant::now() + Duration::from_secs(30);
        while take_over(&tidy).is_err() {
            assert!(Instant::now() < deadline);
        }
        assert!(!hold(&open()));
    }

    #[test]
    fn without_locks_nothing_is_in_use() {
        // A descriptor that is for neither reading nor writing cannot be locked.
        let path = rustix::fs::open(
            "/",
            rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        let unlockable = File::from(path.unwrap());
        assert!(hold(&unlockable));
        take_over(&unlockable).unwrap();
    }
}
