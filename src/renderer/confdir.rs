//! The directory with `conf.d` and `templates`.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tracing::{debug, warn};

use crate::functions::path::join;
use crate::resource::{Fault, LoadError, Loaded, Resource, below};

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
    load(confdir, &[])
}

/// Loads them again. A file that has become faulty or unreadable, be it only for a moment, leaves
/// its last good definition among `before` in force.
#[must_use]
pub fn load_again(confdir: &Path, before: &[Resource]) -> Loading {
    load(confdir, before)
}

fn load(confdir: &Path, before: &[Resource]) -> Loading {
    debug!(
        "Loading template resources from confdir {}",
        confdir.display()
    );
    let mut loading = Loading::default();
    if !confdir.exists() {
        let fault = format!("confdir '{}' does not exist", confdir.display());
        warn!("Cannot load template resources: {fault}");
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
        warn!("Found no templates");
    }
    let mut lines = BTreeMap::new();
    for file in &files {
        debug!("Found template: {}", file.display());
        lines.insert(file.clone(), loading.add(file, confdir));
    }
    loading.keep(before);
    loading.refuse_same_dest(&lines);
    loading
}

impl Loading {
    /// On which line `dest` is.
    fn add(&mut self, file: &Path, confdir: &Path) -> Option<usize> {
        debug!("Loading template resource from {}", file.display());
        let loaded = Loaded::read(file, confdir);
        let (odd, grave): (Vec<_>, _) = loaded.faults.into_iter().partition(|fault| fault.harmless);
        match loaded.resource {
            Some(resource) => {
                self.resources.push(resource);
                if !odd.is_empty() {
                    self.warnings.push(LoadError::new(file, odd));
                }
            }
            None => self.errors.push(LoadError::new(file, grave)),
        }
        loaded.lines.get("dest").copied()
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

    /// Two that write the same file would undo each other's work at every pass.
    pub(crate) fn refuse_same_dest(&mut self, lines: &BTreeMap<PathBuf, Option<usize>>) {
        let mut owners = BTreeMap::<PathBuf, PathBuf>::new();
        let (mut resources, mut refused) = (Vec::new(), Vec::new());
        for resource in self.resources.drain(..) {
            match owners.entry(real(&resource.dest)) {
                Entry::Occupied(owner) => {
                    let line = lines.get(&resource.file).copied().flatten();
                    let fault = same_dest(&resource, owner.get());
                    let fault = vec![Fault::grave(line, fault)];
                    refused.push(LoadError::new(&resource.file, fault));
                }
                Entry::Vacant(place) => {
                    place.insert(resource.file.clone());
                    resources.push(resource);
                }
            }
        }
        self.resources = resources;
        self.errors.extend(refused);
    }
}

fn same_dest(resource: &Resource, owner: &Path) -> String {
    let (dest, owner) = (resource.dest.display(), owner.display());
    format!("dest {dest} is written by {owner} already: give each its own")
}

/// The same for all spellings of a path, as far as its directory is there.
fn real(dest: &Path) -> PathBuf {
    let directory = dest.parent().map(fs::canonicalize);
    match (dest.canonicalize(), directory, dest.file_name()) {
        (Ok(real), ..) => real,
        (Err(_), Some(Ok(directory)), Some(name)) => directory.join(name),
        _ => PathBuf::from(OsString::from_vec(join(&[dest.as_os_str().as_bytes()]))),
    }
}

/// Files below `conf.d` whose names end in `toml`, in lexical order, and directories that cannot
/// be read.
pub(crate) fn files(confdir: &Path) -> (Vec<PathBuf>, Vec<LoadError>) {
    let mut walk = Walk::default();
    let root = below(confdir, "conf.d", "");
    if let Err(error) = walk.enter(&root) {
        walk.fail(&root, &error);
    }
    (walk.files, walk.errors)
}

#[derive(Default)]
struct Walk {
    files: Vec<PathBuf>,
    errors: Vec<LoadError>,
    /// Links may lead back up, or to the same file twice.
    seen: BTreeSet<Id>,
}

impl Walk {
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
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn confdir(files: &[&str]) -> TempDir {
        let dir = TempDir::new().unwrap();
        for file in files {
            let path = dir.path().join("conf.d").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = format!("[template]\nsrc = \"a.tmpl\"\ndest = \"/{file}\"\n");
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn names(dir: &TempDir) -> Vec<String> {
        let (files, errors) = files(dir.path());
        assert_eq!(errors, []);
        let root = dir.path().join("conf.d");
        files
            .iter()
            .map(|file| file.strip_prefix(&root).unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn files_are_found_in_lexical_order_of_names() {
        let dir = confdir(&[
            "b.toml",
            "a/z.toml",
            "a.toml",
            "a/b/c.toml",
            "xtoml",
            "no.tml",
            "toml",
        ]);
        assert_eq!(
            names(&dir),
            [
                "a/b/c.toml",
                "a/z.toml",
                "a.toml",
                "b.toml",
                "toml",
                "xtoml"
            ]
        );
    }

    #[test]
    fn links_are_followed_once() {
        let dir = confdir(&["a/x.toml"]);
        let root = dir.path().join("conf.d");
        symlink("a", root.join("b")).unwrap();
        symlink("..", root.join("a/up")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("a/x.toml", root.join("y.toml")).unwrap();
        let (files, errors) = files(dir.path());
        assert_eq!(files, [root.join("a/x.toml")]);
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [format!(
                "Cannot process template resource {} - Too many levels of symbolic links (os error 40)",
                root.join("loop").display()
            )]
        );
    }

    #[test]
    fn a_volume_of_kubernetes_is_read_through_its_links() {
        let dir = confdir(&["..2026_01_01/x.toml"]);
        let root = dir.path().join("conf.d");
        symlink("..2026_01_01", root.join("..data")).unwrap();
        symlink("..data/x.toml", root.join("x.toml")).unwrap();
        assert_eq!(names(&dir), ["x.toml"]);
    }

    #[test]
    fn a_file_that_does_not_parse_does_not_stop_the_others() {
        let dir = confdir(&["a.toml", "c.toml"]);
        let bad = dir.path().join("conf.d/b.toml");
        fs::write(&bad, "[template]\n").unwrap();
        symlink("nowhere", dir.path().join("conf.d/d.toml")).unwrap();
        let Loading {
            resources, errors, ..
        } = load_all(dir.path());
        let files: Vec<_> = resources
            .iter()
            .map(|resource| resource.file.clone())
            .collect();
        let root = dir.path().join("conf.d");
        assert_eq!(files, [root.join("a.toml"), root.join("c.toml")]);
        let failed: Vec<_> = errors.iter().map(|error| error.file.clone()).collect();
        assert_eq!(failed, [root.join("d.toml"), bad]);
    }

    #[test]
    fn a_missing_confdir_holds_nothing() {
        let loading = load_all(Path::new("/no/such/dir"));
        assert_eq!((loading.resources, loading.errors), (vec![], vec![]));
    }

    #[test]
    fn a_confdir_without_conf_d_is_an_error() {
        let dir = TempDir::new().unwrap();
        let errors = load_all(dir.path()).errors;
        assert_eq!(
            errors.first().unwrap().to_string(),
            format!(
                "Cannot process template resource {} - No such file or directory (os error 2)",
                dir.path().join("conf.d").display()
            )
        );
    }

    fn write(dir: &TempDir, name: &str, text: &str) {
        fs::write(dir.path().join("conf.d").join(name), text).unwrap();
    }

    fn loaded(loading: &Loading) -> Vec<String> {
        let dests = loading.resources.iter().map(|resource| &resource.dest);
        dests.map(|dest| dest.display().to_string()).collect()
    }

    #[test]
    fn the_second_of_two_that_write_one_file_is_refused() {
        let dir = confdir(&["a.toml", "c.toml"]);
        write(
            &dir,
            "b.toml",
            "[template]\nsrc = \"t\"\ndest = \"/x/../a.toml\"\n",
        );
        let loading = load_all(dir.path());
        assert_eq!(loaded(&loading), ["/a.toml", "/c.toml"]);
        let error = loading.errors.first().unwrap().to_string();
        assert!(
            error.contains("b.toml - line 3: dest /x/../a.toml"),
            "{error}"
        );
        assert!(error.contains("conf.d/a.toml already"), "{error}");
    }

    #[test]
    fn what_is_odd_is_a_warning_and_the_resource_is_there() {
        let dir = confdir(&[]);
        fs::create_dir(dir.path().join("conf.d")).unwrap();
        let odd = "[template]\nsrc = \"t\"\ndest = \"/a\"\nrelaod_cmd = \"x\"\nkeys = [\"/s/*\"]\n";
        write(&dir, "a.toml", odd);
        let loading = load_all(dir.path());
        assert_eq!(loaded(&loading), ["/a"]);
        let warnings: Vec<_> = loading.warnings.iter().flat_map(LoadError::lines).collect();
        assert!(
            warnings[0].contains("line 4: unknown field relaod_cmd"),
            "{warnings:?}"
        );
        assert!(
            warnings[1].contains("line 5: keys: \"/s/*\""),
            "{warnings:?}"
        );
    }

    #[test]
    fn a_slip_leaves_the_last_good_definition_in_force() {
        let dir = confdir(&["a.toml", "b.toml", "c.toml"]);
        let before = load_all(dir.path()).resources;
        write(&dir, "a.toml", "[template\n");
        fs::remove_file(dir.path().join("conf.d/c.toml")).unwrap();
        let loading = load_again(dir.path(), &before);
        assert_eq!(loaded(&loading), ["/a.toml", "/b.toml"]);
        let error = loading.errors.first().unwrap().to_string();
        assert!(
            error.ends_with("; keeping its last good definition"),
            "{error}"
        );
    }

    #[test]
    fn a_confdir_that_is_away_for_a_moment_leaves_all_in_force() {
        let dir = confdir(&["a.toml", "b.toml"]);
        let before = load_all(dir.path()).resources;
        let (conf_d, aside) = (dir.path().join("conf.d"), dir.path().join("aside"));
        fs::rename(&conf_d, &aside).unwrap();
        assert_eq!(load_again(dir.path(), &before).resources, before);
        assert_eq!(load_again(&dir.path().join("none"), &[]).resources, []);
        fs::rename(&aside, &conf_d).unwrap();
        let elsewhere = dir.path().with_extension("away");
        fs::rename(dir.path(), &elsewhere).unwrap();
        assert_eq!(load_again(dir.path(), &before).resources, before);
        fs::rename(&elsewhere, dir.path()).unwrap();
    }

    #[test]
    fn a_pipe_in_place_of_a_resource_keeps_nobody_waiting() {
        let dir = confdir(&["a.toml"]);
        let pipe = dir.path().join("conf.d/b.toml");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let loading = load_all(dir.path());
        assert_eq!(loaded(&loading), ["/a.toml"]);
        let error = loading.errors.first().unwrap().to_string();
        assert!(error.ends_with("b.toml - not a regular file"), "{error}");
    }
}
