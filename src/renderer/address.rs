//! `HOST:PORT`: what all who read one agree on. What is wrong with a bad one is theirs to say.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host, displayed without brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// `10.0.0.5`
    V4(Ipv4Addr),
    /// `[2001:db8::5]`
    V6(Ipv6Addr),
    /// `web.example.net`
    Name(String),
}

impl Host {
    /// As it stands before a port. None if it is no host.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            return inner.strip_suffix(']')?.parse().ok().map(Self::V6);
        }
        match text.parse() {
            Ok(ip) => Some(Self::V4(ip)),
            Err(_) => is_hostname(text).then(|| Self::Name(text.to_owned())),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => Self::V6(ip),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(ip) => ip.fmt(f),
            Self::V6(ip) => ip.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Host and port, each as written. None where there is no port.
#[must_use]
pub fn split(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(':').filter(|_| !text.ends_with(']'))
}

/// From 1 to 65535, in digits.
#[must_use]
pub fn port(text: &str) -> Option<u16> {
    // `u16::from_str` takes a leading '+'.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0)
}

/// RFC 1123, and underscores, which container networks use. A name whose last label is all digits
/// would be a mistyped IPv4 address.
#[must_use]
pub fn is_hostname(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253
        && text.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_a_name() {
        for (text, shown) in [
            ("10.0.0.5", "10.0.0.5"),
            ("[2001:DB8::5]", "2001:db8::5"),
            ("my_app.example", "my_app.example"),
        ] {
            let host = Host::parse(text).map(|host| host.to_string());
            assert_eq!(host.as_deref(), Some(shown));
        }
        for text in ["", "::1", "[::1", "[10.0.0.5]", "10.0.0.256", "a b", "-a"] {
            assert_eq!(Host::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_port_stands_behind_the_last_colon_but_not_within_brackets() {
        assert_eq!(split("[::1]:80"), Some(("[::1]", "80")));
        assert_eq!(split("[::1]"), None);
        assert_eq!(split("a"), None);
        assert_eq!(port("65535"), Some(65535));
        for text in ["", "0", "65536", "+80", "8 0"] {
            assert_eq!(port(text), None, "{text:?}");
        }
    }
}
