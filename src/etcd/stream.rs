//! A connection's bytes, encrypted or not.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::error::EtcdError;

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>, Alert),
}

/// Why the server broke TLS off after the handshake, as where it wants a client's certificate. The
/// layers above often know no more than that the connection is closed.
#[derive(Clone, Debug, Default)]
pub(super) struct Alert(Arc<OnceLock<String>>);

impl Alert {
    /// The error that says more: this one, if there was an alert.
    pub(super) fn or(&self, error: EtcdError) -> EtcdError {
        match self.0.get() {
            Some(alert) if !error.is_answer() => error.because_of(alert),
            Some(_) | None => error,
        }
    }

    fn note<T>(&self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &done
            && error.kind() == io::ErrorKind::InvalidData
        {
            self.0.get_or_init(|| error.to_string());
        }
        done
    }

    /// Where writing failed, the alert is yet to be read: it came before the end that writing met.
    fn look_for<T>(
        &self,
        stream: &mut TlsStream<TcpStream>,
        cx: &mut Context<'_>,
        done: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if matches!(done, Poll::Ready(Err(_))) {
            let read = Pin::new(stream).poll_read(cx, &mut ReadBuf::new(&mut [0]));
            if self.note(read).is_pending() {
                return Poll::Pending;
            }
        }
        done
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream, alert) => alert.note(Pin::new(stream).poll_read(cx, buffer)),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream, alert) => {
                let done = Pin::new(&mut **stream).poll_write(cx, bytes);
                alert.look_for(stream, cx, done)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream, alert) => {
                let done = Pin::new(&mut **stream).poll_flush(cx);
                alert.look_for(stream, cx, done)
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream, _) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
