//! What is registered: the key and the value.

use std::net::IpAddr;

use crate::address::{Address, AddressError, Host, fit_to_advertise};
use crate::cli::AnnouncementArgs;
use crate::etcd::announcement::Announcement;
use crate::fault::Fault;
use crate::wording::masked;

use super::faults::Faults;
use super::placeholders::Placeholders;

/// What is to be put: others are to connect to it.
pub(super) fn to_announce(args: &AnnouncementArgs, faults: &mut Faults) -> Option<Announcement> {
    if let Some(text) = &args.address {
        check_advertised("--address", text, faults);
    }
    let announcement = check(args, faults)?;
    if args.value.is_some() {
        check_advertised("--value", &announcement.value, faults);
    }
    Some(announcement)
}

/// If this is an address, or the URL of one, it must be one that others can connect to.
pub(super) fn check_advertised(flag: &'static str, text: &str, faults: &mut Faults) {
    let behind_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = behind_scheme.split('/').next().unwrap_or_default();
    let host = match authority.parse::<Address>() {
        Ok(address) => Some(address.host),
        Err(_) => {
            let bare = authority.trim_start_matches("[").trim_end_matches("]");
            bare.parse::<IpAddr>().ok().map(Host::from)
        }
    };
    if let Some(Err(reason)) = host.map(|host| fit_to_advertise(&host)) {
        faults.add(Fault::of_value(flag, text, reason));
    }
}

pub(super) fn check(args: &AnnouncementArgs, faults: &mut Faults) -> Option<Announcement> {
    let address = match &args.address {
        Some(text) => check_address(text, faults),
        None => {
            faults.add(missing_address());
            None
        }
    };
    let prefix = match args.key {
        Some(_) => None,
        None => check_prefix(&args.prefix, faults),
    };
    let service = match (&args.service, &args.key) {
        (Some(name), _) => check_service(name, faults),
        (None, Some(key)) if !key.contains("{service}") => Some(""),
        (None, _) => {
            faults.add(missing_service());
            None
        }
    };
    let (address, service) = (address?, service?);
    let placeholders = Placeholders {
        service,
        address: &address,
    };
    let key = match (&args.key, prefix) {
        (Some(template), _) => faults.take(placeholders.fill("--key", template))?,
        (None, prefix) => format!(
            "{}/{service}/{}",
            prefix?.trim_end_matches('/'),
            address.host
        ),
    };
    if key.is_empty() || key.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let what = "must not be empty nor hold white space or control characters";
        faults.add(Fault::of_value("--key", &key, what));
        return None;
    }
    let value = match &args.value {
        Some(template) => faults.take(placeholders.fill("--value", template))?,
        None => address.to_string(),
    };
    let port = address.port;
    Some(Announcement { key, value, port })
}

pub(super) fn missing_address() -> Fault {
    Fault::sentence(
        "--address",
        "is missing: give HOST:PORT, as in --address 10.0.0.5:80",
    )
}

fn missing_service() -> Fault {
    Fault::sentence(
        "--service",
        "is missing: give the service's name, as in --service apache",
    )
}

pub(super) fn check_address(text: &str, faults: &mut Faults) -> Option<Address> {
    faults.take(
        text.parse()
            .map_err(|error: AddressError| Fault::of_value("--address", &masked(text), error)),
    )
}

fn check_prefix<'a>(prefix: &'a str, faults: &mut Faults) -> Option<&'a str> {
    if !prefix.starts_with('/') || prefix.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let what = "must start with '/' and hold no white space, as in /services";
        faults.add(Fault::of_value("--prefix", prefix, what));
        return None;
    }
    Some(prefix)
}

fn check_service<'a>(name: &'a str, faults: &mut Faults) -> Option<&'a str> {
    let unfit = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    if name.is_empty() || name == "." || name == ".." || name.contains(unfit) {
        let what = "must be one path segment: no '/', no white space, not empty";
        faults.add(Fault::of_value("--service", name, what));
        return None;
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn announcement(
        address: &str,
        key: Option<&str>,
        value: Option<&str>,
    ) -> Result<(String, String), String> {
        let mut faults = Faults::default();
        let args = AnnouncementArgs {
            service: Some("apache".to_owned()),
            address: Some(address.to_owned()),
            prefix: "/services".to_owned(),
            key: key.map(str::to_owned),
            value: value.map(str::to_owned),
        };
        check(&args, &mut faults)
            .map(|announcement| (announcement.key, announcement.value))
            .ok_or_else(|| faults.to_string())
    }

    #[test]
    fn the_key_is_named_by_the_host_and_holds_the_address() {
        assert_eq!(
            announcement("10.0.0.5:7777", None, None),
            Ok((
                "/services/apache/10.0.0.5".to_owned(),
                "10.0.0.5:7777".to_owned()
            ))
        );
    }

    #[test]
    fn an_ipv6_key_has_no_brackets_but_its_value_has() {
        assert_eq!(
            announcement("[2001:db8::5]:80", None, None),
            Ok((
                "/services/apache/2001:db8::5".to_owned(),
                "[2001:db8::5]:80".to_owned()
            ))
        );
    }

    #[test]
    fn placeholders_are_filled_in_and_json_braces_stay() {
        assert_eq!(
            announcement(
                "10.0.0.5:7777",
                Some("/x/{service}/{host}-{port}"),
                Some(r#"{"at":"{address}"}"#)
            ),
            Ok((
                "/x/apache/10.0.0.5-7777".to_owned(),
                r#"{"at":"10.0.0.5:7777"}"#.to_owned()
            ))
        );
    }

    #[test]
    fn an_unknown_placeholder_is_named() {
        let error = announcement("10.0.0.5:7777", Some("/x/{hots}"), None).expect_err("unknown");
        assert!(error.contains("unknown placeholder {hots}"), "{error}");
    }

    #[test]
    fn what_nobody_could_connect_to_is_not_announced() {
        let announced = |address: &str, value: Option<&str>| {
            let mut faults = Faults::default();
            let args = AnnouncementArgs {
                service: Some("apache".to_owned()),
                address: Some(address.to_owned()),
                prefix: "/services".to_owned(),
                key: None,
                value: value.map(str::to_owned),
            };
            let announcement = to_announce(&args, &mut faults);
            faults
                .settle(announcement)
                .map_err(|faults| faults.to_string())
        };
        let fault = announced("0.0.0.0:80", None).expect_err("listens everywhere");
        assert!(
            fault.starts_with("--address \"0.0.0.0:80\": stands for every address of this host"),
            "{fault}"
        );
        for value in [
            "0.0.0.0:80",
            "[::]:80",
            "0.0.0.0",
            "::",
            "http://0.0.0.0:80/x",
            "tcp://[::]",
        ] {
            let fault = announced("10.0.0.5:80", Some(value)).expect_err(value);
            assert!(
                fault.starts_with(&format!("--value {value:?}: stands for every")),
                "{fault}"
            );
        }
        for value in [
            "{address}",
            "http://{address}/",
            "up",
            "{\"listens\":\"0.0.0.0:80\"}",
        ] {
            assert!(announced("10.0.0.5:80", Some(value)).is_ok(), "{value}");
        }
    }

    #[test]
    fn an_empty_key_is_refused() {
        let error = announcement("10.0.0.5:7777", Some(""), None).expect_err("empty");
        assert!(
            error.starts_with("--key \"\": must not be empty"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn any_template_gives_a_text_or_a_fault(template in "(\\{|\\}|host|port|é|x){0,12}") {
            let _either = announcement("10.0.0.5:7777", Some(&template), Some(&template));
        }
    }
}
