//! `http://`, `https://` and `http+unix:`: one request over a new connection.

mod exchange;
mod request;

use std::error::Error;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Body;
use regex_lite::Regex;
use reqwest::Url;

use self::exchange::Exchange;
use super::Spec;
use super::attempt::Failure;
use super::failure::failure;
use super::secure::{HTTP, Secure};
use super::status::Statuses;
use super::tcp::TcpProbe;
use super::unix::UnixProbe;
use super::way::Way;
use crate::fault::Fault;

/// The most of a body that is read.
const BODY_LIMIT: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct HttpProbe {
    exchange: Exchange,
    expected: Expected,
}

/// What an answer must be like.
#[derive(Debug)]
struct Expected {
    statuses: Statuses,
    body: Option<Regex>,
}

impl HttpProbe {
    pub(super) fn over_network(spec: &Spec) -> Result<Self, Vec<Fault>> {
        let url = request::url(&spec.url).map_err(|reason| spec.fault_of_check(reason));
        Self::new(spec, url, |url| network(spec, url))
    }

    /// `rest` follows the scheme: `PATH:/URL`.
    pub(super) fn over_socket(spec: &Spec, rest: &str) -> Result<Self, Vec<Fault>> {
        let (path, target) = rest.split_once(':').unwrap_or((rest, "/"));
        let url = request::local_url(target).map_err(|reason| spec.fault_of_check(reason));
        Self::new(spec, url, |_| {
            let to = UnixProbe::new(path).map_err(|reason| vec![spec.fault_of_check(reason)]);
            to.map(Way::Unix)
        })
    }

    fn new(
        spec: &Spec,
        url: Result<Url, Fault>,
        way: impl FnOnce(&Url) -> Result<Way, Vec<Fault>>,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut take = |found: Vec<Fault>| faults.extend(found);
        let url = url.map_err(|fault| take(vec![fault])).ok();
        let method = request::method(spec.method.as_deref());
        let method = method.map_err(|fault| take(vec![fault])).ok();
        let expected = Expected::new(spec).map_err(&mut take).ok();
        let headers = url.as_ref().and_then(|url| {
            let headers = request::headers(spec, url);
            headers.map_err(|fault| take(vec![fault])).ok()
        });
        let way = url.as_ref().and_then(|url| way(url).map_err(take).ok());
        let (Some(url), Some(method), Some(expected), Some(headers), Some(way)) =
            (url, method, expected, headers, way)
        else {
            return Err(faults);
        };
        let exchange = Exchange::new(way, method, &url, headers)
            .map_err(|reason| vec![spec.fault_of_check(reason)])?;
        Ok(Self { exchange, expected })
    }

    pub(super) async fn attempt(&self) -> Result<String, Failure> {
        self.exchange.with(&self.expected).await
    }
}

/// The way to where a URL leads.
fn network(spec: &Spec, url: &Url) -> Result<Way, Vec<Fault>> {
    let host = url.host_str().unwrap_or_default();
    let to = TcpProbe {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port_or_known_default().unwrap_or(80),
        timeout: spec.timeout,
    };
    if url.scheme() == "http" {
        return Ok(Way::Tcp(to));
    }
    let secure = Secure::new(spec, &to.host, Some(HTTP))?;
    Ok(Way::Tls(to, Box::new(secure)))
}

impl Expected {
    fn new(spec: &Spec) -> Result<Self, Vec<Fault>> {
        let statuses = spec.expect.as_deref().map(|text| {
            let statuses = text.parse::<Statuses>();
            statuses.map_err(|error| Fault::of_value("--expect", text, error))
        });
        let body = spec.body_regex.as_deref().map(|text| {
            let regex = Regex::new(text);
            regex.map_err(|error| Fault::of_value("--body-regex", text, error))
        });
        match (statuses.transpose(), body.transpose()) {
            (Ok(statuses), Ok(body)) => Ok(Self {
                statuses: statuses.unwrap_or_default(),
                body,
            }),
            (statuses, body) => Err(statuses.err().into_iter().chain(body.err()).collect()),
        }
    }

    async fn judge<B>(&self, answer: Response<B>) -> Result<String, Failure>
    where
        B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
    {
        let status = answer.status().as_u16();
        if !self.statuses.contain(status) {
            return Err(Failure::Status(status));
        }
        let body = read(answer.into_body()).await?;
        match &self.body {
            Some(regex) if !matches(regex, &String::from_utf8_lossy(&body)) => Err(Failure::Body),
            Some(_) | None => Ok(format!("HTTP status {status}")),
        }
    }
}

/// The newline that a text ends with may be there for `$` or not.
fn matches(regex: &Regex, body: &str) -> bool {
    let line = body
        .strip_suffix('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    regex.is_match(body) || line.is_some_and(|line| regex.is_match(line))
}

/// Reads the body as far as the limit: a backend that stalls in its body is not well.
async fn read<B>(mut body: B) -> Result<Vec<u8>, Failure>
where
    B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
{
    let mut text = Vec::new();
    while text.len() < BODY_LIMIT {
        let Some(frame) = body.frame().await else {
            break;
        };
        if let Ok(chunk) = frame.map_err(|error| failure(&error))?.into_data() {
            text.extend_from_slice(&chunk[..chunk.len().min(BODY_LIMIT - text.len())]);
        }
    }
    Ok(text)
}
