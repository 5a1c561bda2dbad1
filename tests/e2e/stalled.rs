use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;

use crate::harness::running::{outcome, render};
use crate::harness::{
    Confdir, Etcd, Logged, Nginx, Owned, Running, SOON, eventually, register, signal,
};

const KEYS: &str = "keys = [\"/services/web\"]";
const SERVERS: &str = "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}";

/// A pipe that takes nothing any more, until somebody reads from it.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    while writer.write(b"earlier\n").is_ok() {}
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

/// An agent that is quick to notice.
fn agent(etcd: &Etcd, backend: &Nginx) -> Command {
    let mut command = register();
    command
        .args(["--service", "web", "--address", &backend.address()])
        .args(["--endpoints", &etcd.url(), "--ttl", "2s"])
        .args(["--interval", "100ms", "--fast-interval", "50ms"]);
    command
}

/// The key follows the backend, outlasts its TTL, and goes with the agent.
fn keeps_its_promises(agent: &mut Owned, etcd: &Etcd, backend: &mut Nginx) {
    let key = backend.key();
    etcd.wait_for(&key, SOON);
    backend.stop();
    etcd.wait_until_gone(&key, SOON);
    backend.restart();
    let lease = etcd.wait_for(&key, SOON).lease;
    a_ttl_passes(etcd);
    assert_eq!(etcd.wait_for(&key, SOON).lease, lease, "the same lease");
    signal(&agent.0, Signal::TERM);
    let code = eventually("the agent ends", SOON, || {
        let status = agent.0.try_wait().unwrap();
        status.ok_or_else(String::new).map(|status| status.code())
    });
    assert_eq!(code, Some(0));
    assert_eq!(etcd.get(&key), None);
}

/// Waits until a lease of two seconds that nobody renews has expired.
fn a_ttl_passes(etcd: &Etcd) {
    etcd.put_leased("/clock", "2s", 2);
    etcd.wait_until_gone("/clock", SOON);
}

#[test]
fn a_service_manager_that_does_not_read_keeps_nothing_waiting() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let _manager = UnixDatagram::bind(&path).unwrap();
    let mut command = agent(&etcd, &backend);
    command.env("NOTIFY_SOCKET", &path);
    // Seven seconds of it fill any queue.
    command.env("WATCHDOG_USEC", "20000");
    let mut agent = Owned(command.stderr(Stdio::null()).spawn().unwrap());
    keeps_its_promises(&mut agent, &etcd, &mut backend);
}

#[test]
fn a_service_manager_that_was_busy_is_told_later_that_we_are_ready() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let others = UnixDatagram::unbound().unwrap();
    others.set_nonblocking(true).unwrap();
    while others.send_to(b"of another service", &path).is_ok() {}
    let mut command = agent(&etcd, &backend);
    command.env("NOTIFY_SOCKET", &path);
    let _agent = Owned(command.stderr(Stdio::null()).spawn().unwrap());
    etcd.wait_for(&backend.key(), SOON);
    manager.set_read_timeout(Some(SOON)).unwrap();
    loop {
        let mut text = [0; 200];
        let length = manager.recv(&mut text).expect("a message in time");
        if text[..length].starts_with(b"READY=1\n") {
            break;
        }
    }
}

#[test]
fn a_log_that_nobody_reads_keeps_nothing_waiting() {
    let (etcd, mut backend) = (Etcd::start(), Nginx::start());
    let (_reader, writer) = full_pipe();
    let mut agent = Owned(agent(&etcd, &backend).stderr(writer).spawn().unwrap());
    keeps_its_promises(&mut agent, &etcd, &mut backend);
}

#[test]
fn a_proxy_whose_log_nobody_reads_goes_on_and_stops() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    let (_reader, writer) = full_pipe();
    let mut command = render(&etcd.url(), &confdir);
    let mut proxy = Owned(command.stderr(writer).spawn().unwrap());
    confdir.wait_for("app.conf", "server 1;\n", SOON);
    etcd.ctl(&["put", "/services/web/a", "2"]);
    confdir.wait_for("app.conf", "server 2;\n", SOON);
    signal(&proxy.0, Signal::TERM);
    eventually("the proxy ends", SOON, || {
        proxy.0.try_wait().unwrap().ok_or_else(String::new)
    });
}

