use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Confdir, Etcd, Nginx, Running, SOON, eventually, register, running::outcome};

/// A directory for a control socket, and who is asked there.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn socket(&self) -> PathBuf {
        self.0.path().join("control.sock")
    }

    fn flag(&self) -> String {
        self.socket().display().to_string()
    }

    fn ask(&self, method: &str, target: &str) -> (u16, String) {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        exchange(stream, method, target).unwrap()
    }

    fn status(&self) -> Value {
        let (status, body) = self.ask("GET", "/api/v1/status");
        assert_eq!(status, 200);
        serde_json::from_str(&body).unwrap()
    }
}

fn exchange(
    mut stream: impl io::Read + io::Write,
    method: &str,
    target: &str,
) -> io::Result<(u16, String)> {
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok((status, body.to_owned()))
}

/// Where it says that it listens.
fn address(running: &Running) -> String {
    running.wait_for_event_with("listening", "http://", SOON);
    let mut lines = running.events("listening").into_iter();
    let line = lines.find(|line| line.tells("http://")).unwrap();
    line.field("address").to_owned()
}

fn get(address: &str, target: &str) -> (u16, String) {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    exchange(stream, "GET", target).unwrap()
}

fn wait_until_ready(address: &str) {
    eventually("it is ready", SOON, || match get(address, "/readyz") {
        (200, _) => Ok(()),
        (_, why) => Err(why),
    });
}

const ANYWHERE: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[test]
fn an_agent_shows_what_it_knows() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &ANYWHERE);
    let address = address(&agent);
    etcd.wait_for(&backend.key(), SOON);
    wait_until_ready(&address);
    assert_eq!(get(&address, "/healthz"), (200, "ok\n".to_owned()));
    let status: Value = serde_json::from_str(&get(&address, "/api/v1/status").1).unwrap();
    assert_eq!(status["services"][0]["status"], "registered");
    assert_eq!(status["services"][0]["key"], backend.key());
    let (found, metrics) = get(&address, "/metrics");
    assert!(found == 200 && metrics.ends_with("# EOF\n"), "{metrics}");
    assert_eq!(agent.said("listening_openly"), 0);
}

#[test]
fn a_proxy_side_shows_what_it_knows_and_has_nothing_to_drain() {
    let (etcd, place) = (Etcd::start(), Place::new());
    let confdir = Confdir::new().with(
        "a",
        "keys = [\"/a\"]",
        "{{range gets \"/a/*\"}}{{.Value}}{{end}}",
    );
    let flags = [ANYWHERE[0], ANYWHERE[1], "--control", &place.flag()];
    let proxy = Running::proxy(&etcd.url(), &confdir, &flags);
    wait_until_ready(&address(&proxy));
    let status = place.status();
    assert_eq!(status["process"]["role"], "proxy");
    assert_eq!(status["resources"].as_array().unwrap().len(), 1);
    assert_eq!(place.ask("POST", "/api/v1/drain?service=a").0, 409);
}

#[test]
fn a_service_that_is_drained_at_the_control_socket_is_gone_when_that_is_answered() {
    let (etcd, backend, place) = (Etcd::start(), Nginx::start(), Place::new());
    let mut agent = Running::agent(&etcd, &backend, &["--control", &place.flag()]);
    etcd.wait_for(&backend.key(), SOON);
    let (status, body) = place.ask("POST", "/api/v1/drain?service=web");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(&backend.key()), "{body}");
    assert!(etcd.get(&backend.key()).is_none());
    assert_eq!(place.status()["services"][0]["drained"], true);
    assert_eq!(place.ask("POST", "/api/v1/drain?service=other").0, 404);
    assert_eq!(place.ask("POST", "/api/v1/resume?service=web").0, 200);
    etcd.wait_for(&backend.key(), SOON);

    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_for_exit(SOON), 0, "{}", agent.log());
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 0);
}

#[test]
fn a_drain_that_etcd_does_not_confirm_in_time_stays_in_force() {
    let (etcd, backend, place) = (Etcd::start(), Nginx::start(), Place::new());
    let _agent = Running::agent(&etcd, &backend, &["--control", &place.flag()]);
    etcd.wait_for(&backend.key(), SOON);
    etcd.hang();
    let (status, body) = place.ask("POST", "/api/v1/drain?service=web&timeout=200ms");
    assert_eq!(status, 504, "{body}");
    etcd.resume();
    etcd.wait_until_gone(&backend.key(), SOON);
}

#[test]
fn only_owner_and_group_may_connect_whatever_the_umask() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    for umask in ["000", "077"] {
        let place = Place::new();
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", &script])
            .arg(register().get_program())
            .args(["--service", "web", "--address", &backend.address()])
            .args(["--endpoints", &etcd.url(), "--control", &place.flag()]);
        let agent = Running::spawn(&mut command);
        agent.wait_for_event("listening", SOON);
        let mode = fs::metadata(place.socket()).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o660, "{umask}");
    }
}

