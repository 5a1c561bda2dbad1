//! The doors by which others look in, in front of a loop that answers as it is told, and whoever comes to
//! them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests stop at the first surprise"
)]

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use register::fault::Place;
use register::health::Verdict;
use register::observe::ask::{self, Ask, DrainAnswer};
use register::observe::client::{self, ClientError, DrainReply};
use register::observe::config::DoorConfig;
use register::observe::limits::Limits;
use register::observe::report::{AgentReport, EtcdReport, Report, ServiceReport, Side};
use register::observe::{ObserveConfig, Serving, open};
use register::registration::Status;
use tempfile::TempDir;

/// Long enough for anything that is to happen at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the loop behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Answers,
    StandsStill,
}

struct Site {
    address: SocketAddr,
    directory: TempDir,
    /// How often the loop was asked for a report.
    reports: Arc<AtomicUsize>,
    /// Who has asked for drains.
    uids: Arc<Mutex<Vec<u32>>>,
    _serving: Serving,
}

fn config(directory: &TempDir) -> ObserveConfig {
    ObserveConfig {
        listen: Some(DoorConfig {
            place: Place::Flag("--listen"),
            at: "127.0.0.1:0".parse().unwrap(),
        }),
        hosts: vec!["status.example.net".to_owned()],
        control: Some(DoorConfig {
            place: Place::Flag("--control"),
            at: directory.path().join("control.sock"),
        }),
    }
}

impl Site {
    fn new() -> Self {
        Self::with(Limits::default(), Manner::Answers, 1)
    }

