//! Over TLS, by `reqwest`.

use std::fs;

use hyper::Response;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Body, Certificate, Client, Method, Request, Url};

use super::{failure, innermost};
use crate::probe::{Failure, Spec};
use crate::wording::masked;

#[derive(Debug)]
pub(super) struct Tls {
    client: Client,
    request: Request,
}

impl Tls {
    pub(super) fn new(
        spec: &Spec,
        method: Method,
        mut url: Url,
        headers: HeaderMap,
    ) -> Result<Self, String> {
        // They are among the headers; an `https://` URL has a place for them.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let mut request = Request::new(method, url);
        *request.headers_mut() = headers;
        Ok(Self {
            client: client(spec)?,
            request,
        })
    }

    pub(super) async fn exchange(&self) -> Result<Response<Body>, Failure> {
        let mut request = Request::new(self.request.method().clone(), self.request.url().clone());
        request.headers_mut().clone_from(self.request.headers());
        let answer = self.client.execute(request).await;
        answer.map(Response::from).map_err(|error| failure(&error))
    }
}

/// A client that trusts whom the flags say, or the system's certificates.
fn client(spec: &Spec) -> Result<Client, String> {
    // Fails only where one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
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
        .tcp_user_timeout(None)
        .tls_danger_accept_invalid_certs(spec.tls_skip_verify);
    if let Some(path) = &spec.ca_file {
        let pem = fs::read(path).map_err(|error| format!("--check-ca {path:?}: {error}"))?;
        let certificates = Certificate::from_pem_bundle(&pem)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| format!("--check-ca {path:?}: holds no PEM certificate"))?;
        builder = builder.tls_certs_only(certificates);
    }
    builder
        .build()
        .map_err(|error| format!("--check {:?}: {}", masked(&spec.url), innermost(&error)))
}
