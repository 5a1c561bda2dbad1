//! Endpoints of etcd, as people write them.

use super::faults::Faults;
use super::setting::Setting;
use crate::address::{Address, AddressError};
use crate::fault::Fault;

const DEFAULT_PORT: u16 = 2379;

/// Which endpoints there may be.
#[derive(Clone, Copy)]
pub(super) struct EndpointRules {
    /// Those without a scheme are `https://`.
    pub bare_is_tls: bool,
    /// `http://` is a mistake.
    pub tls_only: bool,
    /// `unix://PATH` is one.
    pub sockets: bool,
}

/// `user_flag` is where user and password go.
pub(super) fn endpoints(
    given: &Setting,
    rules: EndpointRules,
    user_flag: &str,
    faults: &mut Faults,
) -> Vec<String> {
    let Setting { place, value: list } = given;
    if list.contains('@') {
        // Where the secret begins and ends is anybody's guess: nothing of the list is repeated.
        let what = format!("must not hold a user or password; give them with {user_flag}");
        faults.add(Fault::of(place.clone(), what));
        return Vec::new();
    }
    let texts: Vec<_> = list
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    if texts.is_empty() {
        faults.add(given.fault("names no endpoint; give at least one HOST:PORT"));
    }
    texts
        .into_iter()
        .filter_map(|text| {
            let endpoint = endpoint(text, rules);
            faults.take(endpoint.map_err(|reason| Fault::of_value(place.clone(), text, reason)))
        })
        .collect()
}

fn endpoint(text: &str, rules: EndpointRules) -> Result<String, String> {
    if text.contains(['"', '\'']) {
        return Err("has quotes in it; leave them out".to_owned());
    }
    if text.contains(|c: char| c == ';' || c.is_whitespace()) {
        return Err(
            "is not one endpoint; separate several with commas, as in 10.0.0.1:2379,10.0.0.2:2379"
                .to_owned(),
        );
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None if is_mistyped_url(text) => {
            return Err("is no URL; write http://HOST:PORT or https://HOST:PORT".to_owned());
        }
        None => (
            (if rules.bare_is_tls { "https" } else { "http" }).to_owned(),
            text,
        ),
    };
    match scheme.as_str() {
        "http" if rules.tls_only => {
            return Err("is not TLS, but TLS flags are given; use https://".to_owned());
        }
        "http" | "https" => {}
        "unix" if rules.sockets => return socket(rest),
        "unixs" if rules.sockets => {
            return Err(
                "TLS over a Unix socket is not supported; use unix:// or https://".to_owned(),
            );
        }
        "unix" | "unixs" => {
            return Err("Unix sockets are not supported; use http:// or https://".to_owned());
        }
        _ => return Err("unknown scheme; use http:// or https://".to_owned()),
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return Err(format!(
            "has more than host and port; write {scheme}://HOST:PORT without a path"
        ));
    }
    match rest.parse::<Address>() {
        Ok(address) => Ok(format!("{scheme}://{address}")),
        Err(AddressError::NoPort) => format!("{rest}:{DEFAULT_PORT}")
            .parse::<Address>()
            .map(|address| format!("{scheme}://{address}"))
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// A path, as etcd listens on: `/run/etcd.sock`, or `localhost:2379` in the working directory.
fn socket(path: &str) -> Result<String, String> {
    if path.is_empty() || path.contains(['?', '#']) {
        return Err("names no Unix socket; write unix:///PATH".to_owned());
    }
    Ok(format!("unix://{path}"))
}

/// `http:/h`, `https//h` or `http:h:1`. A host of that name with a port is none of them.
fn is_mistyped_url(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let behind = text.strip_prefix("https").or(text.strip_prefix("http"));
    behind.is_some_and(|behind| match behind.strip_prefix(':') {
        Some(port) => !port.bytes().all(|byte| byte.is_ascii_digit()),
        None => behind.starts_with('/'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: EndpointRules = EndpointRules {
        bare_is_tls: false,
        tls_only: false,
        sockets: false,
    };

    const SOCKETS: EndpointRules = EndpointRules {
        sockets: true,
        ..ANY
    };

    #[test]
    fn a_unix_socket_is_a_path_where_there_may_be_one() {
        for url in ["unix:///run/etcd.sock", "unix://localhost:2379"] {
            assert_eq!(endpoint(url, SOCKETS).as_deref(), Ok(url));
        }
        let none = "names no Unix socket; write unix:///PATH";
        let tls = "TLS over a Unix socket is not supported; use unix:// or https://";
        for (text, reason) in [
            ("unix://", none),
            ("unix:///a?b", none),
            ("unixs:///a", tls),
        ] {
            assert_eq!(endpoint(text, SOCKETS).expect_err(text), reason);
        }
    }

    #[test]
    fn an_endpoint_needs_neither_scheme_nor_port_and_takes_any_case() {
        let table = [
            ("10.0.0.1", "http://10.0.0.1:2379"),
            ("HTTP://etcd:4001/", "http://etcd:4001"),
            ("http://[::1]", "http://[::1]:2379"),
            ("[::1]:4001", "http://[::1]:4001"),
            ("http:4001", "http://http:4001"),
            ("https", "http://https:2379"),
        ];
        for (text, url) in table {
            assert_eq!(endpoint(text, ANY).as_deref(), Ok(url));
        }
    }

    #[test]
    fn a_bad_endpoint_says_what_is_wrong_and_what_to_write() {
        let several =
            "is not one endpoint; separate several with commas, as in 10.0.0.1:2379,10.0.0.2:2379";
        let url = "is no URL; write http://HOST:PORT or https://HOST:PORT";
        let unix = "Unix sockets are not supported; use http:// or https://";
        let path = "has more than host and port; write http://HOST:PORT without a path";
        let table = [
            ("http://a:1 http://b:1", several),
            ("10.0.0.1:2379;10.0.0.2:2379", several),
            ("10.0.0.1:2379\n10.0.0.2:2379", several),
            ("\"http://a:1\"", "has quotes in it; leave them out"),
            ("'http://a:1'", "has quotes in it; leave them out"),
            ("http:/10.0.0.1:2379", url),
            ("https//10.0.0.1:2379", url),
            ("HTTP:10.0.0.1:2379", url),
            ("unix://run/etcd.sock", unix),
            ("unixs://localhost:1", unix),
            ("etcd://h:1", "unknown scheme; use http:// or https://"),
            ("http://h:1/v3", path),
            ("http://h:1/?a=b", path),
        ];
        for (text, reason) in table {
            assert_eq!(endpoint(text, ANY).expect_err(text), reason, "{text}");
        }
    }
}
