//! The way to a file, component by component, by systemd's rule of safe transitions: whoever owns a
//! part of the way decides what comes behind it, so that must not belong to somebody with more rights.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Uid, User};
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::directory::is_planted;

/// As many symbolic links as Linux follows.
const MAX_LINKS: usize = 40;

/// Where a path ends.
#[derive(Debug)]
pub(crate) struct End {
    /// The directory, for naming it; none if it is missing.
    pub(crate) dir: Option<OwnedFd>,
    /// In the directory.
    pub(crate) name: OsString,
    /// `dest`, or what the link there leads to.
    pub(crate) path: PathBuf,
}

/// Walks to `dest`. A link there is followed, be there anything behind it or not.
pub(crate) fn walk(dest: &Path) -> io::Result<End> {
    // Where we are may be no place that we may look at, and need not be.
    let start = if dest.is_absolute() { "/" } else { "." };
    let mut walk = Walk {
        at: Waypoint::open(CWD, start.as_ref(), PathBuf::new())?,
        todo: steps(dest),
        links: 0,
        path: dest.to_owned(),
        trusted: Trusted::find()?,
    };
    let dir = match walk.run() {
        Ok(()) => Some(walk.at.fd),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let name = walk.path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    Ok(End {
        dir,
        name: name.to_owned(),
        path: walk.path,
    })
}

struct Walk {
    at: Waypoint,
    /// Last one first.
    todo: Vec<PathStep>,
    links: usize,
    path: PathBuf,
    trusted: Trusted,
}

/// They lead nobody astray: root, ourselves, and the owner of `/`. That one can lead everybody
/// anywhere, and is how root looks from inside a user name space.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trusted([u32; 3]);

impl Trusted {
    pub(crate) fn find() -> io::Result<Self> {
        Ok(Self([0, geteuid().as_raw(), stat("/")?.st_uid]))
    }

    fn has(self, uid: u32) -> bool {
        self.0.contains(&uid)
    }

    /// Whether what `from` owns may lead to what `to` owns.
    pub(crate) fn is_safe(self, from: u32, to: u32) -> bool {
        from == to || self.has(from)
    }
}

#[derive(Clone)]
enum PathStep {
    Root,
    Up,
    Enter(OsString),
    /// Here the text of somebody's link has been walked to its end.
    Arrive(Owned),
}

/// Part of the way, and whose it is.
#[derive(Clone)]
struct Owned {
    path: PathBuf,
    uid: u32,
}

/// A directory on the way, or a link.
struct Waypoint {
    fd: OwnedFd,
    stat: Stat,
    path: PathBuf,
}

impl Waypoint {
    fn open(dir: impl std::os::fd::AsFd, name: &OsStr, path: PathBuf) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(dir, name, flags, Mode::empty())?;
        let stat = fstat(&fd)?;
        Ok(Self { fd, stat, path })
    }

    fn owned(&self) -> Owned {
        Owned {
            path: self.path.clone(),
            uid: self.stat.st_uid,
        }
    }

    fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

impl Walk {
    fn run(&mut self) -> io::Result<()> {
        while let Some(step) = self.todo.pop() {
            match step {
                PathStep::Root => self.at = Waypoint::open(CWD, "/".as_ref(), PathBuf::from("/"))?,
                PathStep::Up => self.go_up()?,
                PathStep::Arrive(link) => self.arrive(&link)?,
                PathStep::Enter(name) if self.is_last() => {
                    if !self.follow_last(&name)? {
                        return self.end();
                    }
                }
                PathStep::Enter(name) => self.enter(&name)?,
            }
        }
        Err(io::ErrorKind::IsADirectory.into())
    }

    fn is_last(&self) -> bool {
        self.todo
            .iter()
            .all(|step| matches!(step, PathStep::Arrive(_)))
    }

    fn end(&mut self) -> io::Result<()> {
        for step in std::mem::take(&mut self.todo) {
            if let PathStep::Arrive(link) = step {
                self.arrive(&link)?;
            }
        }
        Ok(())
    }

    fn entry(&self, name: &OsStr) -> io::Result<Waypoint> {
        Waypoint::open(&self.at.fd, name, self.at.path.join(name))
    }

    fn enter(&mut self, name: &OsStr) -> io::Result<()> {
        let entry = self.entry(name)?;
        match entry.kind() {
            FileType::Symlink => self.follow(&entry),
            FileType::Directory => {
                self.refuse_unsafe(&entry)?;
                self.at = entry;
                Ok(())
            }
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    /// Whether it is a link. What else it is does not matter: it is replaced, not entered.
    fn follow_last(&mut self, name: &OsStr) -> io::Result<bool> {
        let entry = match self.entry(name) {
            Ok(entry) if entry.kind() == FileType::Symlink => entry,
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let text = self.follow_to(&entry)?;
        self.path.pop();
        self.path.push(text);
        Ok(true)
    }

    fn follow(&mut self, link: &Waypoint) -> io::Result<()> {
        self.follow_to(link).map(drop)
    }

    fn follow_to(&mut self, link: &Waypoint) -> io::Result<PathBuf> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::LOOP.into());
        }
        if is_planted(&self.at.stat, link.stat.st_uid) {
            return Err(refused(&format!(
                "{} is a symbolic link in a directory that all may write to",
                link.owned()
            )));
        }
        self.refuse_unsafe(link)?;
        if !self.trusted.has(link.stat.st_uid) {
            self.todo.push(PathStep::Arrive(link.owned()));
        }
        let text = readlinkat(&link.fd, "", Vec::new())?;
        let text = PathBuf::from(OsStr::from_bytes(text.to_bytes()));
        self.todo.extend(steps(&text));
        Ok(text)
    }

    fn go_up(&mut self) -> io::Result<()> {
        let path = match self.at.path.file_name() {
            Some(_) => self.at.path.parent().unwrap_or(Path::new("")).to_owned(),
            None if self.at.path.is_absolute() => self.at.path.clone(),
            None => self.at.path.join(".."),
        };
        let parent = Waypoint::open(&self.at.fd, "..".as_ref(), path)?;
        // Within the text of a link what counts is where it ends.
        if self
            .todo
            .iter()
            .all(|step| !matches!(step, PathStep::Arrive(_)))
        {
            self.refuse_unsafe(&parent)?;
        }
        self.at = parent;
        Ok(())
    }

    /// Whoever owns where we are could have put anything in this one's place.
    fn refuse_unsafe(&self, next: &Waypoint) -> io::Result<()> {
        if self.trusted.is_safe(self.at.stat.st_uid, next.stat.st_uid) {
            return Ok(());
        }
        let (here, next) = (self.at.owned(), next.owned());
        Err(must_agree("leads to", &here, &next))
    }

    /// Whoever owns a link could have made it lead anywhere.
    fn arrive(&self, link: &Owned) -> io::Result<()> {
        if self.trusted.is_safe(link.uid, self.at.stat.st_uid) {
            return Ok(());
        }
        let here = self.at.owned();
        Err(must_agree("is a symbolic link into", link, &here))
    }
}

/// Last one first.
fn steps(path: &Path) -> Vec<PathStep> {
    let steps = path.components().filter_map(|component| match component {
        Component::RootDir => Some(PathStep::Root),
        Component::ParentDir => Some(PathStep::Up),
        Component::Normal(name) => Some(PathStep::Enter(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    });
    let mut steps: Vec<PathStep> = steps.collect();
    steps.reverse();
    steps
}

impl fmt::Display for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path == Path::new("") {
            Path::new(".")
        } else {
            &self.path
        };
        write!(f, "{}, which {} owns,", path.display(), user(self.uid))
    }
}

/// By name, where there is one.
pub(crate) fn user(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => format!("{} (uid {uid})", user.name),
        Ok(None) | Err(_) => format!("uid {uid}"),
    }
}

