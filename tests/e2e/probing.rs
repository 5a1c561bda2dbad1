use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::rights::{own_mounts, wrapped};
use crate::harness::running::{outcome, wait_until_dead};
use crate::harness::{Nginx, Pki, register};

/// Exit code and verdict of `register check` with these flags.
pub fn check(flags: &[&str]) -> (i32, String) {
    let (code, said, complaint) = outcome(register().arg("check").args(flags));
    let verdict = said
        .rsplit_once(" in ")
        .map_or(said.clone(), |(verdict, _)| verdict.to_owned());
    (code, verdict + &complaint)
}

/// One connection, served by `serve` once its request has come.
pub fn backend(serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        serve(stream);
    });
    url
}

/// Sends a byte now and then until the other side has had enough.
fn drip(mut stream: TcpStream, byte: u8) {
    while stream.write_all(&[byte]).is_ok() {
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_backend_that_accepts_and_never_answers_times_out() {
    let url = backend(|stream| {
        std::thread::sleep(Duration::from_secs(20));
        drop(stream);
    });
    let start = Instant::now();
    assert_eq!(
        check(&["--check", &url, "--timeout", "300ms"]),
        (1, "unhealthy: no answer within 300ms".to_owned())
    );
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_backend_that_drips_its_body_times_out() {
    let url = backend(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        drip(stream, b'x');
    });
    assert_eq!(
        check(&["--check", &url, "--timeout", "300ms"]),
        (1, "unhealthy: no answer within 300ms".to_owned())
    );
}

#[test]
fn a_backend_that_drips_its_headers_times_out() {
    let url = backend(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-More: ");
        drip(stream, b'x');
    });
    assert_eq!(
        check(&["--check", &url, "--timeout", "300ms"]),
        (1, "unhealthy: no answer within 300ms".to_owned())
    );
}

#[test]
fn a_backend_that_never_ends_its_tls_handshake_times_out() {
    // The start of a record that is never completed.
    let url = backend(|mut stream| {
        let _ = stream.write_all(&[0x16, 0x03, 0x03, 0x40, 0x00]);
        drip(stream, 0x02);
    });
    let url = url.replace("http:", "https:");
    let flags = ["--tls-skip-verify", "--timeout", "300ms"];
    assert_eq!(
        check(&[&["--check", &url][..], &flags].concat()),
        (1, "unhealthy: no answer within 300ms".to_owned())
    );
}

#[test]
fn proxy_variables_are_not_followed() {
    let backend = Nginx::start();
    let (code, ..) = outcome(
        register()
            .args(["check", "--address", &backend.address()])
            .env("http_proxy", "http://127.0.0.1:1")
            .env("HTTP_PROXY", "http://127.0.0.1:1"),
    );
    assert_eq!(code, 0);
}

#[test]
fn tcp_asks_for_a_listener_only() {
    let mut backend = Nginx::start();
    let url = format!("tcp://{}", backend.address());
    assert_eq!(
        check(&["--check", &url]),
        (0, "healthy: connected".to_owned())
    );
    backend.stop();
    assert_eq!(check(&["--check", &url]).0, 1);
}

#[test]
fn a_command_passes_by_its_exit_code() {
    assert_eq!(check(&["--check", "exec:true"]).0, 0);
    assert_eq!(
        check(&["--check", "exec:exit 3"]),
        (
            1,
            "unhealthy: the command ended with exit status: 3".to_owned()
        )
    );
}

#[test]
fn a_command_that_hangs_is_killed_with_all_that_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    let command = format!("exec:sleep 600 & echo $! > {}; wait", pids.display());
    assert_eq!(check(&["--check", &command, "--timeout", "500ms"]).0, 1);
    let pid = std::fs::read_to_string(&pids).unwrap();
    wait_until_dead(pid.trim());
}

#[test]
fn a_command_that_fails_says_why_in_its_last_words() {
    let command = "exec:echo first >&2; printf 'no\\033[31m entry\\n\\n' >&2; exit 3";
    assert_eq!(
        check(&["--check", command]),
        (
            1,
            "unhealthy: the command ended with exit status: 3: no\\u{1b}[31m entry".to_owned()
        )
    );
}

