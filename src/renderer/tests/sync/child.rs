//! A sync in a process of its own, which can be killed or be given less than it needs.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use renderer::options::Options;
use renderer::snapshot::Snapshot;
use renderer::sync::Syncer;
use renderer::{Loading, load_all};

use crate::host::{Host, in_words};

/// Tells the test below where to work. Without it that has nothing to do.
const DIRECTORY: &str = "SYNC_IN_DIRECTORY";

impl Host {
    /// To be run by `wrapper`: a command, and its arguments before the name of what it runs.
    pub fn child(&self, wrapper: &[&str]) -> Command {
        let exe = env::current_exe().unwrap();
        let mut line: Vec<_> = wrapper.iter().map(Into::into).collect();
        line.push(exe.into_os_string());
        let (program, args) = line.split_first().unwrap();
        let mut command = Command::new(program);
        command
            .args(args)
            .args(["--exact", "child::sync_of_everything"])
            .env(DIRECTORY, self.dir());
        command
    }

    /// Runs the child to its end. What became of each resource, in words.
    pub fn sync_as(&self, wrapper: &[&str]) -> Vec<String> {
        let output = self.child(wrapper).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let outcomes = self.read("outcomes");
        outcomes.lines().map(|line| self.plain(line)).collect()
    }
}

#[test]
fn sync_of_everything() {
    let Some(dir) = env::var_os(DIRECTORY) else {
        return;
    };
    let dir = Path::new(&dir);
    let Loading {
        resources, errors, ..
    } = load_all(dir);
    assert_eq!(errors, []);
    let mut snapshot = Snapshot::default();
    for line in fs::read_to_string(dir.join("keys")).unwrap().lines() {
        let (key, value) = line.split_once('=').unwrap();
        snapshot.put(key.to_owned().into(), value.to_owned().into());
    }
    let batch: Vec<_> = resources.iter().collect();
    let outcomes = Syncer::new(Options::default()).sync(&batch, Arc::new(snapshot), None);
    let words: Vec<_> = outcomes.iter().map(in_words).collect();
    // A child that may write no files where it works still has this one.
    fs::write(dir.join("outcomes"), words.join("\n")).unwrap();
}