fn refused(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("unsafe path: {what}"),
    )
}

fn must_agree(what: &str, one: &Owned, other: &Owned) -> io::Error {
    refused(&format!(
        "{one} {what} {other} and they must have one owner"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_we_may_lead_anywhere_and_others_to_their_own() {
        let trusted = Trusted([0, 1000, 0]);
        for (from, to, is_safe) in [
            (0, 0, true),
            (0, 33, true),
            (1000, 0, true),
            (1000, 33, true),
            (33, 33, true),
            (33, 0, false),
            (33, 1000, false),
            (33, 34, false),
        ] {
            assert_eq!(trusted.is_safe(from, to), is_safe, "{from} {to}");
        }
    }

    #[test]
    fn whoever_owns_the_root_of_everything_is_trusted() {
        // As a user name space shows all that is not in it.
        assert!(Trusted([0, 0, 65534]).is_safe(65534, 0));
    }

    #[test]
    fn a_path_is_walked_as_the_kernel_does() {
        let name = |path: &str| walk(Path::new(path)).map(|end| (end.dir.is_some(), end.name));
        for (path, expected) in [
            ("/x", (true, "x")),
            ("/../../x", (true, "x")),
            ("/usr/./share//../x", (true, "x")),
            ("x", (true, "x")),
            ("../../../../../../../../../x", (true, "x")),
            ("/no/such/x", (false, "x")),
        ] {
            let (found, name) = name(path).unwrap();
            assert_eq!((found, name.to_str().unwrap()), expected, "{path}");
        }
        for path in ["/", "/usr/..", "", "."] {
            assert_eq!(name(path).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        }
        let beneath_a_file = name("/etc/passwd/x").unwrap_err();
        assert_eq!(beneath_a_file.kind(), io::ErrorKind::NotADirectory);
    }
}
