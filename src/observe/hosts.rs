//! By which names we may be asked for. A page of somebody else's could have a browser of this network ask
//! us by a name of its own, and read the answer: browsers say which name it was.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::Uri;
use hyper::header::{HOST, HeaderMap};

#[derive(Debug)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    /// Of this host, and `more`.
    pub(super) fn of_this_host(more: &[String]) -> Self {
        let ours = gethostname::gethostname().to_string_lossy().into_owned();
        let names = more.iter().cloned().chain(["localhost".to_owned(), ours]);
        Self(names.map(|name| plain(&name)).collect())
    }

    /// Whether a request is for us: by its `Host`, and by its target where that has a host, too.
    pub(super) fn admit(&self, target: &Uri, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(HOST).iter();
        let (Some(host), None) = (given.next(), given.next()) else {
            return false;
        };
        let by_target = target.authority();
        host.to_str().is_ok_and(|host| self.is_ours(host))
            && by_target.is_none_or(|authority| self.is_ours(authority.as_str()))
    }

    /// `HOST` or `HOST:PORT`.
    fn is_ours(&self, text: &str) -> bool {
        let Some(host) = without_port(text) else {
            return false;
        };
        if let Some(literal) = host.strip_prefix('[') {
            let literal = literal.strip_suffix(']');
            return literal.is_some_and(|literal| literal.parse::<Ipv6Addr>().is_ok());
        }
        host.parse::<Ipv4Addr>().is_ok() || self.0.contains(&plain(host))
    }
}

/// None where what looks like a port is none.
fn without_port(text: &str) -> Option<&str> {
    let after_literal = text.rfind(']').map_or(0, |end| end + 1);
    match text.get(after_literal..)?.find(':') {
        None => Some(text),
        Some(colon) => {
            let (host, port) = text.split_at(after_literal + colon);
            port[1..].parse::<u16>().is_ok().then_some(host)
        }
    }
}

/// Names are the same in whatever case, with the root's dot or without.
fn plain(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn hosts() -> Hosts {
        Hosts(vec!["localhost".to_owned(), "web1.example.net".to_owned()])
    }

    #[test]
    fn an_address_and_a_name_of_ours_are_let_in() {
        for host in [
            "127.0.0.1",
            "10.0.0.5:9464",
            "[::1]",
            "[2001:db8::5]:9464",
            "localhost",
            "LocalHost:80",
            "web1.example.net.",
            "WEB1.example.NET:9464",
        ] {
            assert!(hosts().is_ours(host), "{host}");
        }
    }

    #[test]
    fn anybody_elses_name_is_refused_and_so_is_nonsense() {
        for host in [
            "",
            ":80",
            "evil.example",
            "localhost.evil.example",
            "localhost@evil.example",
            "evil.example@localhost",
            "127.0.0.1.evil.example",
            "127.1",
            "0x7f.0.0.1",
            "2130706433",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]80",
            "[evil]",
            "localhost:x",
            "localhost:99999",
            "localhost:",
            "localhost:80:80",
            "localhost..",
            "localhost ",
            "localhost,evil.example",
            "localhost/",
            "é]:1",
        ] {
            assert!(!hosts().is_ours(host), "{host}");
        }
    }

    #[test]
    fn a_request_has_one_host_and_a_target_of_the_same_kind() {
        let admitted = |hosts: &[&[u8]], target: &str| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, HeaderValue::from_bytes(host).expect("a header"));
            }
            self::hosts().admit(&target.parse().expect("a target"), &headers)
        };
        assert!(admitted(&[b"localhost"], "/metrics"));
        assert!(admitted(&[b"localhost"], "http://127.0.0.1/metrics"));
        assert!(!admitted(&[], "/metrics"));
        assert!(!admitted(&[b"localhost", b"localhost"], "/metrics"));
        assert!(!admitted(&[b"localh\xc3\xb6st"], "/metrics"));
        assert!(!admitted(&[b"localhost"], "http://evil.example/metrics"));
        assert!(!admitted(&[b"evil.example"], "http://127.0.0.1/metrics"));
    }
}
