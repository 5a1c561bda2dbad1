//! Answers over HTTP, with what browsers are told on each of them.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::page;

pub(super) type Answer = Response<Full<Bytes>>;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// On each.
const FOR_BROWSERS: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'"),
];

fn of(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in FOR_BROWSERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// A line for whoever asks.
pub(super) fn words(status: StatusCode, words: &str) -> Answer {
    of(status, TEXT, format!("{words}\n").into())
}

pub(super) fn metrics(body: Bytes) -> Answer {
    of(StatusCode::OK, OPEN_METRICS, body)
}

pub(super) fn status(body: Bytes) -> Answer {
    of(StatusCode::OK, JSON, body)
}

pub(super) fn json(status: StatusCode, value: &Value) -> Answer {
    of(status, JSON, format!("{value}\n").into())
}

/// The page alone may use what is in it.
pub(super) fn page(body: Bytes) -> Answer {
    let mut answer = of(StatusCode::OK, HTML, body);
    if let Ok(policy) = HeaderValue::from_str(&page::policy()) {
        let headers = answer.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    answer
}

pub(super) fn not_allowed(allowed: &'static str) -> Answer {
    let mut answer = words(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    let headers = answer.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}
