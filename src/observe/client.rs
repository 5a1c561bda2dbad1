//! Asks a process at its control socket.

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The most of an answer: some 20,000 services take a quarter of it.
const ANSWER_SIZE: usize = 64 << 20;

/// How long an answer may take, besides what it is asked to wait for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a process could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("there is no such socket")]
    Missing,
    #[error("nobody listens there any more")]
    Stale,
    #[error("permission denied; ask as root, or as the user or group of the socket")]
    Denied,
    #[error("the process does not answer")]
    Silent,
    #[error("the answer is larger than 64 MiB")]
    TooLarge,
    /// It answers otherwise than asked to.
    #[error("the process refused: {0}")]
    Refused(String),
    #[error("{0}")]
    Broken(String),
}

/// What became of services that were to be taken out, or back in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrainReply {
    /// With these keys.
    Done(Vec<String>),
    /// There is none of that name or key.
    Unknown,
    Refused(String),
    /// It stays in force.
    Unconfirmed,
}

/// What a process knows of itself.
///
/// # Errors
/// When it could not be asked.
pub async fn status(path: &Path) -> Result<Value, ClientError> {
    let asked = ask(path, Method::GET, "/api/v1/status");
    let (status, body) = within(PATIENCE, asked).await?;
    match status {
        StatusCode::OK => parse(&body),
        StatusCode::SERVICE_UNAVAILABLE => Err(ClientError::Silent),
        _ => Err(ClientError::Refused(status.to_string())),
    }
}

/// Takes services out, or back in, and waits for it for so long.
///
/// # Errors
/// When the process could not be asked.
pub async fn drain(
    path: &Path,
    service: &str,
    drained: bool,
    wait: Duration,
) -> Result<DrainReply, ClientError> {
    let what = if drained { "drain" } else { "resume" };
    let service = utf8_percent_encode(service, NON_ALPHANUMERIC);
    let millis = wait.as_millis();
    let target = format!("/api/v1/{what}?service={service}&timeout={millis}ms");
    let asked = ask(path, Method::POST, &target);
    let (status, body) = within(wait.saturating_add(PATIENCE), asked).await?;
    let json = parse(&body)?;
    let reason = || json["error"].as_str().unwrap_or_default().to_owned();
    match status {
        StatusCode::OK => Ok(DrainReply::Done(texts(&json["services"]))),
        StatusCode::NOT_FOUND => Ok(DrainReply::Unknown),
        StatusCode::CONFLICT => Ok(DrainReply::Refused(reason())),
        StatusCode::GATEWAY_TIMEOUT => Ok(DrainReply::Unconfirmed),
        _ => Err(ClientError::Refused(reason())),
    }
}

fn parse(body: &[u8]) -> Result<Value, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Broken(error.to_string()))
}

fn texts(array: &Value) -> Vec<String> {
    let items = array.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    timeout(limit, asked)
        .await
        .unwrap_or(Err(ClientError::Silent))
}

async fn ask(
    path: &Path,
    method: Method,
    target: &str,
) -> Result<(StatusCode, Bytes), ClientError> {
    let stream = UnixStream::connect(path).await.map_err(of_connecting)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let request = Request::builder().method(method).uri(target);
    let request = request.body(Empty::<Bytes>::new()).map_err(broken)?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        Ok((answer.status(), read(answer).await?))
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        answered = &mut exchange => answered,
        // `exchange` reports the same failure.
        _ended = &mut connection => exchange.await,
    }
}

async fn read(answer: Response<Incoming>) -> Result<Bytes, ClientError> {
    let mut body = answer.into_body();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(chunk) = frame.map_err(broken)?.into_data() {
            if bytes.len() + chunk.len() > ANSWER_SIZE {
                return Err(ClientError::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(bytes.freeze())
}

fn of_connecting(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::NotFound => ClientError::Missing,
        io::ErrorKind::ConnectionRefused => ClientError::Stale,
        io::ErrorKind::PermissionDenied => ClientError::Denied,
        // Its queue is full.
        io::ErrorKind::WouldBlock => ClientError::Silent,
        _ => ClientError::Broken(error.to_string()),
    }
}

/// With its cause, which tells more.
fn broken(error: impl Error) -> ClientError {
    let cause = error.source().map(|cause| format!(": {cause}"));
    ClientError::Broken(format!("{error}{}", cause.unwrap_or_default()))
}
