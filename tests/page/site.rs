use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use register::observe::page;
use register::observe::report::Report;

pub const HOST: &str = "web-1.example.net";

/// Serves the page of a report until it is dropped.
pub struct Site {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

struct Shared {
    report: Mutex<Report>,
    /// The loop does not answer.
    is_silent: AtomicBool,
    /// How often the page was asked for.
    asked: AtomicUsize,
    is_over: AtomicBool,
}

impl Site {
    pub fn new(report: Report) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), report)
    }

    pub fn at(address: SocketAddr, report: Report) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            report: Mutex::new(report),
            is_silent: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        let server = thread::spawn(move || serve(&listener, &served));
        Self {
            address,
            shared,
            server: Some(server),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn change(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.shared.report.lock().unwrap());
    }

    pub fn be_silent(&self, is_silent: bool) {
        self.shared.is_silent.store(is_silent, Ordering::Relaxed);
    }

    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // It looks once it has accepted.
        let _woken = TcpStream::connect(self.address);
        let _ended = self.server.take().map(JoinHandle::join);
    }
}

fn serve(listener: &TcpListener, shared: &Shared) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        // A browser connects beforehand, and may never ask.
        let _gone = answer(stream, shared);
    }
}

fn answer(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let (status, body) = if head.starts_with(b"GET / ") {
        page_of(shared)
    } else {
        ("404 Not Found", "not found\n".to_owned())
    };
    let policy = page::policy();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Security-Policy: {policy}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn page_of(shared: &Shared) -> (&'static str, String) {
    shared.asked.fetch_add(1, Ordering::Relaxed);
    if shared.is_silent.load(Ordering::Relaxed) {
        let words = "the process does not answer\n".to_owned();
        return ("503 Service Unavailable", words);
    }
    let report = shared.report.lock().unwrap();
    (
        "200 OK",
        page::html_of_host(&report, SystemTime::now(), HOST),
    )
}
