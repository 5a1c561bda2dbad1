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
                guests.turn_away().await;
                sleep(PAUSE).await;
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
