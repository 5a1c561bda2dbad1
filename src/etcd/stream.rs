//! A connection's bytes, encrypted or not, and what is to be known of them.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::config::FLAGS;
use super::error::{EtcdError, Problem};
use crate::tls;

pub(super) struct Stream {
    pub(super) transport: Transport,
    pub(super) notes: Notes,
}

pub(super) enum Transport {
    Plain(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What is seen of a connection from below.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    /// Why the server broke TLS off after the handshake, as where it wants a client's certificate.
    /// The layers above often know no more than that the connection is closed.
    alert: Arc<OnceLock<String>>,
    arrived: Arc<AtomicU64>,
}

impl Notes {
    /// Bytes that have come in.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// The error that says more: the alert, if there was one.
    pub(super) fn explain(&self, error: EtcdError) -> EtcdError {
        match self.alert.get() {
            Some(alert) if !error.is_answer() => EtcdError {
                problem: Problem::Refused,
                reason: tls::explained(alert.clone(), FLAGS),
                ..error
            },
            Some(_) | None => error,
        }
    }

    fn note<T>(&self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &done
            && error.kind() == io::ErrorKind::InvalidData
        {
            self.alert.get_or_init(|| error.to_string());
        }
        done
    }

    /// Where writing failed, the alert is yet to be read: it came before the end that writing met.
    fn look_for_alert<T>(
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
        let Self { transport, notes } = self.get_mut();
        let before = buffer.filled().len();
        let polled = match transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Tls(stream) => notes.note(Pin::new(stream).poll_read(cx, buffer)),
        };
        let came = u64::try_from(buffer.filled().len() - before).unwrap_or(u64::MAX);
        notes.arrived.fetch_add(came, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { transport, notes } = self.get_mut();
        match transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tls(stream) => {
                let done = Pin::new(&mut **stream).poll_write(cx, bytes);
                notes.look_for_alert(stream, cx, done)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { transport, notes } = self.get_mut();
        match transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => {
                let done = Pin::new(&mut **stream).poll_flush(cx);
                notes.look_for_alert(stream, cx, done)
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
