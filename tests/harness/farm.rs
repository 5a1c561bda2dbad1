//! Many backends in one thread, each of which can be made to fail or to hang.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

/// What a backend does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    Up,
    Down,
    Hung,
}

/// So many backends on loopback.
pub struct Farm {
    addresses: Vec<SocketAddr>,
    health: Arc<[AtomicU8]>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Farm {
    /// All of them are up.
    pub fn start(count: usize) -> Self {
        // For a listener and a connection each.
        renderer::descriptors::raise_limit();
        let health: Arc<[AtomicU8]> = (0..count).map(|_| AtomicU8::new(0)).collect();
        let (stop, stopped) = oneshot::channel();
        let (told, addresses) = mpsc::channel();
        let shared = Arc::clone(&health);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            LocalSet::new().block_on(&runtime, async {
                let mut bound = Vec::new();
                for number in 0..count {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    bound.push(listener.local_addr().unwrap());
                    tokio::task::spawn_local(serve(listener, number, Arc::clone(&shared)));
                }
                told.send(bound).unwrap();
                let _stopped = stopped.await;
            });
        });
        Self {
            addresses: addresses.recv().unwrap(),
            health,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn address(&self, number: usize) -> String {
        self.addresses[number].to_string()
    }

    pub fn set(&self, number: usize, health: Health) {
        self.health[number].store(health as u8, Ordering::Relaxed);
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, number: usize, health: Arc<[AtomicU8]>) {
    while let Ok((stream, _)) = listener.accept().await {
        let health = health[number].load(Ordering::Relaxed);
        tokio::task::spawn_local(answer(stream, health));
    }
}

async fn answer(mut stream: TcpStream, health: u8) {
    let mut request = [0; 1024];
    let _asked = stream.read(&mut request).await;
    let status = match health {
        0 => "200 OK",
        1 => "503 Service Unavailable",
        // Until the other end gives up.
        _ => {
            let _given_up = stream.read(&mut request).await;
            return;
        }
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let _answered = stream.write_all(answer.as_bytes()).await;
}
