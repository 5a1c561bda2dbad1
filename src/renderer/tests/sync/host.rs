//! A directory with resources, templates and what is made of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use renderer::cancel::Cancel;
use renderer::options::Options;
use renderer::resource::Resource;
use renderer::snapshot::Snapshot;
use renderer::sync::{Outcome, Synced, Syncer};
use tempfile::TempDir;

/// Longer than anything here should take.
const SOON: Duration = Duration::from_secs(30);

pub struct Host {
    dir: TempDir,
    snapshot: Snapshot,
    syncer: Syncer,
}

impl Host {
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["conf.d", "templates", "out"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self {
            dir,
            snapshot: Snapshot::default(),
            syncer: Syncer::new(options),
        }
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(self.snapshot.clone())
    }

    /// As after a restart.
    pub fn restart(&mut self, options: Options) {
        self.syncer = Syncer::new(options);
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        let text = text.replace("@DIR@", self.dir().to_str().unwrap());
        fs::write(self.path(name), text).unwrap();
    }

    /// The resource `name`: it writes the value of the key `/name` to `out/name`.
    pub fn resource(&self, name: &str, fields: &str) -> Resource {
        let template = format!("{{{{getv \"/{name}\"}}}}\n");
        self.write(&format!("templates/{name}.tmpl"), &template);
        let file = format!("conf.d/{name}.toml");
        self.write(
            &file,
            &format!(
                "[template]\nsrc = \"{name}.tmpl\"\ndest = \"@DIR@/out/{name}\"\n\
                 keys = [\"/{name}\"]\n{fields}\n"
            ),
        );
        Resource::load(&self.path(&file), self.dir()).unwrap()
    }

    pub fn put(&mut self, key: &str, value: &str) {
        self.snapshot
            .put(key.to_owned().into(), value.to_owned().into());
        let lines = self.snapshot.entries.iter().map(|(key, value)| {
            let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
            format!("{key}={value}\n")
        });
        let lines: String = lines.collect();
        fs::write(self.path("keys"), lines).unwrap();
    }

    /// What became of each, in words.
    pub fn sync(&mut self, batch: &[&Resource]) -> Vec<String> {
        self.outcomes(batch, None)
    }

    pub fn sync_until(&mut self, cancel: &Cancel, batch: &[&Resource]) -> Vec<String> {
        self.outcomes(batch, Some(cancel))
    }

    fn outcomes(&mut self, batch: &[&Resource], cancel: Option<&Cancel>) -> Vec<String> {
        self.words(&self.syncer.sync(batch, self.snapshot(), cancel))
    }

    /// Likewise. Threads may do it at once.
    pub fn sync_group(&self, group: &[&Resource], cancel: Option<&Cancel>) -> Vec<String> {
        self.words(&self.syncer.sync_group(group, self.snapshot(), cancel))
    }

    pub fn syncer(&self) -> &Syncer {
        &self.syncer
    }

    fn words(&self, outcomes: &[Outcome]) -> Vec<String> {
        let words = outcomes.iter().map(in_words);
        words.map(|word| self.plain(&word)).collect()
    }

    /// Without what differs from run to run.
    pub fn plain(&self, text: &str) -> String {
        let text = text.replace(self.dir().to_str().unwrap(), "@DIR@");
        let mut plain = String::new();
        for part in text.split_inclusive("/.a") {
            let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let known = plain.ends_with("/.a") && digits == 9;
            plain += if known { "@RND@" } else { "" };
            plain += if known { &part[digits..] } else { part };
        }
        plain
    }

    /// Names in the directory of the files.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("out")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Syncs until nothing else is there. Not at once, when a child that another test is about to
    /// start still holds what we have let go.
    pub fn sync_until_names_are(&mut self, batch: &[&Resource], names: &[&str]) {
        let deadline = Instant::now() + SOON;
        while self.names() != names {
            assert!(Instant::now() < deadline, "{:?}", self.names());
            self.sync(batch);
        }
    }

    /// What the commands have said to `@DIR@/log`.
    pub fn log(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// Waits for the commands to have said so much.
    pub fn await_log(&self, lines: usize) -> Vec<String> {
        await_that("the commands have started", || self.log().len() >= lines);
        self.log()
    }

    /// Waits for a file to have something in it.
    pub fn await_file(&self, name: &str) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            match fs::read_to_string(self.path(name)) {
                Ok(text) if text.ends_with('\n') => return text,
                _ => assert!(Instant::now() < deadline, "there is still no {name}"),
            }
            thread::yield_now();
        }
    }
}

pub fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

pub fn in_words(outcome: &Outcome) -> String {
    let mut words = match &outcome.result {
        Ok(Synced::InStep) => "in step".to_owned(),
        Ok(Synced::Updated) => "updated".to_owned(),
        Ok(Synced::Pending { diff, fault: None }) => format!("pending:\n{diff}"),
        Ok(Synced::Pending {
            fault: Some(fault), ..
        }) => format!("pending, but {fault}"),
        Err(error) => error.to_string(),
    };
    if outcome.reload_owed {
        words += " (reload owed)";
    }
    words
}
