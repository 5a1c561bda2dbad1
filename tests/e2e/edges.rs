use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;

use crate::harness::running::outcome;
use crate::harness::{Etcd, Nginx, Owned, SOON, eventually, register};

const WEB: [&str; 4] = ["--service", "web", "--address", "127.0.0.1:1"];

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// Runs `command`, with words that need no quotes, in a terminal: exit code, what was shown.
fn in_terminal(command: &str) -> (i32, String) {
    let (code, shown, _) = outcome(
        Command::new("script")
            .args(["--quiet", "--return", "--command"])
            .arg(format!("{} {command}", env!("CARGO_BIN_EXE_register")))
            .arg("/dev/null")
            .stdin(Stdio::null()),
    );
    (code, shown)
}

#[test]
fn a_terminal_is_written_without_colours() {
    let (code, shown) = in_terminal(
        "--service web --address 127.0.0.1:1 --user web:x --endpoints http://127.0.0.1:1 --once",
    );
    assert_eq!(code, 3, "{shown}");
    assert!(
        shown.contains("register: the backend is unhealthy"),
        "{shown}"
    );
    assert!(!shown.contains('\x1b'), "{shown:?}");
}

#[test]
fn an_agent_that_cannot_write_its_log_goes_on() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    let mut command = register();
    command
        .args(["--service", "web", "--address", &backend.address()])
        .args(["--endpoints", &etcd.url(), "--fast-interval", "100ms"])
        .args(["--interval", "100ms"])
        .stderr(full());
    let _agent = Owned(command.spawn().unwrap());
    etcd.wait_for(&backend.key(), SOON);
    backend.stop();
    etcd.wait_until_gone(&backend.key(), SOON);
    backend.restart();
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn a_mistake_that_cannot_be_told_exits_2_all_the_same() {
    let exit = |command: &mut Command| command.stderr(full()).status().unwrap().code();
    assert_eq!(exit(register().arg("--service")), Some(2));
    assert_eq!(exit(register().args(["--service", "web"])), Some(2));
    assert_eq!(exit(register().args(["confd", "-no-such-flag"])), Some(2));
}

#[test]
fn the_last_words_are_json_where_the_log_is() {
    let flags = ["--log-format", "json", "--rise", "0"];
    let (code, _, complaint) = outcome(register().args(WEB).args(flags));
    assert_eq!(code, 2);
    let entry: serde_json::Value = serde_json::from_str(&complaint).unwrap();
    assert_eq!(entry["level"], "ERROR");
    assert_eq!(
        entry["message"],
        "--rise \"0\": use a whole number, at least 1"
    );
}

#[test]
fn lines_have_their_time_unless_standard_error_is_the_journal() {
    let first_line = |stream: &dyn Fn(&Metadata) -> String| {
        let log = NamedTempFile::new().unwrap();
        let mut command = register();
        command
            .args(WEB)
            .args(["--endpoints", "http://127.0.0.1:1"])
            .env("JOURNAL_STREAM", stream(&log.as_file().metadata().unwrap()))
            .stderr(File::create(log.path()).unwrap());
        let _agent = Owned(command.spawn().unwrap());
        eventually("a line is there", SOON, || {
            match fs::read_to_string(log.path()).unwrap() {
                text if text.contains('\n') => Ok(text),
                text => Err(text),
            }
        })
    };
    let journal = first_line(&|log| format!("{}:{}", log.dev(), log.ino()));
    assert!(journal.starts_with(" WARN "), "{journal}");
    let elsewhere = first_line(&|log| format!("{}:{}", log.dev(), log.ino() + 1));
    assert!(elsewhere.starts_with("20"), "{elsewhere}");
}
