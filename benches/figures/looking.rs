//! What it costs an agent of many services that somebody looks on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::changes::Changes;
use crate::harness::Etcd;
use crate::process::{rss, share};
use crate::report::{Budget, REGISTER, Report};
use crate::services::Host;

const SERVICES: usize = 1_000;
const PAIRS: usize = 7;
const ROUND: Duration = Duration::from_secs(10);

pub fn measure(report: &mut Report) {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, SERVICES, "interval = \"1s\"\n");
    let address = free_address();
    let listen = format!("--listen={address}");
    let (agent, _) = host.start(&Changes::of(&etcd), &[&listen]);
    thread::sleep(ROUND / 2);
    let pid = agent.id();
    let before = rss(pid);
    let once = |_| {
        let alone = share(pid, ROUND);
        let looking = Looking::start(address);
        let watched = share(pid, ROUND);
        drop(looking);
        watched - alone
    };
    let more = (0..PAIRS).map(once).collect();
    let what = "1000 services: /metrics scraped each second, page open, above nobody looking: CPU";
    report.add(what, "% of a core", more, Budget::AtMost(1.0));
    let what = "1000 services: the same: RSS";
    report.beside(what, REGISTER, "MB", vec![rss(pid) - before]);
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A scraper, and a browser that has the page open, until it is dropped.
struct Looking {
    over: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Looking {
    fn start(address: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let looks = [("/metrics", 1), ("/", 2)].map(|(path, every)| {
            let over = Arc::clone(&over);
            thread::spawn(move || {
                let mut next = Instant::now();
                while !over.load(Ordering::Relaxed) {
                    get(address, path);
                    next += Duration::from_secs(every);
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            })
        });
        Self {
            over,
            threads: looks.into(),
        }
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

fn get(address: SocketAddr, path: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{path}");
}
