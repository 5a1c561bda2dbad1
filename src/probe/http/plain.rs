//! Without TLS, by `hyper` alone.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::Builder;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use reqwest::Url;

use super::{MAX_HEADERS, failure};
use crate::probe::Failure;
use crate::probe::connect::connect;

#[derive(Debug)]
pub(super) struct Plain {
    /// A name or an IP address; that without brackets.
    host: String,
    port: u16,
    timeout: Duration,
    request: Request<Empty<Bytes>>,
}

impl Plain {
    pub(super) fn new(
        method: Method,
        url: &Url,
        headers: HeaderMap,
        timeout: Duration,
    ) -> Result<Self, String> {
        let host = url.host_str().unwrap_or_default();
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
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default().unwrap_or(80),
            timeout,
            request,
        })
    }

    /// Sends the request and lets `judge` read the answer while the connection lasts.
    pub(super) async fn exchange(
        &self,
        judge: impl AsyncFnOnce(Response<Incoming>) -> Result<String, Failure>,
    ) -> Result<String, Failure> {
        let stream = connect(&self.host, self.port, self.timeout).await?;
        // As lenient as curl and browsers.
        let opened = Builder::new()
            .max_headers(MAX_HEADERS)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .handshake(TokioIo::new(stream))
            .await;
        let (mut sender, connection) = opened.map_err(|error| failure(&error))?;
        let exchange = async {
            let answer = sender.send_request(self.request.clone()).await;
            judge(answer.map_err(|error| failure(&error))?).await
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            result = &mut exchange => result,
            // What it failed of, `exchange` is told too.
            _ended = &mut connection => exchange.await,
        }
    }
}
