//! `HOST:PORT` as a backend advertises it.

pub mod interface;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use renderer::address;
pub use renderer::address::Host;

/// A host and a port: `10.0.0.5:80`, `[2001:db8::5]:80` or `web.example.net:80`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: Host,
    /// Never 0.
    pub port: u16,
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("has no port; write HOST:PORT, as in 10.0.0.5:80")]
    NoPort,
    #[error("holds a user or password; write HOST:PORT alone, as in 10.0.0.5:80")]
    User,
    #[error("is more than HOST:PORT; write no scheme and no path, as in 10.0.0.5:80")]
    Url,
    #[error("has white space in it; write HOST:PORT alone, as in 10.0.0.5:80")]
    Blank,
    #[error("has quotes in it; leave them out")]
    Quotes,
    #[error("has no host before its ':'; write HOST:PORT, as in 10.0.0.5:80")]
    NoHost,
    #[error("has more than one ':'; write one HOST:PORT, as in 10.0.0.5:80")]
    Colons,
    #[error("is IPv6 without brackets; write [ADDRESS]:PORT, as in [2001:db8::5]:80")]
    Unbracketed,
    #[error("has a bad port; use a number from 1 to 65535")]
    Port,
    #[error("has a bad IPv6 address between its brackets")]
    V6,
    #[error(
        "has a bad host; use an IPv4 address, [IPv6], or a name of letters, digits, '-' and '.'"
    )]
    Host,
}

/// Why nobody else could reach a backend at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    #[error(
        "stands for every address of this host; give the one that others connect to, as in 10.0.0.5"
    )]
    Unspecified,
    #[error(
        "is a multicast or broadcast address; give the one that others connect to, as in 10.0.0.5"
    )]
    Group,
}

/// Whether others could be told to connect to it. Loopback passes: they may be on this host.
///
/// # Errors
/// Why they could not.
pub fn fit_to_advertise(host: &Host) -> Result<(), Unreachable> {
    let ip = match host {
        Host::Name(_) => return Ok(()),
        Host::V4(ip) => IpAddr::V4(*ip),
        // The same by another name.
        Host::V6(ip) => ip.to_canonical(),
    };
    let of_this_network = matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 0);
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    if ip.is_unspecified() || of_this_network {
        Err(Unreachable::Unspecified)
    } else if ip.is_multicast() || broadcast {
        Err(Unreachable::Group)
    } else {
        Ok(())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(AddressError::Unbracketed);
        }
        if text.contains('@') {
            return Err(AddressError::User);
        }
        if text.contains(char::is_whitespace) {
            return Err(AddressError::Blank);
        }
        if text.contains(['"', '\'']) {
            return Err(AddressError::Quotes);
        }
        if text.contains('/') {
            return Err(AddressError::Url);
        }
        let (host, port) = address::split(text).ok_or(AddressError::NoPort)?;
        let host = Host::parse(host)
            .filter(|host| !is_number(host))
            .ok_or_else(|| fault_of_host(host, text))?;
        let port = address::port(port).ok_or(AddressError::Port)?;
        Ok(Self { host, port })
    }
}

/// Why this is no host of `text`.
fn fault_of_host(host: &str, text: &str) -> AddressError {
    if host.starts_with('[') {
        AddressError::V6
    } else if host.is_empty() {
        AddressError::NoHost
    } else if !host.contains(':') {
        AddressError::Host
    } else if is_like_ipv6(text) {
        AddressError::Unbracketed
    } else {
        AddressError::Colons
    }
}

/// `2001:db8:0:0:0:0:0:5:80` or anything with a `::`.
fn is_like_ipv6(text: &str) -> bool {
    let groups = text.split(':').count();
    text.contains("::") || (groups > 3 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'))
}

/// A name that some programs read as an IPv4 address, for its last label.
fn is_number(host: &Host) -> bool {
    let Host::Name(name) = host else {
        return false;
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let digits = last.strip_prefix("0x").or(last.strip_prefix("0X"));
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::V6(ip) => write!(f, "[{ip}]:{}", self.port),
            Host::V4(_) | Host::Name(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_ipv4_bracketed_ipv6_and_names() {
        for text in [
            "10.0.0.5:7777",
            "[2001:db8::5]:80",
            "web-1.example.net:65535",
            "my_app:1",
        ] {
            assert_eq!(
                text.parse::<Address>().map(|a| a.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_bad_one() {
        for (text, error) in [
            ("10.0.0.5", AddressError::NoPort),
            ("", AddressError::NoPort),
            ("10.0.0.5:0", AddressError::Port),
            ("10.0.0.5:70000", AddressError::Port),
            ("10.0.0.5:", AddressError::Port),
            ("10.0.0.5:+80", AddressError::Port),
            ("::1", AddressError::Unbracketed),
            ("2001:db8::5:80", AddressError::Unbracketed),
            ("fe80::1%eth0:80", AddressError::Unbracketed),
            ("[::1:80", AddressError::V6),
            ("[nope]:80", AddressError::V6),
            (":80", AddressError::NoHost),
            ("u:p@10.0.0.5:80", AddressError::User),
            ("http://10.0.0.5:80", AddressError::Url),
            ("10.0.0.5:80/", AddressError::Url),
            ("10.0.0.5:80:81", AddressError::Colons),
            ("web:80:81", AddressError::Colons),
            ("2001:db8:0:0:0:0:0:5:80", AddressError::Unbracketed),
            ("0:80", AddressError::Host),
            ("0x0:80", AddressError::Host),
            ("0x7f.1:80", AddressError::Host),
            ("10.0x5:80", AddressError::Host),
            ("*:80", AddressError::Host),
            ("10.0.0.500:80", AddressError::Host),
            ("a b:80", AddressError::Blank),
            ("10.0.0.5:80\n", AddressError::Blank),
            ("\"10.0.0.5:80\"", AddressError::Quotes),
            ("-web:80", AddressError::Host),
            ("web;rm:80", AddressError::Host),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_address_to_listen_on_is_none_to_advertise() {
        let fit = |text: &str| {
            let address: Address = text.parse().expect(text);
            fit_to_advertise(&address.host)
        };
        for text in [
            "0.0.0.0:80",
            "0.0.0.1:80",
            "[::]:80",
            "[0:0:0:0:0:0:0:0]:80",
            "[::0.0.0.0]:80",
            "[::ffff:0.0.0.0]:80",
            "[::ffff:0:0]:80",
        ] {
            assert_eq!(fit(text), Err(Unreachable::Unspecified), "{text}");
        }
        for text in ["224.0.0.1:80", "255.255.255.255:80", "[ff02::1]:80"] {
            assert_eq!(fit(text), Err(Unreachable::Group), "{text}");
        }
        for text in ["127.0.0.1:80", "[::1]:80", "10.0.0.0:80", "localhost:80"] {
            assert_eq!(fit(text), Ok(()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_has_no_white_space_and_prints_itself(text in "\\PC{0,40}") {
            if let Ok(address) = text.parse::<Address>() {
                let printed = address.to_string();
                prop_assert!(!printed.contains(char::is_whitespace));
                prop_assert_eq!(printed.parse::<Address>(), Ok(address));
            }
        }
    }
}
