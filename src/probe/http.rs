//! `http://` and `https://`: one request over a new connection.

use std::error::Error as _;
use std::fs;

use reqwest::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, Request, Response, Url};

use super::status::Statuses;
use super::{Failure, Spec};
use crate::address::AddressError;
use crate::wording::masked;

/// The most of a body that is read.
const BODY_LIMIT: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct HttpProbe {
    client: Client,
    request: Request,
    expect: Statuses,
    body_regex: Option<regex_lite::Regex>,
}

impl HttpProbe {
    pub(super) fn new(spec: &Spec) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut take = |fault: String| faults.push(fault);
        let url = url(&spec.url)
            .map_err(|reason| take(format!("--check {:?}: {reason}", masked(&spec.url))))
            .ok();
        let method = match spec.method.as_deref() {
            None => Some(Method::GET),
            Some(text) => Method::from_bytes(text.as_bytes())
                .map_err(|_| {
                    take(format!(
                        "--method {text:?}: is no HTTP method; use GET or HEAD"
                    ))
                })
                .ok(),
        };
        let expect = match spec.expect.as_deref() {
            None => Some(Statuses::default()),
            Some(text) => text
                .parse()
                .map_err(|error| take(format!("--expect {text:?}: {error}")))
                .ok(),
        };
        let body_regex = match spec.body_regex.as_deref() {
            None => None,
            Some(text) => regex_lite::Regex::new(text)
                .map_err(|error| take(format!("--body-regex {text:?}: {error}")))
                .ok(),
        };
        let headers = headers(spec).map_err(&mut take).ok();
        let https = url.as_ref().is_some_and(|url| url.scheme() == "https");
        let client = client(spec, https).map_err(&mut take).ok();
        match (url, method, expect, headers, client) {
            (Some(url), Some(method), Some(expect), Some(headers), Some(client))
                if faults.is_empty() =>
            {
                // Turns a user in the URL into a header.
                let request = client.request(method, url).headers(headers).build();
                Ok(Self {
                    request: request.map_err(|error| vec![of_check(spec, &error)])?,
                    client,
                    expect,
                    body_regex,
                })
            }
            _ => Err(faults),
        }
    }

    pub(super) async fn attempt(&self) -> Result<String, Failure> {
        let mut request = Request::new(self.request.method().clone(), self.request.url().clone());
        request.headers_mut().clone_from(self.request.headers());
        let response = self
            .client
            .execute(request)
            .await
            .map_err(connection_failure)?;
        let status = response.status().as_u16();
        if !self.expect.contain(status) {
            return Err(Failure::Status(status));
        }
        let body = read(response).await?;
        match &self.body_regex {
            Some(regex) if !regex.is_match(&String::from_utf8_lossy(&body)) => Err(Failure::Body),
            Some(_) | None => Ok(format!("HTTP status {status}")),
        }
    }
}

fn client(spec: &Spec, https: bool) -> Result<Client, String> {
    let mut builder = Client::builder()
        .no_proxy()
        .http1_only()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        // A connection lives for one request, under a timeout of our own.
        .pool_max_idle_per_host(0)
        .tcp_keepalive(None)
        .tcp_keepalive_interval(None)
        .tcp_keepalive_retries(None)
        .tcp_user_timeout(None);
    if https {
        // Fails only where one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        if let Some(path) = &spec.ca_file {
            let pem = fs::read(path).map_err(|error| format!("--check-ca {path:?}: {error}"))?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or_else(|| format!("--check-ca {path:?}: holds no PEM certificate"))?;
            builder = builder.tls_certs_only(certificates);
        }
        builder = builder.tls_danger_accept_invalid_certs(spec.tls_skip_verify);
    } else {
        // The system's certificates take longer to load than all the rest of the start.
        builder = builder.tls_backend_preconfigured(no_tls()?);
    }
    builder.build().map_err(|error| of_check(spec, &error))
}

fn of_check(spec: &Spec, error: &reqwest::Error) -> String {
    format!("--check {:?}: {}", masked(&spec.url), innermost(error))
}

fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    // The parser passes over surplus slashes, and takes the path's first segment for the host.
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    if rest.starts_with(['/', '\\']) {
        return Err("names no host; write http://HOST:PORT/PATH".to_owned());
    }
    if url.port() == Some(0) {
        return Err(AddressError::Port.to_string());
    }
    Ok(url)
}

/// A TLS configuration that trusts nobody, for a client that will not use TLS.
fn no_tls() -> Result<rustls::ClientConfig, String> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth())
}

fn headers(spec: &Spec) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("register/", env!("CARGO_PKG_VERSION"))),
    );
    // A header's value may be a secret: faults name the header only.
    for (position, text) in spec.headers.iter().enumerate() {
        let number = position + 1;
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| format!("--header number {number}: write 'NAME: VALUE'"))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes())
            .map_err(|_| format!("--header number {number}: {name:?} is no header name"))?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| {
            format!("--header {name}: its value holds characters that headers may not")
        })?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    if let Some(host) = &spec.host {
        let unfit = |c: char| c.is_whitespace() || "/?#@".contains(c);
        let value = HeaderValue::from_str(host)
            .ok()
            .filter(|_| !host.is_empty() && !host.contains(unfit))
            .ok_or_else(|| format!("--host {host:?}: is no host name"))?;
        headers.insert(HOST, value);
    }
    Ok(headers)
}

/// Reads the body as far as the limit: a backend that stalls in its body is not well.
async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while body.len() < BODY_LIMIT {
        match response.chunk().await.map_err(connection_failure)? {
            Some(chunk) => {
                body.extend_from_slice(&chunk[..chunk.len().min(BODY_LIMIT - body.len())])
            }
            None => break,
        }
    }
    Ok(body)
}

fn connection_failure(error: reqwest::Error) -> Failure {
    Failure::Connection(innermost(&error))
}

/// The text of the last cause: the layers above it only say that there was an error.
fn innermost(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}