    fn with(limits: Limits, manner: Manner, services: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let doors = open(&config(&directory)).expect("open");
        let address = doors.address().expect("an address");
        let (asks, mut asked) = ask::channel();
        let reports = Arc::new(AtomicUsize::new(0));
        let uids = Arc::new(Mutex::new(Vec::new()));
        let (count, callers) = (Arc::clone(&reports), Arc::clone(&uids));
        thread::spawn(move || {
            // Nobody is told that he is not answered.
            let mut unanswered = Vec::new();
            while let Some(ask) = asked.blocking_recv() {
                match ask {
                    ask if manner == Manner::StandsStill => unanswered.push(ask),
                    Ask::Report(answer) => {
                        count.fetch_add(1, Ordering::Relaxed);
                        let _heard = answer.send(report(services));
                    }
                    Ask::Drain(ask) => {
                        callers.lock().unwrap().push(ask.uid);
                        let answer = match ask.service.as_str() {
                            "web" => DrainAnswer::Done(vec![format!("/{}", ask.drained)]),
                            "stuck" => {
                                unanswered.push(Ask::Drain(ask));
                                continue;
                            }
                            "refused" => DrainAnswer::Refused("stopping"),
                            _ => DrainAnswer::Unknown,
                        };
                        let _heard = ask.answer.send(answer);
                    }
                }
            }
        });
        let serving = doors.serve_within(asks, limits).expect("served");
        Self {
            address,
            directory,
            reports,
            uids,
            _serving: serving,
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn tell(&self, request: &str) -> Answer {
        exchange(self.connect(), request)
    }

    fn get(&self, path: &str) -> Answer {
        self.tell(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    fn tell_control(&self, request: &str) -> Answer {
        let stream = UnixStream::connect(self.socket()).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        exchange(stream, request)
    }

    fn post(&self, target: &str) -> Answer {
        self.tell_control(&format!("POST {target} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }
}

fn report(services: usize) -> Report {
    let now = Instant::now();
    let service = |number| ServiceReport {
        name: format!("web-{number}"),
        key: format!("/services/web/10.0.0.5:{number}"),
        status: Status::Registered,
        status_since: now,
        verdict: Some(Verdict::Up),
        verdict_since: Some(now),
        probe: None,
        passed: 1,
        failed: 0,
        is_drained: false,
        lease: None,
        ttl: Duration::from_secs(30),
        announced: 1,
        displaced: 0,
    };
    Report {
        at: now,
        began_at: now,
        is_ready: true,
        is_stopping: false,
        etcd: EtcdReport::default(),
        side: Side::Agent(AgentReport {
            services: (0..services).map(service).collect(),
            ..AgentReport::default()
        }),
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }
}

fn exchange(mut stream: impl io::Read + io::Write, request: &str) -> Answer {
    try_exchange(&mut stream, request).expect("an answer")
}

fn try_exchange(stream: &mut (impl io::Read + io::Write), request: &str) -> io::Result<Answer> {
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| io::Error::other(format!("no answer: {text:?}")))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(|| io::Error::other("no status"))?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// Whether the other side has closed the connection by now.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0; 1]);
    stream.set_nonblocking(false).unwrap();
    match read {
        Ok(length) => length == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

#[test]
fn each_path_shows_what_it_is_for() {
    let site = Site::new();
    let metrics = site.get("/metrics");
    assert_eq!(metrics.status, 200);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(metrics.header("content-type"), Some(kind));
    assert!(metrics.body.ends_with("# EOF\n"), "{}", metrics.body);
    let status = site.get("/api/v1/status?of=no-matter");
    let json: serde_json::Value = serde_json::from_str(&status.body).unwrap();
    assert_eq!(json["services"][0]["name"], "web-0");
    let page = site.get("/");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(
        (site.get("/healthz").status, site.get("/readyz").status),
        (200, 200)
    );
}

#[test]
fn every_answer_tells_browsers_to_keep_nothing_and_to_run_nothing() {
    let site = Site::new();
    let not_allowed = site.tell("DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let misdirected = site.tell("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    let answers = [
        site.get("/metrics"),
        site.get("/nowhere"),
        site.get("/api/v1/status"),
        not_allowed,
        misdirected,
        site.post("/api/v1/drain"),
    ];
    for answer in answers {
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        let policy = answer.header("content-security-policy");
        assert_eq!(policy, Some("default-src 'none'"), "{}", answer.head);
    }
    let page = site.get("/");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[test]
fn head_has_the_headers_and_no_body() {
    let site = Site::new();
    let head = site.tell("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let get = site.get("/metrics");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(head.header("content-type"), get.header("content-type"));
}

#[test]
fn other_paths_methods_hosts_and_bodies_are_refused() {
    let site = Site::new();
    let host = "Host: localhost\r\n";
    let table = [
        ("GET /metrics/ HTTP/1.1", host, 404),
        ("GET /api/v1/drain?service=web HTTP/1.1", host, 404),
        ("POST /api/v1/drain?service=web HTTP/1.1", host, 404),
        ("POST / HTTP/1.1", host, 405),
        ("OPTIONS /metrics HTTP/1.1", host, 405),
        ("TRACE / HTTP/1.1", host, 405),
        ("GET / HTTP/1.1", "", 421),
        ("GET / HTTP/1.0", "", 421),
        ("GET / HTTP/1.1", "Host: evil.example\r\n", 421),
        (
            "GET / HTTP/1.1",
            "Host: localhost\r\nHost: localhost\r\n",
            421,
        ),
        ("GET http://evil.example/ HTTP/1.1", host, 421),
        ("CONNECT evil.example:443 HTTP/1.1", host, 421),
        (
            "GET / HTTP/1.1",
            "Host: localhost\r\nContent-Length: 9\r\n",
            413,
        ),
        (
            "GET / HTTP/1.1",
            "Host: localhost\r\nTransfer-Encoding: chunked\r\n",
            413,
        ),
        ("GET / HTTP/1.1", "Host: STATUS.example.net:80\r\n", 200),
        ("GET / HTTP/1.0", host, 200),
        (
            "GET / HTTP/1.1",
            "Host: localhost\r\nContent-Length: 0\r\n",
            200,
        ),
        ("GET http://127.0.0.1/ HTTP/1.1", host, 200),
    ];
    for (line, headers, status) in table {
        let answer = site.tell(&format!("{line}\r\n{headers}\r\n"));
        assert_eq!(answer.status, status, "{line} {headers}");
    }
    let post = site.tell("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(post.header("allow"), Some("GET, HEAD"));
    assert_eq!(*site.uids.lock().unwrap(), [0_u32; 0]);
}

#[test]
fn a_body_that_nobody_wants_does_not_lose_the_answer() {
    let site = Site::new();
    let body = "x".repeat(48 << 10);
    let length = body.len();
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    let answer = site.tell(&(head + &body));
    assert_eq!(answer.status, 413);
}

#[test]
fn what_is_no_http_or_too_much_of_it_is_cut_off() {
    let site = Site::new();
    let nonsense = ["\r\n\r\n\r\nx\r\n\r\n", "\x16\x03\x01\x02", "GET\r\n\r\n"];
    for text in nonsense {
        let mut stream = site.connect();
        stream.write_all(text.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut told = Vec::new();
        let _ended = stream.read_to_end(&mut told);
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(
            told.is_empty() || told.starts_with("HTTP/1.1 400 "),
            "{told}"
        );
    }
    let mut stream = site.connect();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        .unwrap();
    let mut sent = 0;
    while stream.write_all(b"X-Endless: 0123456789\r\n").is_ok() {
        sent += 23;
        assert!(sent < 64 << 20, "it takes headers without end");
    }
    assert_eq!(site.get("/healthz").status, 200);
}

#[test]
fn who_says_nothing_or_not_all_is_not_waited_for() {
    let request = Duration::from_millis(100);
    let limits = Limits {
        request,
        ..Limits::default()
    };
    let site = Site::with(limits, Manner::Answers, 1);
    let begun = Instant::now();
    let silent = site.connect();
    let mut slow = site.connect();
    slow.write_all(b"GET / HTT").unwrap();
    for mut stream in [&silent, &slow] {
        let mut rest = Vec::new();
        let _closed = stream.read_to_end(&mut rest);
        assert!(begun.elapsed() >= request && begun.elapsed() < PATIENCE / 2);
    }
}

#[test]
fn an_answer_is_held_no_longer_than_it_may_be_and_delays_no_other() {
    let limits = Limits {
        response: Duration::from_millis(300),
        ..Limits::default()
    };
    let site = Site::with(limits, Manner::Answers, 4_000);
    let mut slow = site.connect();
    slow.write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    // More is not read of it for now.
    slow.read_exact(&mut [0; 1]).unwrap();
    let begun = Instant::now();
    assert_eq!(site.get("/healthz").status, 200);
    assert!(begun.elapsed() < PATIENCE / 2);
    thread::sleep(3 * limits.response);
    let mut rest = Vec::new();
    let ended = slow.read_to_end(&mut rest);
    let whole = site.get("/api/v1/status").body.len();
    assert!(
        ended.is_err() || rest.len() < whole,
        "{} of {whole}",
        rest.len()
    );
}

#[test]
fn a_thousand_who_say_nothing_keep_no_scrape_out() {
    let site = Site::new();
    let limit = Limits::default().connections;
    let mut crowd = Vec::new();
    for round in 0..10 {
        for number in 0..100 {
            let mut stream = site.connect();
            if number % 2 == 0 {
                stream.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
            }
            crowd.push(stream);
        }
        for _ in 0..10 {
            assert_eq!(site.get("/metrics").status, 200, "in round {round}");
        }
    }
    let open = crowd.iter().filter(|stream| !is_closed(stream)).count();
    assert!(open <= limit, "{open} are held");
}

#[test]
fn a_thousand_who_take_no_answer_keep_no_scrape_out() {
    let site = Site::with(Limits::default(), Manner::Answers, 4_000);
    let mut crowd = Vec::new();
    for _ in 0..1_000 {
        let mut stream = site.connect();
        stream
            .write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        crowd.push(stream);
        if crowd.len() % 100 == 0 {
            assert_eq!(site.get("/metrics").status, 200);
        }
    }
}

#[test]
fn ten_thousand_connections_leave_it_answering() {
    let site = Site::new();
    let begun = Instant::now();
    for number in 0..10_000 {
        drop(TcpStream::connect(site.address).expect("connected"));
        if number % 1_000 == 0 {
            assert_eq!(site.get("/metrics").status, 200);
        }
    }
    assert_eq!(site.get("/metrics").status, 200);
    let took = begun.elapsed();
    assert!(took < PATIENCE, "{took:?}");
}

#[test]
fn many_readers_cost_the_loop_one_report() {
    let limits = Limits {
        fresh: PATIENCE,
        ..Limits::default()
    };
    let site = Site::with(limits, Manner::Answers, 1);
    thread::scope(|scope| {
        for _ in 0..50 {
            let stream = site.connect();
            scope.spawn(|| {
                let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
                assert_eq!(exchange(stream, request).status, 200);
            });
        }
    });
    assert_eq!(site.reports.load(Ordering::Relaxed), 1);
}

#[test]
fn a_loop_that_stands_still_is_not_healthy() {
    let limits = Limits {
        report: Duration::from_millis(50),
        ..Limits::default()
    };
    let site = Site::with(limits, Manner::StandsStill, 1);
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/status", "/"] {
        let answer = site.get(path);
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.body, "the process does not answer\n");
    }
    let status = block_on(client::status(&site.socket()));
    assert!(matches!(status, Err(ClientError::Silent)), "{status:?}");
}

#[test]
fn the_control_socket_shows_the_same_by_whatever_name() {
    let site = Site::new();
    let answer = site.tell_control("GET /readyz HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_eq!((answer.status, answer.body.as_str()), (200, "ready\n"));
    let status = block_on(client::status(&site.socket())).expect("a status");
    assert_eq!(status["process"]["role"], "agent");
}

#[test]
fn services_are_taken_out_and_back_in_at_the_control_socket() {
    let site = Site::new();
    let out = site.post("/api/v1/drain?service=web");
    assert_eq!(
        (out.status, out.body.as_str()),
        (200, "{\"services\":[\"/true\"]}\n")
    );
    let back = site.post("/api/v1/resume?service=web");
    assert_eq!(back.body, "{\"services\":[\"/false\"]}\n");
    let get = site.tell_control("GET /api/v1/drain?service=web HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    assert_eq!(site.post("/api/v1/drain?service=other").status, 404);
    assert_eq!(site.post("/api/v1/drain?service=refused").status, 409);
    assert_eq!(site.post("/api/v1/drain").status, 400);
    let late = site.post("/api/v1/drain?service=stuck&timeout=50ms");
    assert_eq!(late.status, 504);
    let ours = rustix::process::getuid().as_raw();
    assert!(site.uids.lock().unwrap().iter().all(|uid| *uid == ours));
}

#[test]
fn a_client_is_told_what_became_of_it() {
    let site = Site::new();
    let drain = |service: &str, wait| {
        let path = site.socket();
        block_on(client::drain(&path, service, true, wait)).expect("a reply")
    };
    let moment = Duration::from_millis(50);
    assert_eq!(
        drain("web", PATIENCE),
        DrainReply::Done(vec!["/true".to_owned()])
    );
    assert_eq!(drain("a b/ü&=", PATIENCE), DrainReply::Unknown);
    let refused = DrainReply::Refused("stopping".to_owned());
    assert_eq!(drain("refused", PATIENCE), refused);
    assert_eq!(drain("stuck", moment), DrainReply::Unconfirmed);
    let long = block_on(client::drain(&site.socket(), "web", true, 60 * PATIENCE));
    match long {
        Err(ClientError::Refused(reason)) => assert_eq!(reason, "timeout: must be at most 10m"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn why_nobody_answers_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let status = || block_on(client::status(&path));
    assert!(matches!(status(), Err(ClientError::Missing)));
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(matches!(status(), Err(ClientError::Stale)));
}

#[test]
fn a_second_process_on_the_same_socket_is_refused_and_harms_nothing() {
    let site = Site::new();
    let second = ObserveConfig {
        listen: None,
        ..config(&site.directory)
    };
    let fault = open(&second).expect_err("taken").to_string();
    let ours = std::process::id();
    let told = format!(
        "--control {:?}: process {ours} listens there already",
        site.socket()
    );
    assert_eq!(fault, told);
    assert_eq!(site.post("/api/v1/drain?service=web").status, 200);
}

#[test]
fn an_address_that_is_taken_is_refused() {
    let site = Site::new();
    let mut second = config(&site.directory);
    second.control = None;
    if let Some(door) = &mut second.listen {
        door.at = site.address;
    }
    let fault = open(&second).expect_err("taken").to_string();
    let told = format!(
        "--listen \"{}\": another program listens there already",
        site.address
    );
    assert_eq!(fault, told);
}

#[test]
fn a_killed_process_socket_is_replaced_and_nothing_is_left_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut config = config(&directory);
    config.listen = None;
    let (asks, _asked) = ask::channel();
    let serving = open(&config)
        .expect("replaced")
        .serve(asks)
        .expect("served");
    assert!(UnixStream::connect(&path).is_ok());
    drop(serving);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    open(&config).expect("free again");
}

#[test]
fn who_is_asking_at_the_end_is_answered_and_nobody_holds_it_up() {
    let site = Site::new();
    let _silent = site.connect();
    let mut waiting = UnixStream::connect(site.socket()).unwrap();
    let request = "POST /api/v1/drain?service=stuck HTTP/1.1\r\nHost: x\r\n\r\n";
    waiting.write_all(request.as_bytes()).unwrap();
    while site.uids.lock().unwrap().is_empty() {
        thread::yield_now();
    }
    let begun = Instant::now();
    drop(site);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn where_there_is_no_door_no_thread_is_started() {
    let (asks, _asked) = ask::channel();
    let doors = open(&ObserveConfig::default()).unwrap();
    let serving = doors.serve(asks).unwrap();
    let shown = format!("{serving:?}");
    assert!(shown.contains("thread: None"), "{shown}");
}

#[test]
fn a_flood_that_begins_requests_and_never_ends_them_keeps_no_scrape_out() {
    let site = Site::new();
    let is_over = AtomicBool::new(false);
    let flood = || {
        let mut held = VecDeque::new();
        while !is_over.load(Ordering::Relaxed) {
            let mut stream = TcpStream::connect(site.address).expect("connected");
            let _cut_off = stream.write_all(b"GET / HTTP/1.1\r\nX: ");
            held.push_back(stream);
            if held.len() > 300 {
                held.pop_front();
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(flood);
        }
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let scrapes = (0..100).map(|_| try_exchange(&mut site.connect(), request));
        let answered = scrapes.filter(Result::is_ok).count();
        is_over.store(true, Ordering::Relaxed);
        // One that is not scheduled between its connection and its request may miss its turn.
        assert!(answered >= 95, "{answered}");
    });
}
