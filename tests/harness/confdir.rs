//! A directory of confd's kind: resources, templates, and where the files go.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::eventually;

pub struct Confdir {
    directory: TempDir,
}

impl Confdir {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["conf.d", "templates", "out"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        Self { directory }
    }

    /// With one resource `NAME`, whose template is `template` and whose file is `out/NAME`.
    pub fn with(self, name: &str, fields: &str, template: &str) -> Self {
        self.add(name, fields, template);
        self
    }

    pub fn add(&self, name: &str, fields: &str, template: &str) {
        let dest = self.dest(name).display().to_string();
        self.write(
            &format!("conf.d/{name}.toml"),
            &format!("[template]\nsrc = \"{name}.tmpl\"\ndest = \"{dest}\"\n{fields}\n"),
        );
        self.write(&format!("templates/{name}.tmpl"), template);
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn flag(&self) -> String {
        self.directory.path().display().to_string()
    }

    pub fn dest(&self, name: &str) -> PathBuf {
        self.path("out").join(name)
    }

    /// A command that adds a line to the file `out/NAME`.
    pub fn note(&self, name: &str) -> String {
        format!("echo done >> {}", self.dest(name).display())
    }

    pub fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.dest(name)).ok()
    }

    /// How many lines a file of [`Self::note`] has.
    pub fn count(&self, name: &str) -> usize {
        self.read(name).unwrap_or_default().lines().count()
    }

    pub fn wait_for(&self, name: &str, text: &str, limit: Duration) {
        eventually(&format!("{name} is {text:?}"), limit, || {
            match self.read(name) {
                Some(found) if found == text => Ok(()),
                found => Err(format!("{found:?}")),
            }
        });
    }

    /// What lies in `out`, hidden files too.
    pub fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.path("out")).unwrap().map(|entry| {
            let name = entry.unwrap().file_name();
            name.to_string_lossy().into_owned()
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}
