//! The directory with `conf.d` and `templates`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tracing::{debug, warn};

use crate::dests;
use crate::functions::Helpers;
use crate::resource::{Fault, LoadError, Loaded, Resource, below};
use crate::soundness;

/// Device and inode.
type Id = (u64, u64);

/// What a confdir holds.
#[derive(Debug, Default)]
pub struct Loading {
    /// In the order of their files.
    pub resources: Vec<Resource>,
    /// Of each file that holds none why, and of each that is refused.
    pub errors: Vec<LoadError>,
    /// What is odd in files that hold one.
    pub warnings: Vec<LoadError>,
}

/// Loads every resource below `confdir`.
#[must_use]
pub fn load_all(confdir: &Path) -> Loading {
    load(confdir, &[], &[])
}

/// Loads them again. A file that has become faulty or unreadable, be it only for a moment, leaves
/// its last good definition among `before` in force; so does one whose template cannot be parsed, which
/// may call `helpers`.
#[must_use]
pub fn load_again(confdir: &Path, before: &[Resource], helpers: Helpers) -> Loading {
    load(confdir, before, helpers)
}

fn load(confdir: &Path, before: &[Resource], helpers: Helpers) -> Loading {
    debug!(
        "Loading template resources from confdir {}",
        confdir.display()
    );
    let mut loading = Loading::default();
    if !confdir.exists() {
        let fault = format!("confdir '{}' does not exist", confdir.display());
        warn!(
            event = "resources_not_loaded",
            "Cannot load template resources: {fault}"
        );
        if !before.is_empty() {
            let fault = Fault::grave(None, fault);
            loading.errors.push(LoadError::new(confdir, vec![fault]));
            loading.keep(before);
        }
        return loading;
    }
    let (files, unread) = files(confdir);
    loading.errors = unread;
    if files.is_empty() && loading.errors.is_empty() {
        warn!(event = "no_resources", "Found no templates");
    }
    let mut lines = BTreeMap::new();
    for file in &files {
        debug!("Found template: {}", file.display());
        let last = before.iter().find(|last| last.file == *file);
        lines.insert(file.clone(), loading.add(file, confdir, last, helpers));
    }
    loading.keep(before);
    loading.refuse_same_dest(&lines, before);
    loading
}

impl Loading {
    /// On which line `dest` is. What changes a definition that was good must be sound.
    fn add(
        &mut self,
        file: &Path,
        confdir: &Path,
        last: Option<&Resource>,
        helpers: Helpers,
    ) -> Option<usize> {
        debug!("Loading template resource from {}", file.display());
        let mut loaded = Loaded::read(file, confdir);
        let line = loaded.line("dest");
        let changed = loaded
            .resource
            .as_ref()
            .filter(|new| last.is_some_and(|last| last != *new));
        let unsound = changed.map(|new| faults_of_change(new, &loaded, helpers));
        let (odd, mut grave): (Vec<_>, Vec<_>) =
            loaded.faults.into_iter().partition(|fault| fault.harmless);
        grave.extend(unsound.into_iter().flatten());
        match loaded.resource.take().filter(|_| grave.is_empty()) {
            Some(resource) => {
                self.resources.push(resource);
                if !odd.is_empty() {
                    self.warnings.push(LoadError::new(file, odd));
                }
            }
            None => self.errors.push(LoadError::new(file, grave)),
        }
        line
    }

    /// What was good stays where it cannot be read now: the file itself, or a directory on the way.
    fn keep(&mut self, before: &[Resource]) {
        for error in &mut self.errors {
            let kept = before
                .iter()
                .filter(|last| last.file.starts_with(&error.file));
            let kept: Vec<_> = kept.cloned().collect();
            error.is_kept = !kept.is_empty();
            self.resources.extend(kept);
        }
        self.resources
            .sort_by(|one, other| one.file.cmp(&other.file));
    }

    /// Of two that write the same file one is refused.
    pub(crate) fn refuse_same_dest(
        &mut self,
        lines: &BTreeMap<PathBuf, Option<usize>>,
        before: &[Resource],
    ) {
        let shares = dests::share_out(std::mem::take(&mut self.resources), before);
        self.resources = shares.resources;
        for refused in shares.refused {
            let file = &refused.resource.file;
            let line = lines.get(file).copied().flatten();
            let mut error = LoadError::new(file, vec![Fault::grave(line, refused.reason())]);
            error.is_kept = refused.is_kept;
            self.errors.push(error);
        }
    }
}

/// What would make every pass fail. Whether an owner that nobody knows does is for the dialect.
fn faults_of_change(new: &Resource, loaded: &Loaded, helpers: Helpers) -> Vec<Fault> {
    let mut faults = soundness::faults_of(new, loaded);
    faults.retain(|fault| !fault.harmless);
    faults.extend(soundness::fault_of_template(new, loaded, helpers).map(|(_, fault)| fault));
    faults
}

/// Files below `conf.d` whose names end in `toml`, in lexical order, and directories that cannot
/// be read.
pub(crate) fn files(confdir: &Path) -> (Vec<PathBuf>, Vec<LoadError>) {
    let mut walk = DirectoryWalk::default();
    let root = below(confdir, "conf.d", "");
    let entered = match fs::metadata(&root) {
        Ok(metadata) if !metadata.is_dir() => Err(io::ErrorKind::NotADirectory.into()),
        Ok(_) | Err(_) => walk.enter(&root),
    };
    if let Err(error) = entered {
        walk.fail(&root, &error);
    }
    (walk.files, walk.errors)
}

#[derive(Default)]
struct DirectoryWalk {
    files: Vec<PathBuf>,
    errors: Vec<LoadError>,
    /// Links may lead back up, or to the same file twice.
    seen: BTreeSet<Id>,
}

impl DirectoryWalk {
    fn enter(&mut self, path: &Path) -> io::Result<()> {
        let metadata = fs::metadata(path)?;
        let is_dir = metadata.is_dir();
        let is_resource = path.as_os_str().as_encoded_bytes().ends_with(b"toml");
        if !(is_dir || is_resource) || !self.seen.insert((metadata.dev(), metadata.ino())) {
            return Ok(());
        }
        if metadata.is_file() {
            self.files.push(path.to_owned());
            return Ok(());
        }
        if !is_dir {
            return Err(io::Error::other("not a regular file"));
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            names.push(entry?.file_name());
        }
        names.sort();
        // Kubernetes keeps the real files of a volume in `..data`, and links to them beside it.
        names.retain(|name| !name.as_encoded_bytes().starts_with(b".."));
        for name in names {
            let path = path.join(name);
            if let Err(error) = self.enter(&path) {
                self.fail(&path, &error);
            }
        }
        Ok(())
    }

    /// A link to nowhere matters only if it is called like a resource.
    fn fail(&mut self, path: &Path, error: &io::Error) {
        let is_resource = path.as_os_str().as_encoded_bytes().ends_with(b"toml");
        if error.kind() == io::ErrorKind::NotFound && !is_resource && !path.ends_with("conf.d") {
            return;
        }
        let fault = Fault::grave(None, error.to_string());
        self.errors.push(LoadError::new(path, vec![fault]));
    }
}

#[cfg(test)]
mod tests;
