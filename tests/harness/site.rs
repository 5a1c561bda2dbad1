//! A backend over plain HTTP that can be switched while it listens.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use super::own_address;

/// For a request that does not come.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mood {
    Well,
    /// It answers 503.
    Ill,
    /// It takes connections, and never answers.
    Hung,
}

pub struct Site {
    address: SocketAddrV4,
    mood: Arc<AtomicU8>,
}

impl Site {
    pub fn start(mood: Mood) -> Self {
        let address = own_address();
        let listener = TcpListener::bind(address).unwrap();
        let mood = Arc::new(AtomicU8::new(mood as u8));
        let now = Arc::clone(&mood);
        // Ends with the process of the tests: nobody else can reach it.
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().flatten() {
                let status = match now.load(Ordering::Relaxed) {
                    hung if hung == Mood::Hung as u8 => {
                        held.retain(is_open);
                        held.extend(take_request(stream));
                        continue;
                    }
                    well if well == Mood::Well as u8 => "200 OK",
                    _ => "503 Service Unavailable",
                };
                held.clear();
                // Whoever has gone is no business of ours.
                let _ = answer(stream, status);
            }
        });
        Self { address, mood }
    }

    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    pub fn turn(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::Relaxed);
    }
}

fn take_request(mut stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_read_timeout(Some(PATIENCE))?;
    // A request without a body fits into one read.
    let _request = stream.read(&mut [0; 4096])?;
    Ok(stream)
}

fn answer(stream: TcpStream, status: &str) -> io::Result<()> {
    write!(
        take_request(stream)?,
        "HTTP/1.1 {status}\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwell\n"
    )
}

/// Whether the client is still waiting.
fn is_open(stream: &TcpStream) -> bool {
    let seen = stream
        .set_nonblocking(true)
        .and_then(|()| stream.peek(&mut [0]));
    seen.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}
