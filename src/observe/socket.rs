//! The control socket's place in the file system: whose it may be, and who holds it.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use rustix::process::{getegid, geteuid};

use super::config::DoorConfig;
use super::lock::{Lock, LockError};
use crate::fault::Fault;

/// For its owner and its group.
const MODE: u32 = 0o660;

/// How many may wait to be let in.
const BACKLOG: i32 = 128;

/// A socket that listens, and what holds its place.
#[derive(Debug)]
pub(super) struct ControlSocket {
    pub(super) listener: UnixListener,
    pub(super) claim: Claim,
}

/// The socket goes when this goes, and then the lock on it.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    /// Device and number.
    identity: (u64, u64),
    _lock: Lock,
}

impl ControlSocket {
    /// # Errors
    /// Why nobody can be let in there.
    pub(super) fn open(door: &DoorConfig<PathBuf>) -> Result<Self, Fault> {
        let path = &door.at;
        let fault = |what: String| {
            let shown = path.display().to_string();
            Fault::of_value(door.place.clone(), &shown, what)
        };
        check_directory(path).map_err(fault)?;
        let lock = Lock::take(&beside(path)).map_err(|error| fault(of_lock(error)))?;
        clear(path).map_err(fault)?;
        let listener = make(path).map_err(|error| fault(error.to_string()))?;
        let found = fs::symlink_metadata(path).map_err(|error| fault(error.to_string()))?;
        let claim = Claim {
            path: path.clone(),
            identity: (found.dev(), found.ino()),
            _lock: lock,
        };
        Ok(Self { listener, claim })
    }
}

impl Claim {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path);
        if there.is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            let _gone = fs::remove_file(&self.path);
        }
    }
}

/// `control.sock.lock`
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".lock");
    name.into()
}

fn of_lock(error: LockError) -> String {
    match error {
        LockError::Held(Some(id)) => format!("process {id} listens there already"),
        LockError::Held(None) => "another process listens there already".to_owned(),
        LockError::Failed(error) => format!("its lock file {error}"),
    }
}

/// Who may write the directory could put a socket of his own in our place.
fn check_directory(path: &Path) -> Result<(), String> {
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    let directory = directory.unwrap_or(Path::new("."));
    let shown = directory.display();
    let found = fs::metadata(directory).map_err(|error| format!("its directory: {error}"))?;
    if !found.is_dir() {
        return Err(format!("{shown} is no directory"));
    }
    match who_else_may_write(&found) {
        Some(who) => {
            let mode = found.mode() & 0o7777;
            Err(format!(
                "{who} may write its directory (mode {mode:04o}); use one that is only ours, as in /run/register"
            ))
        }
        None => Ok(()),
    }
}

fn who_else_may_write(found: &Metadata) -> Option<String> {
    let (mode, uid, gid) = (found.mode(), found.uid(), found.gid());
    if mode & 0o002 != 0 {
        Some("everybody on this host".to_owned())
    } else if mode & 0o020 != 0 && gid != 0 && gid != getegid().as_raw() {
        Some(format!("group {gid}"))
    } else if uid != 0 && uid != geteuid().as_raw() {
        Some(format!("user {uid}"))
    } else {
        None
    }
}

/// Removes a socket on which nobody listens any more, and nothing else.
fn clear(path: &Path) -> Result<(), String> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    if found.is_symlink() {
        return Err("is a symbolic link; remove it, or give the path that it leads to".to_owned());
    }
    if !found.is_socket() {
        return Err("is there already, and no socket; give another path".to_owned());
    }
    match try_to_reach(path) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(told),
        Ok(()) | Err(Errno::AGAIN) => Err("another program listens there already".to_owned()),
        Err(error) => Err(told(error)),
    }
}

fn told(error: impl Display) -> String {
    error.to_string()
}

fn new_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

fn try_to_reach(path: &Path) -> Result<(), Errno> {
    connect(new_socket()?, &SocketAddrUnix::new(path)?)
}

/// It never has a wider mode than it is to have: what the socket has before is what `bind` gives the file,
/// less the umask.
fn make(path: &Path) -> io::Result<UnixListener> {
    let address = SocketAddrUnix::new(path)?;
    let socket = new_socket()?;
    fchmod(&socket, Mode::from_raw_mode(MODE))?;
    bind(&socket, &address)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Site(tempfile::TempDir);

    impl Site {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a directory"))
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("control.sock")
        }

        fn open(&self) -> Result<ControlSocket, String> {
            let door = DoorConfig {
                place: "--control".into(),
                at: self.path(),
            };
            let root = self.0.path().display().to_string();
            ControlSocket::open(&door).map_err(|fault| fault.to_string().replace(&root, "DIR"))
        }

        fn fault(&self) -> String {
            self.open().expect_err("refused")
        }
    }

    #[test]
    fn it_is_for_owner_and_group_and_gone_afterwards() {
        let site = Site::new();
        let socket = site.open().expect("opened");
        let mode = fs::metadata(site.path()).expect("there").mode();
        assert_eq!(mode & 0o7777, MODE);
        drop(socket);
        let left = fs::read_dir(site.0.path()).expect("a directory").count();
        assert_eq!(left, 0);
    }

    #[test]
    fn another_process_of_ours_is_told_who_has_it() {
        let site = Site::new();
        let _first = site.open().expect("opened");
        let ours = std::process::id();
        let told = format!("--control \"DIR/control.sock\": process {ours} listens there already");
        assert_eq!(site.fault(), told);
        assert!(try_to_reach(&site.path()).is_ok());
    }

    #[test]
    fn what_a_killed_process_left_is_replaced() {
        let site = Site::new();
        drop(UnixListener::bind(site.path()).expect("bound"));
        fs::write(beside(&site.path()), "1\n").expect("written");
        let _socket = site.open().expect("opened");
        assert!(try_to_reach(&site.path()).is_ok());
    }

    #[test]
    fn what_is_somebody_elses_is_left_alone() {
        let site = Site::new();
        let other = UnixListener::bind(site.path()).expect("bound");
        let what = "--control \"DIR/control.sock\"";
        assert_eq!(
            site.fault(),
            format!("{what}: another program listens there already")
        );
        drop(other);
        fs::remove_file(site.path()).expect("removed");
        fs::write(site.path(), "").expect("written");
        assert_eq!(
            site.fault(),
            format!("{what}: is there already, and no socket; give another path")
        );
        fs::remove_file(site.path()).expect("removed");
        symlink("elsewhere", site.path()).expect("linked");
        assert_eq!(
            site.fault(),
            format!("{what}: is a symbolic link; remove it, or give the path that it leads to")
        );
        assert!(site.path().is_symlink());
    }

    #[test]
    fn a_directory_that_others_may_write_is_refused_also_a_sticky_one() {
        let site = Site::new();
        for mode in [0o777, 0o1777, 0o702] {
            fs::set_permissions(site.0.path(), Permissions::from_mode(mode)).expect("changed");
            let fault = site.fault();
            assert!(
                fault.contains(": everybody on this host may write its directory"),
                "{fault}"
            );
        }
        fs::set_permissions(site.0.path(), Permissions::from_mode(0o750)).expect("changed");
        site.open().expect("only ours");
    }

    #[test]
    fn a_directory_that_is_not_there_is_told() {
        let site = Site::new();
        let door = DoorConfig {
            place: "--control".into(),
            at: site.0.path().join("missing/control.sock"),
        };
        let fault = ControlSocket::open(&door).expect_err("refused").to_string();
        assert!(
            fault.ends_with(": its directory: No such file or directory (os error 2)"),
            "{fault}"
        );
    }
}
