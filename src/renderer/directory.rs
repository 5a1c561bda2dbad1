//! An open directory. What is done in it is done to plain names, so that nobody can lead it elsewhere
//! once it is open.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, StatxAttributes, StatxFlags, fstat, linkat, openat,
    renameat, statat, statx, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Resource, geteuid, getrlimit};

use crate::lock;
use crate::mutex;

/// Of a directory in which all may create files, and remove only their own.
const SHARED: u32 = 0o1002;

const STICKY: u32 = 0o1000;

/// A file of the directory is opened so: a link is no file, and neither a FIFO nor a terminal keeps us.
const PLAIN: OFlags = OFlags::NOFOLLOW
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// A directory, for as long as files in it are worked on.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    stat: Stat,
}

impl Directory {
    /// `handle` may be good for nothing but naming it.
    pub(crate) fn open(handle: OwnedFd) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = match openat(&handle, ".", flags, Mode::empty()) {
            Ok(fd) => fd,
            // Files can be made in it all the same.
            Err(Errno::ACCESS) => handle,
            Err(error) => return Err(error.into()),
        };
        let stat = fstat(&fd)?;
        Ok(Self { fd, stat })
    }

    /// Device and inode.
    pub(crate) fn id(&self) -> (u64, u64) {
        (self.stat.st_dev, self.stat.st_ino)
    }

    pub(crate) fn owner(&self) -> u32 {
        self.stat.st_uid
    }

    /// Whether something is mounted on the file itself.
    pub(crate) fn is_mount(&self, name: &OsStr, file: &Metadata) -> bool {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let found = statx(&self.fd, name, flags, StatxFlags::empty());
        let is_root =
            found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
        is_root || file.dev() != self.stat.st_dev
    }

    /// Refuses what somebody else has put into a directory that all may write to, such as `/tmp`.
    pub(crate) fn refuse_planted(&self, owner: u32) -> io::Result<()> {
        if is_planted(&self.stat, owner) {
            return Err(Errno::ACCESS.into());
        }
        Ok(())
    }

    /// Whether we may remove a file of this owner here: in a sticky directory only some may.
    pub(crate) fn lets_remove(&self, owner: u32) -> bool {
        let we = geteuid().as_raw();
        we == 0 || self.stat.st_mode & STICKY == 0 || [owner, self.stat.st_uid].contains(&we)
    }

    /// The file, to read it. Nothing but a regular file is opened.
    pub(crate) fn read(&self, name: &OsStr) -> io::Result<File> {
        self.regular(name, OFlags::RDONLY)
    }

    /// The file, to write into it.
    pub(crate) fn write(&self, name: &OsStr) -> io::Result<File> {
        self.regular(name, OFlags::WRONLY)
    }

    /// Looks before it opens: to open a device may set something going.
    fn regular(&self, name: &OsStr, access: OFlags) -> io::Result<File> {
        if !is_file(&self.stat(name)?) {
            return Err(not_regular());
        }
        let file = openat(&self.fd, name, access | PLAIN, Mode::empty())?;
        if !is_file(&fstat(&file)?) {
            return Err(not_regular());
        }
        Ok(File::from(file))
    }

    pub(crate) fn is_file(&self, name: &OsStr) -> bool {
        self.stat(name).is_ok_and(|stat| is_file(&stat))
    }

    /// A new file that only we can read.
    pub(crate) fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | PLAIN;
        let file = openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(File::from(file))
    }

    /// Of the entry itself, also where it is a link.
    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.fd, from, &self.fd, to)?)
    }

    pub(crate) fn link(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(linkat(&self.fd, from, &self.fd, to, AtFlags::empty())?)
    }

    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            names.push(OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned());
        }
        Ok(names)
    }

    /// Makes sure that a rename outlasts a power cut.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.fd) {
            // We may make files here and not look: then the handle is good for naming only.
            Ok(()) | Err(Errno::BADF) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Marks the files that belong to `name` as in use, for as long as the directory is open.
    pub(crate) fn claim(&self, name: &OsStr) {
        lock::claim(&self.fd, name);
    }

    /// Whether somebody else has marked them.
    pub(crate) fn is_claimed(&self, name: &OsStr) -> bool {
        lock::is_claimed(&self.fd, name)
    }
}

/// The last few descriptors are for the commands: a file that they cannot check is of no use.
fn leave_some(last: &OwnedFd) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let number = u64::try_from(last.as_raw_fd()).unwrap_or(0);
    if number >= limit - limit / 16 {
        return Err(Errno::MFILE.into());
    }
    Ok(())
}

/// Linux follows no such links either, where `fs.protected_symlinks` is set.
pub(crate) fn is_planted(dir: &Stat, owner: u32) -> bool {
    dir.st_mode & SHARED == SHARED && ![geteuid().as_raw(), dir.st_uid].contains(&owner)
}

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_file()
}

fn not_regular() -> io::Error {
    io::Error::other("not a regular file")
}

/// The directories that are open: a thousand files in one cost one descriptor.
#[derive(Debug, Default)]
pub(crate) struct Directories(Mutex<HashMap<PathBuf, Weak<Directory>>>);

impl Directories {
    /// The same directory as before, if it is still open.
    pub(crate) fn open(&self, path: &Path, handle: OwnedFd) -> io::Result<Arc<Directory>> {
        let stat = fstat(&handle)?;
        if let Some(known) = known(&mutex::lock(&self.0), path, &stat) {
            return Ok(known);
        }
        let opened = Arc::new(Directory::open(handle)?);
        leave_some(&opened.fd)?;
        let mut open = mutex::lock(&self.0);
        // Another thread may have been quicker.
        if let Some(known) = known(&open, path, &stat) {
            return Ok(known);
        }
        open.retain(|_, known| known.strong_count() > 0);
        open.insert(path.to_owned(), Arc::downgrade(&opened));
        Ok(opened)
    }
}

fn known(
    open: &HashMap<PathBuf, Weak<Directory>>,
    path: &Path,
    stat: &Stat,
) -> Option<Arc<Directory>> {
    let known = open.get(path).and_then(Weak::upgrade)?;
    (known.id() == (stat.st_dev, stat.st_ino)).then_some(known)
}
