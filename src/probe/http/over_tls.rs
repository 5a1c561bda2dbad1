//! Over TLS, by `reqwest`.

use std::time::Duration;

use hyper::Response;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Method, Request, Url};

use super::{failure, innermost};
use crate::fault::Fault;
use crate::probe::Spec;
use crate::probe::attempt::Failure;
use crate::tls::{self, Verifier};

/// The most headers of an answer: room for them costs each probe time.
const MAX_HEADERS: usize = 1000;

#[derive(Debug)]
pub(super) struct Tls {
    client: Client,
    timeout: Duration,
    request: Request,
}

impl Tls {
    pub(super) fn new(
        spec: &Spec,
        method: Method,
        mut url: Url,
        headers: HeaderMap,
    ) -> Result<Self, Fault> {
        // They are among the headers; an `https://` URL has a place for them.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let mut request = Request::new(method, url);
        *request.headers_mut() = headers;
        Ok(Self {
            client: client(spec)?,
            timeout: spec.timeout,
            request,
        })
    }

    pub(super) async fn exchange(&self) -> Result<Response<Body>, Failure> {
        let mut request = Request::new(self.request.method().clone(), self.request.url().clone());
        request.headers_mut().clone_from(self.request.headers());
        let answer = self.client.execute(request).await;
        answer.map(Response::from).map_err(|error| {
            if error.is_timeout() {
                return Failure::Timeout(self.timeout);
            }
            failure(&error)
        })
    }
}

/// A client that trusts whom the flags say, or the system's certificates.
fn client(spec: &Spec) -> Result<Client, Fault> {
    let mut tls = tls::client()
        .map_err(|error| spec.fault_of_check(error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier(spec)?)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let builder = Client::builder()
        .no_proxy()
        .http1_only()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        // As lenient as curl and browsers.
        .http1_max_headers(MAX_HEADERS)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        // A connection lives for one request, under a timeout of our own.
        .pool_max_idle_per_host(0)
        .tcp_keepalive(None)
        .tcp_keepalive_interval(None)
        .tcp_keepalive_retries(None)
        .tcp_user_timeout(None)
        // The addresses of a name share it.
        .connect_timeout(spec.timeout)
        .tls_backend_preconfigured(tls);
    builder
        .build()
        .map_err(|error| spec.fault_of_check(innermost(&error)))
}

fn verifier(spec: &Spec) -> Result<Verifier, Fault> {
    match &spec.ca_file {
        _ if spec.tls_skip_verify => Ok(tls::taking_any()),
        Some(path) => tls::certificates(path)
            .and_then(tls::trusting)
            .map_err(|reason| Fault::of_value("--check-ca", path, reason)),
        None => tls::trusting_as_the_system()
            .map_err(|reason| spec.fault_of_check(format!("{reason}; give --check-ca"))),
    }
}
