//! Who owns a file, and who may do what with it.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

use nix::unistd::{Gid, Group, User};
use rustix::fs::Stat;
use rustix::process::{getegid, geteuid};

use crate::walk;

/// Read, write and execute for three, and the three bits before them.
const MODE_BITS: u32 = 0o7777;

/// Who executes the file gets the rights of its owner or group.
const SET_ID: u32 = 0o6000;

/// All who are neither owner nor of the group write.
const OTHERS_WRITE: u32 = 0o002;

/// Owner and mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Permissions {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
}

impl Permissions {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.mode() & MODE_BITS,
        }
    }

    pub(crate) fn of_stat(stat: &Stat) -> Self {
        Self {
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode & MODE_BITS,
        }
    }

    fn owners(self) -> (u32, u32) {
        (self.uid, self.gid)
    }
}

/// What a file is to have: what was asked for, and the usual for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) permissions: Permissions,
    pub(crate) asks_owner: bool,
    pub(crate) asks_group: bool,
    pub(crate) asks_mode: bool,
}

/// What a file system made of it.
#[derive(Debug, Default)]
pub(crate) struct Obtained {
    pub(crate) permissions: Permissions,
    /// What was asked for and refused, or ignored.
    pub(crate) missing: Vec<Missing>,
}

/// A permission that was asked for and that the file does not have.
#[derive(Debug)]
pub(crate) struct Missing {
    /// What cannot be done.
    what: String,
    /// None if it was ignored.
    refusal: Option<io::Error>,
}

impl Missing {
    pub(crate) fn refusal(&self) -> Option<io::Error> {
        let refusal = self.refusal.as_ref()?;
        Some(io::Error::new(refusal.kind(), self.text()))
    }

    pub(crate) fn text(&self) -> String {
        match &self.refusal {
            Some(error) => format!("cannot {}: {error}", self.what),
            None => format!("cannot {}: the file system does not do so", self.what),
        }
    }
}

impl Wanted {
    /// A file like any that we make.
    pub(crate) fn ours(mode: u32) -> Self {
        Self::unasked(Permissions {
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
            mode,
        })
    }

    /// As far as it goes. Nobody's file becomes root's program.
    pub(crate) fn unasked(permissions: Permissions) -> Self {
        Self {
            permissions,
            asks_owner: false,
            asks_group: false,
            asks_mode: false,
        }
    }

    /// What the resource asks for.
    pub(crate) fn ask(&mut self, uid: Option<u32>, gid: Option<u32>, mode: bool) {
        (self.asks_owner, self.asks_group, self.asks_mode) = (uid.is_some(), gid.is_some(), mode);
        self.permissions.uid = uid.unwrap_or(self.permissions.uid);
        self.permissions.gid = gid.unwrap_or(self.permissions.gid);
    }

    /// The mode of the file that is replaced. Who owned that one, and may have put it there, does not
    /// get to say who else writes ours.
    pub(crate) fn keep_mode(&mut self, now: Permissions) {
        let same_owner = now.owners() == self.permissions.owners();
        let is_strangers = ![0, geteuid().as_raw(), self.permissions.uid].contains(&now.uid);
        let dropped = match (same_owner, is_strangers) {
            (true, _) => 0,
            (false, false) => SET_ID,
            (false, true) => SET_ID | OTHERS_WRITE,
        };
        self.permissions.mode = now.mode & !dropped;
    }

    /// Owner first: a change of owner takes bits from the mode. Fails only when there is no telling
    /// what the file has.
    pub(crate) fn give(self, file: &File) -> io::Result<Obtained> {
        let wanted = self.permissions;
        let now = Permissions::of(&file.metadata()?);
        let chown = |uid, gid| fchown(file, uid, gid).err();
        let (mut owner, mut group) = (None, None);
        if now.owners() != wanted.owners() && chown(Some(wanted.uid), Some(wanted.gid)).is_some() {
            owner = chown(Some(wanted.uid), None);
            group = chown(None, Some(wanted.gid));
        }
        let between = Permissions::of(&file.metadata()?);
        let same_owner = between.owners() == wanted.owners();
        let mode = wanted.mode & !if same_owner { 0 } else { SET_ID };
        let chmod = file.set_permissions(fs::Permissions::from_mode(mode)).err();
        let given = Permissions::of(&file.metadata()?);
        let mut missing = Vec::new();
        let mut miss = |what, refusal| missing.push(Missing { what, refusal });
        if self.asks_owner && given.uid != wanted.uid {
            miss(format!("make {} its owner", walk::user(wanted.uid)), owner);
        }
        if self.asks_group && given.gid != wanted.gid {
            miss(format!("make {} its group", group_name(wanted.gid)), group);
        }
        if self.asks_mode && given.mode != wanted.mode {
            miss(format!("give it mode {:04o}", wanted.mode), chmod);
        }
        Ok(Obtained {
            permissions: given,
            missing,
        })
    }
}

/// By name, where there is one.
fn group_name(gid: u32) -> String {
    match Group::from_gid(Gid::from_raw(gid)) {
        Ok(Some(group)) => format!("{} (gid {gid})", group.name),
        Ok(None) | Err(_) => format!("gid {gid}"),
    }
}

/// A name that no user or group has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} {name:?} on this host")]
pub struct UnknownOwner {
    kind: &'static str,
    name: String,
}

/// A user by name, or by number as `chown` takes it.
pub(crate) fn uid(name: &str) -> Result<u32, UnknownOwner> {
    let user = User::from_name(name).ok().flatten();
    user.map(|user| user.uid.as_raw())
        .or_else(|| name.parse().ok())
        .ok_or_else(|| UnknownOwner {
            kind: "user",
            name: name.to_owned(),
        })
}

/// A group by name or number.
pub(crate) fn gid(name: &str) -> Result<u32, UnknownOwner> {
    let group = Group::from_name(name).ok().flatten();
    group
        .map(|group| group.gid.as_raw())
        .or_else(|| name.parse().ok())
        .ok_or_else(|| UnknownOwner {
            kind: "group",
            name: name.to_owned(),
        })
}

/// As Go prints a file's mode.
pub(crate) fn mode_text(mode: u32) -> String {
    let special = [(0o4000, 'u'), (0o2000, 'g'), (0o1000, 't')];
    let mut text: String = special
        .iter()
        .filter(|(bit, _)| mode & bit != 0)
        .map(|(_, letter)| letter)
        .collect();
    if text.is_empty() {
        text.push('-');
    }
    for (place, letter) in "rwxrwxrwx".char_indices() {
        let set = mode & (0o400 >> place) != 0;
        text.push(if set { letter } else { '-' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_print_as_in_go() {
        assert_eq!(mode_text(0o644), "-rw-r--r--");
        assert_eq!(mode_text(0o751), "-rwxr-x--x");
        assert_eq!(mode_text(0), "----------");
        assert_eq!(mode_text(0o4755), "urwxr-xr-x");
        assert_eq!(mode_text(0o7000), "ugt---------");
    }

    #[test]
    fn owners_are_found_by_name_and_by_number() {
        assert_eq!(uid("root"), Ok(0));
        assert_eq!(gid("root"), Ok(0));
        assert_eq!(uid("4711"), Ok(4711));
        assert_eq!(gid("4711"), Ok(4711));
    }

    #[test]
    fn an_unknown_owner_is_named() {
        assert_eq!(
            uid("no-such-user").unwrap_err().to_string(),
            "there is no user \"no-such-user\" on this host"
        );
        assert_eq!(
            gid("no-such-group").unwrap_err().to_string(),
            "there is no group \"no-such-group\" on this host"
        );
    }
}
