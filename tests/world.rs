//! What `tests/run` gives to tests, whatever it was given.
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

/// What a program says that cargo starts, in a shell where `before` has happened.
fn started(before: &str, directory: &str, script: &str) -> String {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join(directory)).unwrap();
    let program = place.path().join(directory).join("sh");
    symlink("/bin/sh", &program).unwrap();
    let output = Command::new("bash")
        .args(["-c", &format!("{before}; exec \"$@\""), "bash"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run"))
        .arg(program)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn ignored_signals_are_back_to_their_defaults() {
    for signal in ["HUP", "INT", "PIPE", "TERM"] {
        let script = format!("kill -{signal} $$; echo still here");
        assert_eq!(started(&format!("trap '' {signal}"), "deps", &script), "");
    }
}

#[test]
fn files_can_be_read_by_all() {
    assert_eq!(started("umask 077", "deps", "umask"), "0022\n");
}

#[test]
fn settings_of_the_callers_environment_are_not_seen() {
    let others = [
        "ETCDCTL_USER",
        "REGISTER_TTL",
        "CONFD_PREFIX",
        "NOTIFY_SOCKET",
        "RUST_LOG",
        "LC_ALL",
        "TZ",
        "https_proxy",
    ];
    let before = format!("export {}=x SEEDS=5", others.join("=x "));
    let seen = started(&before, "deps", "env");
    let seen: Vec<_> = seen
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    for name in others {
        assert!(seen.iter().all(|(seen, _)| *seen != name), "{name}");
    }
    assert!(seen.contains(&("SEEDS", "5")), "this is for the tests");
}

#[test]
fn register_itself_gets_all_that_its_caller_has() {
    let script = "echo $REGISTER_TTL; umask";
    let said = started("export REGISTER_TTL=1s; umask 077", "debug", script);
    assert_eq!(said, "1s\n0077\n");
}
