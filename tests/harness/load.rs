//! A client that keeps asking, a new connection each time, and counts every answer.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{SOON, eventually};

const CLIENTS: usize = 3;
/// Of one client, from request to request.
const PACE: Duration = Duration::from_millis(10);
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the clients have seen so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many answers came from each server, by the header `X-Server`.
    pub answers: BTreeMap<String, usize>,
    /// When a request failed, and how.
    pub failures: Vec<(Instant, String)>,
    /// Answers since the last failure.
    in_a_row: usize,
}

impl Tally {
    pub fn requests(&self) -> usize {
        self.answers.values().sum::<usize>() + self.failures.len()
    }

    pub fn from(&self, server: &str) -> usize {
        self.answers.get(server).copied().unwrap_or(0)
    }
}

/// Goes on until it is dropped.
pub struct Load {
    tally: Arc<Mutex<Tally>>,
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn on(address: SocketAddrV4) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let over = Arc::new(AtomicBool::new(false));
        let clients = (0..CLIENTS)
            .map(|_| {
                let (tally, over) = (Arc::clone(&tally), Arc::clone(&over));
                thread::spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let begun = Instant::now();
                        count(&tally, ask(address));
                        thread::sleep(PACE.saturating_sub(begun.elapsed()));
                    }
                })
            })
            .collect();
        Self {
            tally,
            over,
            clients,
        }
    }

    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap().clone()
    }

    /// Waits until that server has answered requests made from now on.
    pub fn wait_for_answers_of(&self, server: &str) {
        // Each client may be in the middle of an earlier one.
        let enough = self.tally().from(server) + CLIENTS + 1;
        self.wait_until(&format!("answers of {server}"), |tally| {
            tally.from(server) >= enough
        });
    }

    /// Waits until so many requests made from now on have been answered one after the other.
    pub fn wait_for_answers_in_a_row(&self, count: usize) {
        let enough = self.tally().requests() + count;
        self.wait_until(&format!("{count} answers in a row"), |tally| {
            tally.requests() >= enough && tally.in_a_row >= count
        });
    }

    fn wait_until(&self, what: &str, holds: impl Fn(&Tally) -> bool) {
        eventually(what, SOON, || {
            let tally = self.tally();
            if holds(&tally) {
                Ok(())
            } else {
                Err(format!("{tally:?}"))
            }
        });
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
    }
}

fn count(tally: &Mutex<Tally>, answer: Result<String, String>) {
    let mut tally = tally.lock().unwrap();
    match answer {
        Ok(server) => {
            *tally.answers.entry(server).or_default() += 1;
            tally.in_a_row += 1;
        }
        Err(failure) => {
            tally.failures.push((Instant::now(), failure));
            tally.in_a_row = 0;
        }
    }
}

/// The server that answered, if it was a whole answer with status 200.
pub fn ask(address: SocketAddrV4) -> Result<String, String> {
    let answer = exchange(address).map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if !head.starts_with("HTTP/1.1 200 ") || body != "well\n" {
        return Err(head.lines().next().unwrap_or("no answer").to_owned());
    }
    let server = head
        .lines()
        .find_map(|line| line.strip_prefix("X-Server: "));
    Ok(server.unwrap_or_default().to_owned())
}

fn exchange(address: SocketAddrV4) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address.into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
