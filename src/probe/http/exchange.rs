//! One request and its answer over a connection, by `hyper`.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::Builder;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use reqwest::Url;

use super::{Expected, failure};
use crate::probe::attempt::Failure;
use crate::probe::way::Way;

/// As many headers as an answer usually has at the most.
const USUAL_HEADERS: usize = 100;

/// As many as curl takes.
const MAX_HEADERS: usize = 5000;

#[derive(Debug)]
pub(super) struct Exchange {
    way: Way,
    /// For so many headers: as the last answer needed it. Much room costs each probe time.
    room: AtomicUsize,
    request: Request<Empty<Bytes>>,
}

impl Exchange {
    pub(super) fn new(
        way: Way,
        method: Method,
        url: &Url,
        headers: HeaderMap,
    ) -> Result<Self, String> {
        let mut target = url.path().to_owned();
        if let Some(query) = url.query() {
            target.extend(["?", query]);
        }
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method;
        *request.uri_mut() = target
            .parse::<Uri>()
            .map_err(|error| format!("{target:?}: {error}"))?;
        *request.headers_mut() = headers;
        Ok(Self {
            way,
            room: AtomicUsize::new(MAX_HEADERS),
            request,
        })
    }

    /// Sends the request, and reads and judges the answer while the connection lasts.
    pub(super) async fn with(&self, expected: &Expected) -> Result<String, Failure> {
        let room = self.room.load(Ordering::Relaxed);
        match self.within(room, expected).await {
            Err(Broken::NoRoom(_)) if room < MAX_HEADERS => {
                self.room.store(MAX_HEADERS, Ordering::Relaxed);
                let again = self.within(MAX_HEADERS, expected).await;
                again.map_err(Broken::failure)
            }
            done => done.map_err(Broken::failure),
        }
    }

    /// With room for so many headers.
    async fn within(&self, room: usize, expected: &Expected) -> Result<String, Broken> {
        let stream = self.way.connect().await?;
        // As lenient as curl and browsers.
        let opened = Builder::new()
            .max_headers(room)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .handshake(TokioIo::new(stream))
            .await;
        let (mut sender, connection) = opened?;
        let exchange = async {
            let answer = sender.send_request(self.request.clone()).await?;
            if answer.headers().len() <= USUAL_HEADERS {
                self.room.store(USUAL_HEADERS, Ordering::Relaxed);
            }
            Ok(expected.judge(answer).await?)
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            result = &mut exchange => result,
            // `exchange` reports the same failure.
            _ended = &mut connection => exchange.await,
        }
    }
}

/// Why an exchange came to nothing.
enum Broken {
    /// There was room for fewer headers than the answer has.
    NoRoom(Failure),
    Else(Failure),
}

impl Broken {
    fn failure(self) -> Failure {
        match self {
            Self::NoRoom(failure) | Self::Else(failure) => failure,
        }
    }
}

impl From<hyper::Error> for Broken {
    fn from(error: hyper::Error) -> Self {
        let broken = if error.is_parse_too_large() {
            Self::NoRoom
        } else {
            Self::Else
        };
        broken(failure(&error))
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Else(failure)
    }
}
