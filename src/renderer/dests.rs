//! Which resource writes which file: no two of them the same, for they would undo each other's work at
//! every pass.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::fstat;

use crate::resource::Resource;
use crate::walk::walk;
use gotemplate::library::path::join;

/// A file, the same for all spellings of its path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FileId {
    /// Device and inode of its directory, and its name there.
    In(u64, u64, OsString),
    /// Where no directory is found.
    At(PathBuf),
}

impl FileId {
    fn of(dest: &Path) -> Self {
        Self::found(dest).unwrap_or_else(|| {
            let path = std::path::absolute(dest).unwrap_or_else(|_| dest.to_owned());
            let clean = join(&[path.as_os_str().as_bytes()]);
            let clean = PathBuf::from(OsString::from_vec(clean));
            Self::found(&clean).unwrap_or(Self::At(clean))
        })
    }

    fn found(dest: &Path) -> Option<Self> {
        let end = walk(dest).ok()?;
        let directory = fstat(end.dir?).ok()?;
        Some(Self::In(directory.st_dev, directory.st_ino, end.name))
    }
}

/// What came of sharing the files out.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    /// In the order of their files.
    pub(crate) resources: Vec<Resource>,
    pub(crate) refused: Vec<Refused>,
}

/// A resource whose file is another's.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) resource: Resource,
    /// The file of the resource that writes it.
    pub(crate) owner: PathBuf,
    /// What it was before writes another file, and stays in force.
    pub(crate) is_kept: bool,
}

/// Who wrote a file `before` goes on; else the first one gets it, in the order of their files.
pub(crate) fn share_out(resources: Vec<Resource>, before: &[Resource]) -> Shares {
    let last = |file: &Path| before.iter().find(|last| last.file == file);
    let placed = resources.into_iter().map(|resource| {
        let place = FileId::of(&resource.dest);
        let is_old = last(&resource.file).is_some_and(|last| FileId::of(&last.dest) == place);
        (!is_old, place, resource)
    });
    let mut placed: Vec<_> = placed.collect();
    placed.sort_by(|one, other| (one.0, &one.2.file).cmp(&(other.0, &other.2.file)));

    let mut shares = Shares::default();
    let mut owners = BTreeMap::<FileId, PathBuf>::new();
    for (_, place, resource) in placed {
        if let Some(owner) = owners.get(&place).cloned() {
            let is_kept = false;
            shares.refused.push(Refused {
                resource,
                owner,
                is_kept,
            });
        } else {
            owners.insert(place, resource.file.clone());
            shares.resources.push(resource);
        }
    }
    for refused in &mut shares.refused {
        let kept = last(&refused.resource.file).map(|last| (FileId::of(&last.dest), last));
        if let Some((place, last)) = kept.filter(|(place, _)| !owners.contains_key(place)) {
            owners.insert(place, last.file.clone());
            shares.resources.push(last.clone());
            refused.is_kept = true;
        }
    }
    shares
        .resources
        .sort_by(|one, other| one.file.cmp(&other.file));
    shares
}

impl Refused {
    /// In words.
    pub(crate) fn reason(&self) -> String {
        let (dest, owner) = (self.resource.dest.display(), self.owner.display());
        format!("dest {dest} is written by {owner} already: give each its own")
    }
}
