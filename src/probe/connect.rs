//! A connection to whichever address of a name answers first.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::host_fault;

/// How long an address has to itself before the next is tried beside it (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to `host`, a name or an IP address without brackets. An address that keeps silent
/// costs the others no more than its head start.
///
/// # Errors
/// Of the addresses, the one that says most: that of our own host only where there is no other.
pub(super) async fn connect(host: &str, port: u16, limit: Duration) -> io::Result<TcpStream> {
    let found = lookup_host((host, port)).await;
    let mut addresses = found.map_err(host_fault::of_lookup)?;
    match (addresses.next(), addresses.next()) {
        (None, _) => Err(io::Error::other("the name has no address")),
        (Some(only), None) => to(only).await,
        (Some(first), Some(second)) => {
            let all: Vec<_> = [first, second].into_iter().chain(addresses).collect();
            to_any(all, limit).await
        }
    }
}

async fn to_any(addresses: Vec<SocketAddr>, limit: Duration) -> io::Result<TcpStream> {
    // The last one is to have time, too.
    let shares = u32::try_from(addresses.len() + 1).unwrap_or(u32::MAX);
    let head_start = HEAD_START.min(limit / shares);
    let mut left = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut failure: Option<io::Error> = None;
    loop {
        if let Some(address) = left.next() {
            attempts.spawn(to(address));
        }
        let ended = if left.len() > 0 {
            // Too late is no loss: it goes on beside the next one.
            match timeout(head_start, attempts.join_next()).await {
                Ok(ended) => ended,
                Err(_late) => continue,
            }
        } else {
            attempts.join_next().await
        };
        match ended {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => {
                let says_more = |before: &io::Error| host_fault::is(before);
                if failure.as_ref().is_none_or(says_more) {
                    failure = Some(error);
                }
            }
            // Only when the runtime is going down.
            Some(Err(error)) => return Err(io::Error::other(error)),
            None => return Err(failure.unwrap_or_else(|| io::ErrorKind::NotFound.into())),
        }
    }
}

async fn to(address: SocketAddr) -> io::Result<TcpStream> {
    not_to_itself(TcpStream::connect(address).await?)
}

/// The kernel may give the socket the very port that it connects to: where nobody listens, it then
/// connects to itself.
fn not_to_itself(stream: TcpStream) -> io::Result<TcpStream> {
    if stream.local_addr()? == stream.peer_addr()? {
        // The port is the backend's, which is to find it free.
        stream.set_zero_linger()?;
        return Err(Errno::CONNREFUSED.into());
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// Takes no connection: its queue is full.
    async fn silent() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind("127.0.0.1:0".parse().expect("an address"))
            .expect("bound");
        let listener = socket.listen(1).expect("listening");
        let address = listener.local_addr().expect("an address");
        let mut held = Vec::new();
        while let Ok(Ok(stream)) =
            timeout(Duration::from_millis(50), TcpStream::connect(address)).await
        {
            held.push(stream);
        }
        (listener, held, address)
    }

    async fn listening() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    async fn closed() -> SocketAddr {
        listening().await.1
    }

    #[tokio::test]
    async fn a_silent_address_leaves_the_others_their_time() {
        let (_full, _held, dead) = silent().await;
        let (_listener, alive) = listening().await;
        let started = Instant::now();
        let stream = to_any(vec![dead, dead, alive], LIMIT)
            .await
            .expect("connected");
        assert_eq!(stream.peer_addr().expect("a peer"), alive);
        assert!(started.elapsed() < LIMIT / 4);
    }

    #[tokio::test]
    async fn a_short_limit_leaves_the_last_address_its_share() {
        let (_full, _held, dead) = silent().await;
        let (_listener, alive) = listening().await;
        let limit = Duration::from_millis(200);
        let connected = timeout(limit, to_any(vec![dead, alive], limit)).await;
        assert!(connected.expect("in time").is_ok());
    }

    #[tokio::test]
    async fn a_refusal_is_told_where_no_address_takes_the_connection() {
        let error = to_any(vec![closed().await, closed().await], LIMIT)
            .await
            .expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_connection_to_itself_is_refused() {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind("127.0.0.1:0".parse().expect("an address"))
            .expect("bound");
        let own = socket.local_addr().expect("an address");
        // What the kernel does by chance: the socket's own port is its target.
        let stream = socket.connect(own).await.expect("it connects to itself");
        let error = not_to_itself(stream).expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        // As a server that does not set SO_REUSEADDR binds.
        let backend = TcpSocket::new_v4().expect("a socket");
        backend.bind(own).expect("the port is free at once");
    }
}
