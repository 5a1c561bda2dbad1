//! What is asked for: the URL, the method and the headers, as the flags have them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use reqwest::{Method, Url};

use crate::address::AddressError;
use crate::probe::Spec;

pub(super) fn url(text: &str) -> Result<Url, String> {
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

pub(super) fn method(text: Option<&str>) -> Result<Method, String> {
    let text = text.unwrap_or("GET");
    Method::from_bytes(text.as_bytes())
        .map_err(|_| format!("--method {text:?}: is no HTTP method; use GET or HEAD"))
}

pub(super) fn headers(spec: &Spec, url: &Url) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, authority(url)?);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
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
    if let Some(credentials) = credentials(url)
        && !headers.contains_key(AUTHORIZATION)
    {
        headers.insert(AUTHORIZATION, credentials);
    }
    Ok(headers)
}

/// The host, and the port where it is not the scheme's own.
fn authority(url: &Url) -> Result<HeaderValue, String> {
    let host = url.host_str().unwrap_or_default();
    let text = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    HeaderValue::try_from(text).map_err(|error| error.to_string())
}

/// The user and password in the URL, as a header.
fn credentials(url: &Url) -> Option<HeaderValue> {
    let plain = |text| percent_decode_str(text).collect::<Vec<u8>>();
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut login = plain(url.username());
    login.push(b':');
    login.extend(plain(url.password().unwrap_or_default()));
    let mut value = format!("Basic {}", BASE64_STANDARD.encode(login))
        .parse::<HeaderValue>()
        .ok()?;
    value.set_sensitive(true);
    Some(value)
}
