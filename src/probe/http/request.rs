//! What is asked for: the URL, the method and the headers, as the flags have them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, Entry, HOST, HeaderMap, HeaderName,
    HeaderValue, TRANSFER_ENCODING, USER_AGENT,
};
use reqwest::{Method, Url};

use crate::address::AddressError;
use crate::fault::Fault;
use crate::probe::Spec;

/// Servers take a hundred or so.
const MOST_HEADERS: usize = 1000;

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

/// Of what is asked for over a Unix socket, where no host is named.
pub(super) fn local_url(target: &str) -> Result<Url, String> {
    if !target.starts_with('/') {
        return Err("has no URL behind its path; write http+unix:/run/app.sock:/URL".to_owned());
    }
    Url::parse(&format!("http://localhost{target}")).map_err(|error| error.to_string())
}

pub(super) fn method(text: Option<&str>) -> Result<Method, Fault> {
    let text = text.unwrap_or("GET");
    Method::from_bytes(text.as_bytes())
        .map_err(|_| Fault::of_value("--method", text, "is no HTTP method; use GET or HEAD"))
}

/// Ours, and those that are given: one that is given takes the place of ours, and an empty one just
/// takes it away.
pub(super) fn headers(spec: &Spec, url: &Url) -> Result<HeaderMap, Fault> {
    let mut headers = given(spec)?;
    let host = match &spec.host {
        Some(_) if headers.contains_key(HOST) => {
            let words = "and --header Host: give one of the two";
            return Err(Fault::sentence("--host", words));
        }
        Some(host) => host_header(host)?,
        None => authority(url).map_err(|reason| spec.fault_of_check(reason))?,
    };
    let agent = HeaderValue::from_static(concat!("register/", env!("CARGO_PKG_VERSION")));
    let ours = [
        (HOST, host),
        (CONNECTION, HeaderValue::from_static("close")),
        (ACCEPT, HeaderValue::from_static("*/*")),
        (USER_AGENT, agent),
    ];
    let login = credentials(url).map(|login| (AUTHORIZATION, login));
    for (name, value) in ours.into_iter().chain(login) {
        match headers.entry(name) {
            Entry::Occupied(given) if given.get().is_empty() => {
                given.remove_entry_mult();
            }
            Entry::Occupied(_) => {}
            Entry::Vacant(place) => {
                place.insert(value);
            }
        }
    }
    Ok(headers)
}

/// A header's value may be a secret: faults name the header only.
fn given(spec: &Spec) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    if spec.headers.len() > MOST_HEADERS {
        let count = spec.headers.len();
        let words = format!("is given {count} times; {MOST_HEADERS} are the most");
        return Err(Fault::sentence("--header", words));
    }
    for (position, text) in spec.headers.iter().enumerate() {
        let number = position + 1;
        let fault = |words: String| Fault::sentence("--header", words);
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| fault(format!("number {number}: write 'NAME: VALUE'")))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes())
            .map_err(|_| fault(format!("number {number}: {name:?} is no header name")))?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| {
            fault(format!(
                "{name}: its value holds characters that headers may not"
            ))
        })?;
        if [TRANSFER_ENCODING, CONTENT_LENGTH].contains(&name) && value != "0" {
            return Err(fault(format!("{name}: a check sends no body")));
        }
        if name == HOST && (value.is_empty() || headers.contains_key(HOST)) {
            return Err(fault(format!("{name}: give one host name")));
        }
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn host_header(host: &str) -> Result<HeaderValue, Fault> {
    let unfit = |c: char| c.is_whitespace() || "/?#@".contains(c);
    HeaderValue::from_str(host)
        .ok()
        .filter(|_| !host.is_empty() && !host.contains(unfit))
        .ok_or_else(|| Fault::of_value("--host", host, "is no host name"))
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
