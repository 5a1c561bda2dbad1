//! What a syncer remembers of its files. Each is told by its path, whichever group it is in.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::member::Member;
use crate::mutex::lock;
use crate::permissions::{Permissions, Wanted};

#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// Files whose leftovers were removed.
    swept: HashSet<PathBuf>,
    /// What was tried last, where that failed: a digest of the contents.
    failed: HashMap<PathBuf, String>,
    /// Files that were replaced and left to be put back.
    unsettled: HashSet<PathBuf>,
    /// What files came to have, where it was found out, and what they were to have.
    came_out: HashMap<PathBuf, (Wanted, Permissions)>,
    /// Of which file was said what.
    warned: HashSet<(PathBuf, String)>,
}

impl Memory {
    pub(super) fn is_swept(&self, path: &Path) -> bool {
        lock(&self.0).swept.contains(path)
    }

    pub(super) fn swept(&self, path: &Path) {
        lock(&self.0).swept.insert(path.to_owned());
    }

    /// Whether contents with this digest were tried last, and failed.
    pub(super) fn has_failed(&self, dest: &Path, digest: Option<&String>) -> bool {
        digest.is_some() && lock(&self.0).failed.get(dest) == digest
    }

    pub(super) fn is_unsettled(&self, dest: &Path) -> bool {
        lock(&self.0).unsettled.contains(dest)
    }

    /// What became of `wanted` when it was given to the file.
    pub(super) fn came_out(&self, dest: &Path, wanted: Wanted) -> Option<Permissions> {
        let remembered = lock(&self.0);
        let (given, out) = remembered.came_out.get(dest)?;
        (*given == wanted).then_some(*out)
    }

    /// Whether this has not been said of the file yet.
    pub(super) fn is_news(&self, dest: &Path, text: &str) -> bool {
        let said = (dest.to_owned(), text.to_owned());
        lock(&self.0).warned.insert(said)
    }

    pub(super) fn note(&self, member: &Member, succeeded: bool) {
        let dest = member.dest();
        let digest = member.digest().filter(|_| !succeeded);
        let mut remembered = lock(&self.0);
        remembered
            .came_out
            .extend(member.came_out().map(|out| (dest.to_owned(), out)));
        if succeeded {
            remembered.failed.remove(dest);
            remembered.unsettled.remove(dest);
        } else {
            remembered
                .failed
                .extend(digest.map(|digest| (dest.to_owned(), digest)));
        }
        if member.is_unsettled {
            remembered.unsettled.insert(dest.to_owned());
        }
    }
}
