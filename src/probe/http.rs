//! `http://` and `https://`: one request over a new connection.

mod over_tls;
mod plain;
mod request;

use std::error::Error;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Body;
use regex_lite::Regex;

use self::over_tls::Tls;
use self::plain::Plain;
use super::attempt::Failure;
use super::status::Statuses;
use super::{Spec, host_fault};
use crate::fault::Fault;
use crate::tls;

const FLAGS: tls::Flags = tls::Flags {
    ca: "--check-ca",
    skip_verify: "--tls-skip-verify",
};

/// The most of a body that is read.
const BODY_LIMIT: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct HttpProbe {
    way: Way,
    expected: Expected,
}

/// What an answer must be like.
#[derive(Debug)]
struct Expected {
    statuses: Statuses,
    body: Option<Regex>,
}

#[derive(Debug)]
enum Way {
    /// Half the work of what `reqwest` does on top of it, and probing is what an agent does all day.
    Plain(Box<Plain>),
    Tls(Box<Tls>),
}

impl HttpProbe {
    pub(super) fn new(spec: &Spec) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut take = |fault: Fault| faults.push(fault);
        let url = request::url(&spec.url)
            .map_err(|reason| take(spec.fault_of_check(reason)))
            .ok();
        let method = request::method(spec.method.as_deref())
            .map_err(&mut take)
            .ok();
        let expect = match spec.expect.as_deref() {
            None => Some(Statuses::default()),
            Some(text) => text
                .parse()
                .map_err(|error: String| take(Fault::of_value("--expect", text, error)))
                .ok(),
        };
        let body_regex = match spec.body_regex.as_deref() {
            None => None,
            Some(text) => Regex::new(text)
                .map_err(|error| take(Fault::of_value("--body-regex", text, error)))
                .ok(),
        };
        let way = url.and_then(|url| {
            let headers = request::headers(spec, &url).map_err(&mut take);
            let way = match (method, headers.ok(), url.scheme()) {
                (Some(method), Some(headers), "https") => {
                    Tls::new(spec, method, url, headers).map(|tls| Way::Tls(Box::new(tls)))
                }
                (Some(method), Some(headers), _) => Plain::new(method, &url, headers, spec.timeout)
                    .map(|plain| Way::Plain(Box::new(plain)))
                    .map_err(|reason| spec.fault_of_check(reason)),
                _ => return None,
            };
            way.map_err(&mut take).ok()
        });
        match (way, expect) {
            (Some(way), Some(statuses)) if faults.is_empty() => Ok(Self {
                way,
                expected: Expected {
                    statuses,
                    body: body_regex,
                },
            }),
            _ => Err(faults),
        }
    }

    pub(super) async fn attempt(&self) -> Result<String, Failure> {
        match &self.way {
            Way::Plain(plain) => plain.exchange(&self.expected).await,
            Way::Tls(tls) => self.expected.judge(tls.exchange().await?).await,
        }
    }
}

impl Expected {
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

fn failure(error: &(dyn Error + 'static)) -> Failure {
    match host_fault::among(error) {
        Some(own) => Failure::OwnHost(own.to_string()),
        None => Failure::Connection(tls::explained(innermost(error), FLAGS)),
    }
}

/// The text of the last cause: the layers above it only say that there was an error.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