#[test]
fn a_daemon_that_a_command_leaves_behind_keeps_nobody_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let pid = directory.path().join("pid");
    let command = format!(
        "exec:setsid sh -c 'echo $$ > {0}; exec sleep 30' & until [ -s {0} ]; do :; done; echo ready >&2; exit 1",
        pid.display()
    );
    let start = Instant::now();
    assert_eq!(
        check(&["--check", &command, "--timeout", "20s"]),
        (
            1,
            "unhealthy: the command ended with exit status: 1: ready".to_owned()
        )
    );
    assert!(start.elapsed() < Duration::from_secs(10));
    let pid = std::fs::read_to_string(&pid).unwrap();
    let killed = Command::new("kill").arg(pid.trim()).status().unwrap();
    assert!(killed.success());
}

#[test]
fn a_command_does_not_get_what_is_not_its_business() {
    let names = [
        "REGISTER_USER",
        "REGISTER_HEADER",
        "ETCDCTL_USER",
        "ETCDCTL_PASSWORD",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
    ];
    let test = names.map(|name| format!("${name}")).concat();
    let command = format!("exec:echo \"$KEPT:{test}\" >&2; exit 1");
    let (_, said, _) = outcome(
        register()
            .args(["check", "--check", &command])
            .envs(names.map(|name| (name, "secret")))
            // A header is for HTTP only; an empty one is none.
            .env("REGISTER_HEADER", "")
            .env("KEPT", "kept"),
    );
    assert!(
        said.starts_with("unhealthy: the command ended with exit status: 1: kept: in "),
        "{said}"
    );
}

#[test]
fn what_a_command_says_last_is_told_whichever_stream_it_takes() {
    let table = [
        ("exec:echo out; echo err >&2; exit 2", "exit status: 2: err"),
        ("exec:echo err >&2; echo out; exit 2", "exit status: 2: out"),
        (
            "exec:echo 'DISK CRITICAL - 3% left'; exit 2",
            "2: DISK CRITICAL - 3% left",
        ),
        (
            "exec:echo OK - 3 users",
            "healthy: the command passed: OK - 3 users",
        ),
        ("exec:true", "healthy: the command passed"),
        (
            "exec:yes | head -c 10000000; echo end; exit 1",
            "exit status: 1: end",
        ),
    ];
    for (command, said) in table {
        let (_, verdict) = check(&["--check", command]);
        assert!(verdict.ends_with(said), "{command}: {verdict}");
    }
}

/// With these lines as its `/etc/hosts`. None where that may not be.
fn with_hosts(lines: &str, command: &Command) -> Option<Command> {
    let script = "mount -t tmpfs tmpfs /run && printf '%b' \"$0\" > /run/hosts \
        && mount --bind /run/hosts /etc/hosts && exec \"$@\"";
    let wrapper = [own_mounts()?, &["sh", "-c", script, lines]].concat();
    Some(wrapped(&wrapper, command))
}

/// Listens on this port of 127.0.0.1, and takes no connection any more.
struct Full {
    port: u16,
    _listener: tokio::net::TcpListener,
    _queue: Vec<TcpStream>,
}

impl Full {
    /// The runtime that its socket belongs to has to be entered.
    fn listen() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            queue.push(stream);
        }
        Self {
            port: address.port(),
            _listener: listener,
            _queue: queue,
        }
    }
}

#[tokio::test]
async fn a_silent_address_of_a_name_leaves_the_others_their_time() {
    let silent = Full::listen();
    let port = silent.port;
    let pki = Pki::new();
    let (cert, key) = pki.issue("backend", &["twin"]);
    let (cert, key) = (cert.display(), key.display());
    let _listener = TcpListener::bind(("127.0.0.2", port)).unwrap();
    let more = format!(
        "listen 127.0.0.3:{port} ssl; ssl_certificate {cert}; ssl_certificate_key {key};
         listen 127.0.0.4:{port};"
    );
    let _nginx = Nginx::start_with("", &more);
    let ca = pki.path("ca.pem").display().to_string();
    for (alive, url, flags) in [
        ("127.0.0.2", format!("tcp://twin:{port}"), &[][..]),
        ("127.0.0.4", format!("http://twin:{port}/"), &[]),
        (
            "127.0.0.3",
            format!("https://twin:{port}/"),
            &["--check-ca", &ca],
        ),
    ] {
        let hosts = format!("127.0.0.1 twin\\n{alive} twin\\n");
        let mut command = register();
        command
            .args(["check", "--timeout", "3s", "--check", &url])
            .args(flags);
        let Some(mut command) = with_hosts(&hosts, &command) else {
            return;
        };
        let (code, said, complaint) = outcome(&mut command);
        assert_eq!(code, 0, "{url}: {said}{complaint}");
    }
}
