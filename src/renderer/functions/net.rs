//! Functions that ask for names. Whatever goes wrong, the answer is empty.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::rc::Rc;

use super::srv::srv_records;
use gotemplate::Value;
use gotemplate::library::mistyped;

pub(super) fn lookup_ip(args: &[Value]) -> Result<Value, String> {
    looked_up(args, |_| true)
}

pub(super) fn lookup_ipv4(args: &[Value]) -> Result<Value, String> {
    looked_up(args, IpAddr::is_ipv4)
}

pub(super) fn lookup_ipv6(args: &[Value]) -> Result<Value, String> {
    looked_up(args, IpAddr::is_ipv6)
}

fn looked_up(args: &[Value], wanted: fn(&IpAddr) -> bool) -> Result<Value, String> {
    let [Value::String(host)] = args else {
        return mistyped();
    };
    let mut addresses: Vec<_> = addresses(host)
        .into_iter()
        .filter(wanted)
        .map(|address| address.to_string().into())
        .collect();
    addresses.sort();
    Ok(Value::strings(addresses))
}

fn addresses(host: &[u8]) -> Vec<IpAddr> {
    match str::from_utf8(host) {
        Ok(host) if is_name_or_address(host) => match (host, 0).to_socket_addrs() {
            // Go shows a mapped address as what it maps to.
            Ok(found) => found.map(|address| address.ip().to_canonical()).collect(),
            Err(_) => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// What the system's resolver takes beside those, such as `10` for 0.0.0.10 or `0x7f.1`, is none for
/// Go's.
fn is_name_or_address(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next();
    let is_number = last.is_some_and(|last| match last.to_ascii_lowercase().strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|digit| digit.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|digit| digit.is_ascii_digit()),
    });
    !host.is_empty() && (!is_number || host.parse::<IpAddr>().is_ok())
}

pub(super) fn lookup_srv(args: &[Value]) -> Result<Value, String> {
    let [
        Value::String(service),
        Value::String(protocol),
        Value::String(name),
    ] = args
    else {
        return mistyped();
    };
    let name = String::from_utf8_lossy(name);
    let name = match (&service[..], &protocol[..]) {
        (b"", b"") => name.into_owned(),
        (service, protocol) => {
            let service = String::from_utf8_lossy(service);
            format!("_{service}._{}.{name}", String::from_utf8_lossy(protocol))
        }
    };
    let mut found = srv_records(&name);
    found.sort_by_cached_key(|srv| {
        let target = String::from_utf8_lossy(&srv.target);
        format!("{target}{}{}{}", srv.port, srv.priority, srv.weight)
    });
    Ok(Value::Srvs(found.into_iter().map(Rc::new).collect()))
}

#[cfg(test)]
mod tests {
    use crate::functions::tests::{strings, text};
    use gotemplate::Value;

    #[test]
    fn an_address_is_its_own_answer() {
        assert_eq!(strings("lookupIP", &[text("127.0.0.1")]), ["127.0.0.1"]);
        assert_eq!(strings("lookupIPV4", &[text("127.0.0.1")]), ["127.0.0.1"]);
        assert_eq!(strings("lookupIPV6", &[text("127.0.0.1")]), [""; 0]);
        assert_eq!(strings("lookupIPV6", &[text("::1")]), ["::1"]);
        assert_eq!(
            strings("lookupIPV4", &[text("::ffff:10.0.0.1")]),
            ["10.0.0.1"]
        );
    }

    #[test]
    fn what_cannot_be_a_name_has_no_address() {
        assert_eq!(strings("lookupIP", &[text("")]), [""; 0]);
        assert_eq!(strings("lookupIP", &[text("a b\0")]), [""; 0]);
        for short in [
            "10",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "127.0.0.01",
            "1.2.3.4.5",
            "0x",
            "10.",
        ] {
            assert_eq!(strings("lookupIP", &[text(short)]), [""; 0], "{short}");
        }
        assert_eq!(strings("lookupIP", &[Value::string(&b"\xff"[..])]), [""; 0]);
    }
}
