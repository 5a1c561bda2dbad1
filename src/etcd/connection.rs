//! One connection to one endpoint at a time. Which endpoint, and when to move on, is decided by
//! the caller: a balancer would keep a hung endpoint in its rotation.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Endpoint, Uri};

use super::error::EtcdError;
use crate::config::EtcdConfig;

/// Connecting, TLS and login included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// etcd refuses clients that ping more often than every 5 s.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Connects to the endpoints in turn.
#[derive(Debug)]
pub struct Connector {
    config: EtcdConfig,
    current: usize,
}

/// A connected client that gives each call a deadline.
#[derive(Clone)]
pub struct Connection {
    pub(super) client: Client,
    endpoint: String,
    call_timeout: Duration,
}

impl Connector {
    /// `config.endpoints` is not empty.
    #[must_use]
    pub fn new(config: EtcdConfig) -> Self {
        Self { config, current: 0 }
    }

    #[must_use]
    pub fn endpoint_count(&self) -> usize {
        self.config.endpoints.len()
    }

    /// The next attempt goes to the next endpoint.
    pub fn rotate(&mut self) {
        self.current = (self.current + 1) % self.config.endpoints.len();
    }

    /// One attempt at the current endpoint, within the time for a call, at most two seconds.
    ///
    /// # Errors
    /// [`EtcdError`], naming the endpoint.
    pub async fn connect(&self, call_timeout: Duration) -> Result<Connection, EtcdError> {
        let url = &self.config.endpoints[self.current];
        let limit = call_timeout.min(CONNECT_TIMEOUT);
        match timeout(limit, self.open(url, call_timeout)).await {
            Ok(result) => result,
            Err(_) => Err(EtcdError::Timeout {
                endpoint: url.clone(),
                after: limit,
            }),
        }
    }

    /// Tries each endpoint once.
    ///
    /// # Errors
    /// The first refusal, as it needs somebody's hand; else the last endpoint's error.
    pub async fn connect_any(&mut self, call_timeout: Duration) -> Result<Connection, EtcdError> {
        let mut failure = match self.connect(call_timeout).await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        for _ in 1..self.endpoint_count() {
            self.rotate();
            match self.connect(call_timeout).await {
                Ok(connection) => return Ok(connection),
                Err(_) if failure.is_refusal() => {}
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn open(&self, url: &str, call_timeout: Duration) -> Result<Connection, EtcdError> {
        let transport_error =
            |error: tonic::transport::Error| EtcdError::from_transport(url.to_owned(), &error);
        let tls = self
            .config
            .tls
            .clone()
            .filter(|_| url.starts_with("https://"));
        // tonic would insist on its own TLS for an https:// URL; ours is in the stream already.
        let channel = Endpoint::from_shared(url.replacen("https://", "http://", 1))
            .map_err(transport_error)?
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_with_connector(tower::service_fn(move |uri: Uri| {
                let tls = tls.clone();
                async move { dial(&uri, tls).await.map(TokioIo::new) }
            }))
            .await
            .map_err(transport_error)?;
        let mut options = ConnectOptions::new().with_require_leader(true);
        if let Some(credentials) = &self.config.credentials {
            options = options
                .with_user(&credentials.user, &credentials.password)
                .with_auto_token_refresh(true);
        }
        let client = Client::from_channel(etcd_client::Channel::Tonic(channel), Some(options))
            .await
            .map_err(|error| EtcdError::from_client(url, &error))?;
        Ok(Connection {
            client,
            endpoint: url.to_owned(),
            call_timeout,
        })
    }
}

impl Connection {
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Waits for one call's answer, at most the call timeout.
    ///
    /// # Errors
    /// [`EtcdError`], naming the endpoint.
    pub(super) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, etcd_client::Error>>,
    ) -> Result<T, EtcdError> {
        match timeout(self.call_timeout, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.error(&error)),
            Err(_) => Err(EtcdError::Timeout {
                endpoint: self.endpoint.clone(),
                after: self.call_timeout,
            }),
        }
    }

    pub(super) fn error(&self, error: &etcd_client::Error) -> EtcdError {
        EtcdError::from_client(&self.endpoint, error)
    }

    pub(super) fn refused(&self, reason: &str) -> EtcdError {
        EtcdError::Refused {
            endpoint: self.endpoint.clone(),
            reason: reason.to_owned(),
        }
    }

    pub(super) fn broken(&self, reason: &str) -> EtcdError {
        EtcdError::Unavailable {
            endpoint: self.endpoint.clone(),
            reason: reason.to_owned(),
        }
    }
}

async fn dial(uri: &Uri, tls: Option<Arc<rustls::ClientConfig>>) -> io::Result<Stream> {
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let tcp = TcpStream::connect((host, uri.port_u16().unwrap_or_default())).await?;
    tcp.set_nodelay(true)?;
    let Some(tls) = tls else {
        return Ok(Stream::Plain(tcp));
    };
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(tls).connect(name, tcp).await?;
    Ok(Stream::Tls(Box::new(stream)))
}

/// A connection's bytes, encrypted or not.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
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
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
