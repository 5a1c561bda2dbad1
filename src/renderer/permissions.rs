//! Who owns a file, and who may do what with it.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

use nix::unistd::{Group, User};

/// Read, write and execute for three, and the three bits before them.
const MODE_BITS: u32 = 0o7777;

/// Owner and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// Owner first: a change of owner takes bits from the mode.
    pub(crate) fn give(self, file: &File) -> io::Result<()> {
        let now = Self::of(&file.metadata()?);
        if (now.uid, now.gid) != (self.uid, self.gid) {
            fchown(file, Some(self.uid), Some(self.gid))?;
        }
        file.set_permissions(fs::Permissions::from_mode(self.mode))
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
