//! What whoever runs the tests may do, and how a test gets a root of its own.

use std::io::Write;
use std::process::Command;

/// As root, with mounts of its own.
const OWN_MOUNTS: [&[&str]; 2] = [
    &["unshare", "--mount", "--"],
    &["unshare", "--user", "--map-root-user", "--mount", "--"],
];
/// As root.
const OWN_ROOT: [&[&str]; 2] = [&["env"], &["unshare", "--user", "--map-root-user", "--"]];
/// As root, and process 1.
const OWN_PROCESSES: [&[&str]; 2] = [
    &["unshare", "--pid", "--fork", "--kill-child", "--"],
    &[
        "unshare",
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
        "--",
    ],
];
/// As root, in a network of its own: loopback only, and down.
const OWN_NETWORK: [&[&str]; 2] = [
    &["unshare", "--net", "--"],
    &["unshare", "--user", "--map-root-user", "--net", "--"],
];

pub type Wrapper = &'static [&'static str];

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a test that cannot do without goes on; otherwise it is said that it is skipped.
pub fn is_root_for(what: &str) -> bool {
    let root = is_root();
    if !root {
        skip(&format!("needs root: {what}"));
    }
    root
}

/// Tells that the test that calls this is not run, also where output is held back. For CI nothing
/// may be.
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let line = format!("skipped: {}: {why}\n", thread.name().unwrap_or_default());
    assert!(std::env::var_os("CI").is_none() || !is_root(), "{line}");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// What runs a command as root, or as its caller in a user name space of which he is root: the files
/// of others stay theirs. Where neither may be, the test is skipped.
pub fn own_root() -> Option<Wrapper> {
    first_of(OWN_ROOT, &["true"])
}

/// The same, where it may mount what nobody else sees.
pub fn own_mounts() -> Option<Wrapper> {
    first_of(OWN_MOUNTS, &["mount", "-t", "tmpfs", "tmpfs", "/tmp"])
}

/// The same, as process 1.
pub fn own_processes() -> Option<Wrapper> {
    first_of(OWN_PROCESSES, &["true"])
}

/// The same, in a network of its own.
pub fn own_network() -> Option<Wrapper> {
    first_of(OWN_NETWORK, &["ip", "link", "set", "lo", "up"])
}

/// The first way, which only root has, or the second: that in which `trial` works.
fn first_of(ways: [Wrapper; 2], trial: &[&str]) -> Option<Wrapper> {
    let works = |way: Wrapper| {
        let tried = Command::new(way[0]).args(&way[1..]).args(trial).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let own = usize::from(!is_root());
    let way = ways[own..].iter().copied().find(|way| works(way));
    if way.is_none() {
        skip("needs root, or a user name space, which this system does not give to users");
    }
    way
}

/// The same command, run by `wrapper`.
pub fn wrapped(wrapper: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(wrapper[0]);
    outer
        .args(&wrapper[1..])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        outer.current_dir(directory);
    }
    outer
}
