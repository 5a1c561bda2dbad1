//! `interface:NAME:PORT`: a port at whatever address an interface has.

use std::net::IpAddr;
use std::str::FromStr;

use renderer::address;

use super::{Address, Host};

/// What such an address starts with.
pub const PREFIX: &str = "interface:";

/// The kernel's limit, less the NUL.
const LONGEST_NAME: usize = 15;

/// A port of an interface: `interface:eth0:80`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfacePort {
    pub interface: String,
    /// Never 0.
    pub port: u16,
}

/// Why a text is no port of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterfaceError {
    #[error("is not written interface:NAME:PORT, as in interface:eth0:80")]
    Shape,
    #[error("has a bad port; use a number from 1 to 65535")]
    Port,
    #[error(
        "has a bad interface; use a name as `ip link` shows it: up to 15 bytes, without '/', ':' and white space"
    )]
    Name,
}

impl InterfacePort {
    /// While the interface has this address.
    #[must_use]
    pub fn at(&self, ip: IpAddr) -> Address {
        let host = match ip {
            IpAddr::V4(ip) => Host::V4(ip),
            IpAddr::V6(ip) => Host::V6(ip),
        };
        let port = self.port;
        Address { host, port }
    }
}

impl FromStr for InterfacePort {
    type Err = InterfaceError;

    fn from_str(text: &str) -> Result<Self, InterfaceError> {
        let rest = text.strip_prefix(PREFIX).ok_or(InterfaceError::Shape)?;
        let (name, port) = rest.rsplit_once(':').ok_or(InterfaceError::Shape)?;
        if !is_interface(name) {
            return Err(InterfaceError::Name);
        }
        let port = address::port(port).ok_or(InterfaceError::Port)?;
        let interface = name.to_owned();
        Ok(Self { interface, port })
    }
}

/// As the kernel sees it.
fn is_interface(name: &str) -> bool {
    let unfit = |c: char| c == '/' || c == ':' || c == '\0' || c.is_whitespace();
    !["", ".", ".."].contains(&name) && name.len() <= LONGEST_NAME && !name.contains(unfit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_an_interface_and_a_port() {
        for name in ["eth0", "enp0s31f6", "br-lan", "wg0.1", "a"] {
            let port = InterfacePort {
                interface: name.to_owned(),
                port: 80,
            };
            assert_eq!(format!("interface:{name}:80").parse(), Ok(port));
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_bad_one() {
        for (text, error) in [
            ("10.0.0.5:80", InterfaceError::Shape),
            ("interface:eth0", InterfaceError::Shape),
            ("interface::80", InterfaceError::Name),
            ("interface:eth0:1:80", InterfaceError::Name),
            ("interface:sixteenbytesname:80", InterfaceError::Name),
            ("interface:a/b:80", InterfaceError::Name),
            ("interface:a b:80", InterfaceError::Name),
            ("interface:eth0:0", InterfaceError::Port),
            ("interface:eth0:http", InterfaceError::Port),
        ] {
            assert_eq!(text.parse::<InterfacePort>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_address_of_the_interface_is_one_to_advertise() {
        let port: InterfacePort = "interface:eth0:80".parse().expect("sound");
        let at = |ip: &str| port.at(ip.parse().expect("an IP address")).to_string();
        assert_eq!(at("10.0.0.5"), "10.0.0.5:80");
        assert_eq!(at("2001:db8::5"), "[2001:db8::5]:80");
    }
}