#[test]
fn a_door_that_cannot_be_opened_is_a_fault_of_its_flag() {
    let (etcd, backend, place) = (Etcd::start(), Nginx::start(), Place::new());
    let agent = Running::agent(&etcd, &backend, &["--control", &place.flag()]);
    agent.wait_for_event("listening", SOON);
    let id = agent.id();
    let told = |flags: &[&str]| {
        let (exit, _, error) = outcome(
            register()
                .args(["--service", "web", "--address", &backend.address()])
                .args(["--endpoints", &etcd.url()])
                .args(flags),
        );
        assert_eq!(exit, 2, "{error}");
        error
    };
    let socket = place.flag();
    assert_eq!(
        told(&["--control", &socket]),
        format!("register: --control {socket:?}: process {id} listens there already\n")
    );
    let taken = backend.address();
    assert_eq!(
        told(&["--listen", &taken]),
        format!("register: --listen {taken:?}: another program listens there already\n")
    );
    let missing = "/nonexistent/control.sock";
    assert_eq!(
        told(&["--control", missing]),
        format!(
            "register: --control {missing:?}: its directory: No such file or directory (os error 2)\n"
        )
    );
    let open = Place::new();
    let sticky = fs::Permissions::from_mode(0o1777);
    fs::set_permissions(open.0.path(), sticky).unwrap();
    let fault = told(&["--control", &open.flag()]);
    assert!(
        fault.contains("everybody on this host may write its directory"),
        "{fault}"
    );
    // And the first goes on.
    assert_eq!(place.status()["process"]["pid"], id);
}

fn listens(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

#[test]
fn the_next_process_has_the_socket_at_once_after_a_kill_and_after_an_upgrade() {
    let (etcd, backend, place) = (Etcd::start(), Nginx::start(), Place::new());
    let start = || Running::agent(&etcd, &backend, &["--control", &place.flag()]);
    let mut agent = start();
    etcd.wait_for(&backend.key(), SOON);
    agent.signal(Signal::KILL);
    agent.wait_for_exit(SOON);
    assert!(place.socket().exists() && !listens(&place.socket()));
    let mut agent = start();
    agent.wait_for_event("inherited", SOON);
    assert!(listens(&place.socket()));
    agent.signal(Signal::USR2);
    assert_eq!(agent.wait_for_exit(SOON), 140, "{}", agent.log());
    assert!(!place.socket().exists());
    let agent = start();
    agent.wait_for_event("listening", SOON);
    assert!(listens(&place.socket()));
}

#[test]
fn a_reload_says_that_other_doors_take_a_restart() {
    let (etcd, backend, place) = (Etcd::start(), Nginx::start(), Place::new());
    let file = place.0.path().join("register.toml");
    let write = |agent: &str| {
        let text = format!(
            "[etcd]\nendpoints = [\"{}\"]\n[agent]\n{agent}\n[[service]]\nname = \"web\"\naddress = \"{}\"\n",
            etcd.url(),
            backend.address()
        );
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write(&format!("control = {:?}", place.flag()));
    let agent = Running::spawn(register().arg("--config").arg(&file));
    agent.wait_for_event("listening", SOON);
    etcd.wait_for(&backend.key(), SOON);
    write("listen = \"127.0.0.1:0\"");
    agent.signal(Signal::HUP);
    agent.wait_for_event_with("restart_needed", "listen_host", SOON);
    assert!(listens(&place.socket()));
    assert_eq!(agent.said("listening"), 1);
}

#[test]
fn a_crowd_at_the_doors_takes_nothing_from_the_probes_where_descriptors_are_scarce() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(register().get_program())
        .args(["--service", "web", "--address", &backend.address()])
        .args(["--endpoints", &etcd.url()])
        .args(["--interval", "200ms", "--fast-interval", "100ms"])
        .args(ANYWHERE);
    let agent = Running::spawn(&mut command);
    let address = address(&agent);
    etcd.wait_for(&backend.key(), SOON);
    let crowd: Vec<_> = (0..300)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    assert_eq!(get(&address, "/healthz").0, 200);
    backend.stop();
    etcd.wait_until_gone(&backend.key(), SOON);
    backend.restart();
    etcd.wait_for(&backend.key(), SOON);
    assert_eq!(agent.said("host_cannot_probe"), 0, "{}", agent.log());
    drop(crowd);
}

#[test]
fn a_stream_of_scrapes_costs_no_more_than_a_part_of_a_core() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &ANYWHERE);
    let address = address(&agent);
    wait_until_ready(&address);
    let before = agent.cpu();
    for _ in 0..20 {
        assert_eq!(get(&address, "/metrics").0, 200);
        std::thread::sleep(Duration::from_millis(50));
    }
    let took = agent.cpu() - before;
    assert!(took < Duration::from_millis(300), "{took:?}");
}
