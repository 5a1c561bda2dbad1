//! Where connections come in.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::connection::Connection;
use super::desk::{Desk, Visitor};
use super::guests::Guests;
use super::limits::Limits;

/// Before the next try where the system has no descriptor or no memory left.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) trait Door {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next to come in. Cancel-safe.
    async fn next(&self) -> io::Result<(Self::Stream, Visitor)>;
}

impl Door for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Visitor)> {
        let (stream, _) = self.accept().await?;
        Ok((stream, Visitor::Network))
    }
}

impl Door for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, Visitor)> {
        let (stream, _) = self.accept().await?;
        let uid = stream.peer_cred()?.uid();
        Ok((stream, Visitor::Local { uid }))
    }
}

/// Lets in who comes, until it is `closed`; who is in then is given a moment.
pub(super) async fn keep<D: Door>(
    door: D,
    desk: Arc<Desk>,
    limits: Limits,
    mut closed: watch::Receiver<bool>,
) {
    let mut guests = Guests::new(limits.connections);
    let mut is_failing = false;
    loop {
        let next = tokio::select! {
            biased;
            _closed = closed.wait_for(|closed| *closed) => break,
            () = guests.ended() => continue,
            next = door.next() => next,
        };
        match next {
            Ok((stream, visitor)) => {
                is_failing = false;
                let desk = Arc::clone(&desk);
                let connection = Connection {
                    stream,
                    visitor,
                    desk,
                    limits,
                };
                let serve = |course, progress| connection.serve(course, progress);
                guests.admit(serve).await;
            }
            Err(error) if is_of_one(&error) => {}
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    warn!(event = "accept_failed", %error, "cannot accept connections: {error}; retrying");
                }
                if !guests.turn_away().await {
                    sleep(PAUSE).await;
                }
            }
        }
    }
    drop(door);
    let _all_ended = timeout(limits.stop, guests.all_ended()).await;
}

/// Whether it is about a connection that broke before it was let in.
fn is_of_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NotConnected
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::hosts::Hosts;
    use super::super::{ask, sample};
    use super::*;
    use crate::observe::ask::Ask;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::sync::mpsc;

    /// Who stands in front of it, and how often it was looked at.
    struct Scripted {
        comers: tokio::sync::Mutex<mpsc::Receiver<io::Result<DuplexStream>>>,
        looks: Arc<AtomicUsize>,
    }

    impl Door for Scripted {
        type Stream = DuplexStream;

        async fn next(&self) -> io::Result<(DuplexStream, Visitor)> {
            self.looks.fetch_add(1, Ordering::Relaxed);
            let comer = self.comers.lock().await.recv().await;
            let visitor = Visitor::Local { uid: 0 };
            comer
                .unwrap_or_else(|| Err(no_descriptor()))
                .map(|stream| (stream, visitor))
        }
    }

    fn no_descriptor() -> io::Error {
        io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error())
    }

    fn kept(
        comers: mpsc::Receiver<io::Result<DuplexStream>>,
    ) -> (
        impl Future<Output = ()>,
        watch::Sender<bool>,
        Arc<AtomicUsize>,
    ) {
        let (asks, mut asked) = ask::channel();
        tokio::spawn(async move {
            while let Some(Ask::Report(answer)) = asked.recv().await {
                let _heard = answer.send(sample::agent(&["web"]));
            }
        });
        let limits = Limits::default();
        let desk = Arc::new(Desk::new(asks, Hosts::of_this_host(&[]), limits));
        let (close, closed) = watch::channel(false);
        let looks = Arc::new(AtomicUsize::new(0));
        let door = Scripted {
            comers: comers.into(),
            looks: Arc::clone(&looks),
        };
        (keep(door, desk, limits, closed), close, looks)
    }

    #[tokio::test(start_paused = true)]
    async fn a_door_that_cannot_accept_tries_again_now_and_then() {
        let (_, comers) = mpsc::channel(1);
        let (kept, _close, looks) = kept(comers);
        let late = timeout(100 * PAUSE, kept).await;
        assert!(late.is_err());
        assert!(
            (90..=110).contains(&looks.load(Ordering::Relaxed)),
            "{looks:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_makes_room_where_there_is_no_descriptor() {
        let (come, comers) = mpsc::channel(8);
        let (kept, close, _looks) = kept(comers);
        let (silent, theirs) = duplex(1 << 10);
        come.send(Ok(theirs)).await.expect("room");
        come.send(Err(no_descriptor())).await.expect("room");
        let (mut scrape, theirs) = duplex(1 << 16);
        scrape
            .write_all(b"GET /healthz HTTP/1.1\r\n\r\n")
            .await
            .expect("written");
        come.send(Ok(theirs)).await.expect("room");
        let looking = async {
            let mut answer = String::new();
            let read = scrape.read_to_string(&mut answer).await;
            read.expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            let mut silent = silent;
            let read = silent.read(&mut [0; 1]).await;
            assert!(matches!(read, Ok(0)), "{read:?}");
            close.send_replace(true);
        };
        tokio::join!(kept, looking);
    }
}
