use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::NamedTempFile;

use crate::harness::running::{outcome, wait_until_dead};
use crate::harness::{Etcd, Nginx, Owned, Running, SOON, eventually, register};

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

#[test]
fn switches_in_the_environment_may_be_1_or_yes_and_empty_variables_are_none() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    for on in ["1", "yes", "TRUE", "on"] {
        let (code, said, complaint) = outcome(
            register()
                .env("REGISTER_ONCE", on)
                .env("REGISTER_SERVICE", "web")
                .env("REGISTER_ADDRESS", backend.address())
                .env("REGISTER_ENDPOINTS", "")
                .env("ETCDCTL_ENDPOINTS", etcd.url())
                .env("REGISTER_TTL", "")
                .env("REGISTER_KEY", "")
                .env("REGISTER_TLS_SKIP_VERIFY", "")
                .env("REGISTER_INSECURE_SKIP_TLS_VERIFY", "off"),
        );
        assert_eq!((code, complaint.as_str()), (0, ""), "{on}");
        assert!(said.ends_with("registered for 30s\n"), "{said}");
    }
    let (code, _, complaint) = outcome(
        register()
            .args(["render", "--confdir", "/nonexistent"])
            .env("REGISTER_NOOP", "1")
            .env("REGISTER_ONCE", "")
            .env("REGISTER_DEBOUNCE", ""),
    );
    assert_eq!(code, 2);
    assert!(
        complaint.starts_with("register: --confdir \"/nonexistent\""),
        "{complaint}"
    );
}

#[test]
fn help_does_not_show_the_secrets_of_the_environment() {
    let (code, help, _) = outcome(
        register()
            .arg("--help")
            .env("REGISTER_CHECK", "http://u:sesame@h/")
            .env("REGISTER_HEADER", "X-Token: sesame")
            .env("REGISTER_USER", "u:sesame"),
    );
    assert_eq!(code, 0);
    assert!(!help.contains("sesame"), "{help}");
}

#[test]
fn a_signal_ends_a_single_probe_with_all_that_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let pid = directory.path().join("pid");
    let check = format!(
        "exec:sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait",
        pid.display()
    );
    let mut once = Running::spawn(
        register()
            .args(["--once", "--timeout", "60s", "--check", &check])
            .args(WEB),
    );
    let pid = eventually("the command runs", SOON, || {
        fs::read_to_string(&pid).map_err(|error| error.to_string())
    });
    once.signal(Signal::TERM);
    assert_eq!(once.wait_for_exit(SOON), 128 + 15);
    wait_until_dead(pid.trim());
}

#[test]
fn a_hangup_stops_the_agent_as_sigterm_does() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let mut agent = Running::agent(&etcd, &backend, &[]);
    etcd.wait_for(&backend.key(), SOON);
    agent.signal(Signal::HUP);
    assert_eq!(agent.wait_for_exit(SOON), 0);
    assert_eq!(etcd.get(&backend.key()), None);
}

#[test]
fn a_hangup_is_nothing_to_an_agent_under_nohup() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    let address = backend.address();
    let agent = Running::spawn(
        Command::new("nohup")
            .arg(env!("CARGO_BIN_EXE_register"))
            .args(["--service", "web", "--address", &address])
            .args(["--endpoints", &etcd.url(), "--fast-interval", "100ms"])
            .args(["--interval", "100ms"]),
    );
    etcd.wait_for(&backend.key(), SOON);
    agent.signal(Signal::HUP);
    backend.stop();
    etcd.wait_until_gone(&backend.key(), SOON);
    backend.restart();
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn an_agent_listens_nowhere() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &[]);
    etcd.wait_for(&backend.key(), SOON);
    let links = fs::read_dir(format!("/proc/{}/fd", agent.id())).unwrap();
    let own: Vec<_> = links
        .filter_map(|link| fs::read_link(link.ok()?.path()).ok())
        .filter_map(|target| {
            let inode = target.to_str()?.strip_prefix("socket:[")?;
            Some(inode.trim_end_matches(']').to_owned())
        })
        .collect();
    assert!(!own.is_empty(), "it has a connection to etcd");
    for table in ["net/tcp", "net/tcp6"] {
        for line in agent.proc(table).lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            // State 0A is LISTEN; the tenth field is the inode.
            assert!(
                fields[3] != "0A" || !own.contains(&fields[9].to_owned()),
                "{line}"
            );
        }
    }
}
