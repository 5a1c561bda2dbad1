//! The way to a backend that is spoken to: TCP, with TLS on top or not, or a Unix socket.

use tokio::io::{AsyncRead, AsyncWrite};

use super::attempt::Failure;
use super::secure::Secure;
use super::tcp::TcpProbe;
use super::unix::UnixProbe;

/// Bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

#[derive(Debug)]
pub(super) enum Way {
    Tcp(TcpProbe),
    Tls(TcpProbe, Box<Secure>),
    Unix(UnixProbe),
}

impl Way {
    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        Ok(match self {
            Self::Tcp(to) => Box::new(to.connect().await?),
            Self::Tls(to, secure) => Box::new(secure.handshake(to.connect().await?).await?),
            Self::Unix(to) => Box::new(to.connect().await?),
        })
    }
}
