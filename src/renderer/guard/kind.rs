//! Kinds of values.

use regex_lite::Regex;

use super::GuardError;
use crate::address::{self, Host};

#[derive(Debug)]
pub(super) enum ValueKind {
    /// `HOST:PORT`, with an IPv4 address, an IPv6 address in brackets, or a host name.
    Address,
    Hostname,
    /// That fits into 64 bits.
    Integer,
    /// Fits the whole value.
    Regex(Regex),
}

impl ValueKind {
    pub(super) fn parse(text: &str) -> Result<Self, GuardError> {
        if let Some(expression) = text.strip_prefix("regex:") {
            return regex(expression).map_err(|source| GuardError::Regex {
                expression: expression.to_owned(),
                source,
            });
        }
        match text {
            "address" => Ok(Self::Address),
            "hostname" => Ok(Self::Hostname),
            "integer" => Ok(Self::Integer),
            _ => Err(GuardError::ValueKind {
                kind: text.to_owned(),
            }),
        }
    }

    /// Whether `value` is of this kind. What is not UTF-8 is of none.
    pub(super) fn fits(&self, value: &[u8]) -> bool {
        let Ok(value) = str::from_utf8(value) else {
            return false;
        };
        match self {
            Self::Address => is_address(value),
            Self::Hostname => address::is_hostname(value),
            Self::Integer => !value.starts_with('+') && value.parse::<i64>().is_ok(),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

fn regex(expression: &str) -> Result<ValueKind, regex_lite::Error> {
    // By itself first: its brackets may not close ours.
    Regex::new(expression)?;
    Regex::new(&format!(r"\A(?:{expression})\z")).map(ValueKind::Regex)
}

fn is_address(text: &str) -> bool {
    address::split(text)
        .is_some_and(|(host, port)| Host::parse(host).is_some() && address::port(port).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(kind: &str, value: impl AsRef<[u8]>) -> bool {
        ValueKind::parse(kind).unwrap().fits(value.as_ref())
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for value in [
            "10.0.0.5:7777",
            "[2001:db8::5]:80",
            "web-1.example.net:65535",
            "my_app:1",
        ] {
            assert!(fits("address", value), "{value}");
        }
        for value in [
            "",
            "10.0.0.5",
            ":80",
            "10.0.0.5:",
            "10.0.0.5:0",
            "10.0.0.5:65536",
            "10.0.0.5:+80",
            "10.0.0.256:80",
            "::1",
            "::1:80",
            "[::1]",
            "[10.0.0.5]:80",
            "[fe80::1%eth0]:80",
            "a b:80",
            "a:80 ",
            "a:80\n",
            "a;}:80",
            "-a:80",
            "ä:80",
            "a..b:80",
        ] {
            assert!(!fits("address", value), "{value:?}");
        }
    }

    #[test]
    fn a_hostname_is_labels_with_dots_and_no_address() {
        for value in ["a", "a-b.c_d.example", "1a", "10.0.0.5.example"] {
            assert!(fits("hostname", value), "{value}");
        }
        let long = ["a".repeat(64), "a.".repeat(127) + "a"];
        for value in [
            "", ".", "a.", "10.0.0.5", "a-", "a:80", "a b", &long[0], &long[1],
        ] {
            assert!(!fits("hostname", value), "{value}");
        }
    }

    #[test]
    fn an_integer_has_64_bits() {
        for value in ["0", "-1", "007", "9223372036854775807"] {
            assert!(fits("integer", value), "{value}");
        }
        for value in ["", "-", "+1", "1.0", " 1", "1\n", "9223372036854775808"] {
            assert!(!fits("integer", value), "{value:?}");
        }
    }

    #[test]
    fn an_expression_fits_the_whole_value() {
        assert!(fits("regex:a|ab", "ab"));
        assert!(!fits("regex:a|ab", "abc"));
        assert!(!fits("regex:[a-z]+", "abc\n"));
        assert!(!fits("regex:(?m)^a$", "b\na"));
        assert!(fits("regex:", ""));
        assert!(!fits("regex:.*", b"\xff"));
    }
}
