//! Tells other processes which of the files beside a target are in use.
//!
//! The locks are on the directory: on one byte for each target, at a place made from its name. So
//! they cost one descriptor, whatever the number of files. A directory cannot be locked for
//! writing, but one can ask what would be in the way of it.
//!
//! Some file systems have no locks. There nothing counts as in use, since a crash is likelier than
//! two processes at the same file.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use md5::{Digest, Md5};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Marks what belongs to `name`, for as long as this directory is open.
pub(crate) fn claim(dir: impl AsFd, name: &OsStr) {
    let claim = byte(name, libc::F_RDLCK);
    // Fails where there are no locks.
    let _ = fcntl(dir, FcntlArg::F_OFD_SETLK(&claim));
}

/// Whether it is marked through another descriptor than this.
pub(crate) fn is_claimed(dir: impl AsFd, name: &OsStr) -> bool {
    let mut found = byte(name, libc::F_WRLCK);
    let asked = fcntl(dir, FcntlArg::F_OFD_GETLK(&mut found));
    asked.is_ok() && i32::from(found.l_type) != libc::F_UNLCK
}

/// Takes a file over that nobody else is tidying away. [`io::ErrorKind::WouldBlock`] if somebody is.
pub(crate) fn take_over(file: &File) -> io::Result<()> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(Errno::WOULDBLOCK.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the kinds of lock are 0, 1 and 2, and 0 is the beginning of the file"
)]
fn byte(name: &OsStr, kind: libc::c_int) -> libc::flock {
    let digest = Md5::digest(name.as_bytes());
    let place = digest
        .iter()
        .take(4)
        .fold(0_u32, |place, &byte| place << 8 | u32::from(byte));
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: libc::off_t::from((place >> 1).cast_signed()),
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_is_claimed_is_in_use_until_the_directory_is_closed() {
        let dir = TempDir::new().unwrap();
        let open = || File::open(dir.path()).unwrap();
        let (one, other) = (open(), open());
        let name = OsStr::new("app.conf");
        claim(&one, name);
        assert!(is_claimed(&other, name));
        assert!(!is_claimed(&other, OsStr::new("other.conf")));
        assert!(!is_claimed(&one, name), "by itself");
        drop(one);
        // A child that another test is about to start holds it for a moment.
        let deadline = Instant::now() + Duration::from_secs(30);
        while is_claimed(&other, name) {
            assert!(Instant::now() < deadline);
        }
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
        claim(&unlockable, OsStr::new("name"));
        assert!(!is_claimed(&unlockable, OsStr::new("name")));
        take_over(&unlockable).unwrap();
    }
}