#[test]
fn lines_that_waited_for_their_reader_are_all_there() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let (mut reader, writer) = full_pipe();
    let mut command = agent(&etcd, &backend);
    command.args(["--log-format", "json"]).stderr(writer);
    let mut agent = Owned(command.spawn().unwrap());
    drop(command);
    etcd.wait_for(&backend.key(), SOON);
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    signal(&agent.0, Signal::TERM);
    agent.0.wait().unwrap();
    let log = reading.join().unwrap();
    for event in ["backend_up", "registered", "stopping"] {
        assert_eq!(Logged::of(&log, event).len(), 1, "{event}: {log}");
    }
}

#[test]
fn very_many_lines_are_all_there_where_the_reader_keeps_up() {
    let confdir = Confdir::new();
    let check = "check_cmd = \"yes | head -n 30000; exit 1\"";
    confdir.add("app.conf", check, "new\n");
    confdir.write("data.json", "{}");
    let data = confdir.path("data.json").display().to_string();
    let (code, _, log) = outcome(register().args(["render", "--once"]).args([
        "--confdir",
        &confdir.flag(),
        "--data",
        &data,
    ]));
    assert_eq!(code, 1);
    let lines = log.lines().filter(|line| line.ends_with(" y"));
    assert_eq!(lines.count(), 30_000);
}

#[test]
fn output_that_may_not_block_is_written_to_its_end() {
    let (_, whole, _) = outcome(register().args(["completions", "bash"]));
    let (mut reader, writer) = io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    let room = rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    assert!(room < whole.len(), "it fills the pipe");
    let mut command = register();
    command.args(["completions", "bash"]).stdout(writer);
    let mut printing = Owned(command.spawn().unwrap());
    drop(command);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, whole);
    assert!(printing.0.wait().unwrap().success());
}

#[test]
fn a_result_that_nobody_reads_keeps_no_signal_waiting() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let (_reader, writer) = full_pipe();
    let mut command = agent(&etcd, &backend);
    let mut once = Owned(command.arg("--once").stdout(writer).spawn().unwrap());
    etcd.wait_for(&backend.key(), SOON);
    signal(&once.0, Signal::TERM);
    let status = eventually("the command ends", SOON, || {
        once.0.try_wait().unwrap().ok_or_else(String::new)
    });
    assert_eq!(status.code(), Some(128 + 15));
}

#[test]
fn a_reader_of_followed_logs_that_stalls_keeps_nothing_waiting() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    let followed = confdir.path("access.log");
    File::create(&followed).unwrap();
    let (_reader, writer) = full_pipe();
    let mut command = render(&etcd.url(), &confdir);
    command.arg("--follow").arg(&followed).stdout(writer);
    let mut proxy = Owned(command.stderr(Stdio::null()).spawn().unwrap());
    confdir.wait_for("app.conf", "server 1;\n", SOON);
    confdir.write("access.log", &"a line that waits\n".repeat(10_000));
    for value in ["2", "3"] {
        // Ten periods of the follower.
        a_ttl_passes(&etcd);
        etcd.ctl(&["put", "/services/web/a", value]);
        confdir.wait_for("app.conf", &format!("server {value};\n"), SOON);
    }
    signal(&proxy.0, Signal::TERM);
    let status = eventually("the proxy ends", SOON, || {
        proxy.0.try_wait().unwrap().ok_or_else(String::new)
    });
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_pipe_in_place_of_a_followed_log_keeps_nothing_waiting() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    let pipe = confdir.path("pipe").display().to_string();
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut proxy = Running::proxy(&etcd.url(), &confdir, &["--follow", &pipe]);
    confdir.wait_for("app.conf", "server 1;\n", SOON);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_for_exit(SOON), 0);
}
