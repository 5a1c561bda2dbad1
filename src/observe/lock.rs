//! Who holds a control socket: a file beside it, locked for as long as its process lives.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

/// Another's file may go just as it is opened; not so often.
const TRIES: usize = 10;

/// A process id and a newline fit in.
const TEXT: u64 = 32;

/// Gone with the file when this goes.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

#[derive(Debug)]
pub(super) enum LockError {
    /// By the process with this id, if it is known.
    Held(Option<u32>),
    Failed(io::Error),
}

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, LockError> {
        for _ in 0..TRIES {
            if let Some(lock) = Self::try_to_take(path)? {
                return Ok(lock);
            }
        }
        Err(LockError::Held(None))
    }

    /// None where the file was removed meanwhile.
    fn try_to_take(path: &Path) -> Result<Option<Self>, LockError> {
        let mut file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(LockError::Held(holder(&mut file))),
            Err(error) => return Err(LockError::Failed(error.into())),
        }
        if !is_at(&file, path) {
            return Ok(None);
        }
        let path = path.to_owned();
        let mut lock = Self { file, path };
        lock.sign()?;
        Ok(Some(lock))
    }

    /// Says that it is ours.
    fn sign(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{}", std::process::id())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before it is unlocked, so that nobody's but ours is removed.
        let _gone = fs::remove_file(&self.path);
    }
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = File::options();
    options.read(true).write(true).create(true).mode(0o600);
    let file = options
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("is no regular file")),
    }
}

/// Whether the file is still the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |found: fs::Metadata| (found.dev(), found.ino());
    let ours = file.metadata().map(identity);
    let there = fs::symlink_metadata(path).map(identity);
    matches!((ours, there), (Ok(ours), Ok(there)) if ours == there)
}

/// As it has signed.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(TEXT).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_lock_is_held_once_and_says_by_whom_and_goes_with_its_holder() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lock");
        let lock = Lock::take(&path).expect("nobody's");
        let ours = std::process::id();
        match Lock::take(&path) {
            Err(LockError::Held(Some(holder))) => assert_eq!(holder, ours),
            other => panic!("{other:?}"),
        }
        drop(lock);
        assert!(!path.exists());
        Lock::take(&path).expect("nobody's again");
    }

    #[test]
    fn a_file_that_a_killed_process_left_is_no_lock() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lock");
        fs::write(&path, "4194304000\n and more").expect("written");
        let lock = Lock::take(&path).expect("nobody's");
        let text = fs::read_to_string(&path).expect("signed");
        assert_eq!(text, format!("{}\n", std::process::id()));
        drop(lock);
    }

    #[test]
    fn a_lock_on_a_file_that_is_gone_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lock");
        let file = open(&path).expect("made");
        assert!(is_at(&file, &path));
        fs::remove_file(&path).expect("removed");
        assert!(!is_at(&file, &path));
        fs::write(&path, "").expect("another");
        assert!(!is_at(&file, &path));
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let target = directory.path().join("target");
        fs::write(&target, "precious").expect("written");
        let path = directory.path().join("lock");
        symlink(&target, &path).expect("linked");
        assert!(matches!(Lock::take(&path), Err(LockError::Failed(_))));
        assert_eq!(fs::read_to_string(&target).expect("read"), "precious");
    }
}
