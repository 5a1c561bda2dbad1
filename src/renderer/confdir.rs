//! The directory with `conf.d` and `templates`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tracing::{debug, warn};

use crate::resource::{Fault, LoadError, Resource, below};

/// Device and inode.
type Id = (u64, u64);

/// Loads every resource below `confdir`, and says of each file that holds none why.
#[must_use]
pub fn load_all(confdir: &Path) -> (Vec<Resource>, Vec<LoadError>) {
    debug!(
        "Loading template resources from confdir {}",
        confdir.display()
    );
    let (mut resources, mut errors) = (Vec::new(), Vec::new());
    if !confdir.exists() {
        warn!(
            "Cannot load template resources: confdir '{}' does not exist",
            confdir.display()
        );
        return (resources, errors);
    }
    let (files, unread) = files(confdir);
    errors.extend(unread);
    if files.is_empty() && errors.is_empty() {
        warn!("Found no templates");
    }
    for file in &files {
        debug!("Found template: {}", file.display());
        match Resource::load(file, confdir) {
            Ok(resource) => resources.push(resource),
            Err(error) => errors.push(error),
        }
    }
    (resources, errors)
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
        if !is_dir {
            self.files.push(path.to_owned());
            return Ok(());
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
        self.errors.push(LoadError {
            file: path.to_owned(),
            faults: vec![Fault {
                line: None,
                message: error.to_string(),
                harmless: false,
            }],
        });
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
            fs::write(path, "[template]\nsrc = \"a.tmpl\"\ndest = \"/a\"\n").unwrap();
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
        let (resources, errors) = load_all(dir.path());
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
        assert_eq!(load_all(Path::new("/no/such/dir")), (vec![], vec![]));
    }

    #[test]
    fn a_confdir_without_conf_d_is_an_error() {
        let dir = TempDir::new().unwrap();
        let (_, errors) = load_all(dir.path());
        assert_eq!(
            errors.first().unwrap().to_string(),
            format!(
                "Cannot process template resource {} - No such file or directory (os error 2)",
                dir.path().join("conf.d").display()
            )
        );
    }
}
