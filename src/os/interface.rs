//! The address of a network interface, as the kernel tells it over netlink.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, Parseable};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// The kernel answers at once; a mistake of ours must not make anybody wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the kernel is asked again when addresses change while it tells them.
const TRIES: usize = 5;

/// The most that the kernel puts into one datagram.
const DATAGRAM: usize = 64 * 1024;

/// Types of messages (linux/netlink.h, linux/rtnetlink.h).
const ERROR: u16 = 2;
const DONE: u16 = 3;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;

/// The first global address of the interface `name` that is not secondary, temporary, deprecated or
/// tentative: IPv4 before IPv6. None if it has none, or there is no such interface.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn address(name: &str) -> io::Result<Option<IpAddr>> {
    // Its first protocol, which is that of routes and addresses.
    let family = AddressFamily::NETLINK;
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::RAW, flags, None)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    let index = match name_to_index(&socket, name) {
        Err(Errno::NODEV) => return Ok(None),
        index => index?,
    };
    Ok(first_fit(index, &addresses(&socket)?))
}

/// Of all interfaces.
fn addresses(socket: &OwnedFd) -> io::Result<Vec<AddressMessage>> {
    for number in 1.. {
        match ask(socket, number) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted && number < TRIES => {}
            told => return told,
        }
    }
    Ok(Vec::new())
}

/// `Interrupted` if addresses changed meanwhile. `number` tells this answer from earlier ones.
fn ask(socket: &OwnedFd, number: usize) -> io::Result<Vec<AddressMessage>> {
    let number = u32::try_from(number).map_err(io::Error::other)?;
    send(socket, &request(number), SendFlags::empty())?;
    let mut told = Vec::new();
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let (length, _) = recv(socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        if take_in(buffer.get(..length).unwrap_or_default(), number, &mut told)? {
            return Ok(told);
        }
    }
}

/// For all addresses of all families: a header (nlmsghdr), and an ifaddrmsg of zeros.
fn request(number: u32) -> [u8; 24] {
    let mut bytes = [0; 24];
    let mut header = NetlinkBuffer::new(&mut bytes[..]);
    header.set_length(24);
    header.set_message_type(GET_ADDRESS);
    header.set_flags(NLM_F_REQUEST | NLM_F_DUMP);
    header.set_sequence_number(number);
    bytes
}

/// Whether that was all.
fn take_in(mut datagram: &[u8], number: u32, told: &mut Vec<AddressMessage>) -> io::Result<bool> {
    while !datagram.is_empty() {
        let message = NetlinkBuffer::new_checked(datagram).map_err(io::Error::other)?;
        let length = usize::try_from(message.length()).map_err(io::Error::other)?;
        let is_ours = message.sequence_number() == number;
        if is_ours && message.flags() & NLM_F_DUMP_INTR != 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        match message.message_type() {
            NEW_ADDRESS if is_ours => {
                told.push(AddressMessage::parse(message.payload()).map_err(io::Error::other)?);
            }
            ERROR if is_ours => return Err(error(message.payload())),
            DONE if is_ours => return Ok(true),
            _ => {}
        }
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Ok(false)
}

/// It starts with a negative number of the kernel's.
fn error(payload: &[u8]) -> io::Error {
    match payload.first_chunk() {
        Some(number) => io::Error::from_raw_os_error(i32::from_ne_bytes(*number).saturating_neg()),
        None => io::ErrorKind::InvalidData.into(),
    }
}

/// Of the interface with this number.
fn first_fit(index: u32, all: &[AddressMessage]) -> Option<IpAddr> {
    let fit = all.iter().filter(|told| told.header.index == index);
    let addresses: Vec<_> = fit.filter(|told| is_fit(told)).filter_map(own).collect();
    let v4 = addresses.iter().find(|ip| ip.is_ipv4());
    v4.or(addresses.first()).copied()
}

/// The kernel has one flag for what is secondary (IPv4) and what is temporary (IPv6).
fn is_fit(told: &AddressMessage) -> bool {
    let unfit = AddressFlags::Secondary
        | AddressFlags::Deprecated
        | AddressFlags::Tentative
        | AddressFlags::Dadfailed;
    told.header.scope == AddressScope::Universe && !flags(told).intersects(unfit)
}

/// The header has room for the first of them only.
fn flags(told: &AddressMessage) -> AddressFlags {
    let all = told
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            AddressAttribute::Flags(flags) => Some(*flags),
            _ => None,
        });
    let of_header = u32::from(told.header.flags.bits());
    all.unwrap_or(AddressFlags::from_bits_retain(of_header))
}

/// On a link between two hosts the other address is the peer's.
fn own(told: &AddressMessage) -> Option<IpAddr> {
    let attributes = || told.attributes.iter();
    let local = attributes().find_map(|attribute| match attribute {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    });
    let address = || {
        attributes().find_map(|attribute| match attribute {
            AddressAttribute::Address(ip) => Some(*ip),
            _ => None,
        })
    };
    local.or_else(address)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn loopback_has_no_global_address_and_nothing_has_none() {
        assert_eq!(address("no-such-link").expect("asked"), None);
        let lo = address("lo").expect("asked");
        assert!(lo.is_none_or(|ip| !ip.is_loopback()), "{lo:?}");
    }

    #[test]
    fn a_datagram_that_is_cut_off_is_an_error() {
        let mut told = Vec::new();
        for length in 1..24 {
            assert!(take_in(&request(7)[..length], 7, &mut told).is_err());
        }
        assert!(!take_in(&request(7), 7, &mut told).expect("whole"));
        assert_eq!(told, []);
    }

    /// An address of interface 2.
    fn told(ip: &str, scope: AddressScope, flags: AddressFlags) -> AddressMessage {
        let mut told = AddressMessage::default();
        told.header.index = 2;
        told.header.scope = scope;
        told.attributes = vec![
            AddressAttribute::Address(ip.parse().expect("an IP address")),
            AddressAttribute::Flags(flags),
        ];
        told
    }

    #[test]
    fn an_address_that_others_may_not_keep_is_passed_over() {
        let (global, fine) = (AddressScope::Universe, AddressFlags::Permanent);
        let good = told("2001:db8::5", global, fine);
        for bad in [
            told("2001:db8::1", global, AddressFlags::Secondary),
            told("2001:db8::1", global, AddressFlags::Tentative),
            told("2001:db8::1", global, AddressFlags::Deprecated),
            told("2001:db8::1", global, AddressFlags::Dadfailed),
            told("fe80::1", AddressScope::Link, fine),
            told("127.0.0.1", AddressScope::Host, fine),
        ] {
            let found = first_fit(2, &[bad, good.clone()]);
            assert_eq!(found, "2001:db8::5".parse().ok());
        }
        assert_eq!(first_fit(3, &[good]), None);
    }

    /// Runs `script` in a network of its own, and then the test below. None where that may not be.
    fn in_own_network(script: &str) -> Option<bool> {
        let own = |words: &[&str]| {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "--net", "--"]);
            command.args(words);
            command
        };
        let trial = own(&["ip", "link"]).output();
        if !trial.is_ok_and(|tried| tried.status.success()) {
            eprintln!("skipped: needs `ip`, and a user name space");
            return None;
        }
        let test = "os::interface::tests::shows_the_address_of_a_link";
        let script = format!("{script}\nexec \"$0\" --exact {test} --ignored --nocapture");
        let program = std::env::current_exe().expect("this program");
        let ran = own(&["sh", "-ec", &script]).arg(program).output();
        let ran = ran.expect("a shell");
        assert!(ran.status.success(), "{script}: {ran:?}");
        Some(String::from_utf8_lossy(&ran.stdout).contains("1 passed"))
    }

    #[test]
    #[ignore = "for a network of its own"]
    fn shows_the_address_of_a_link() {
        let expected = std::env::var("EXPECTED").unwrap_or_default();
        let found = address("lo").expect("asked");
        let found = found.map(|ip| ip.to_string()).unwrap_or_default();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_first_global_address_is_taken_that_will_last() {
        let up = "ip link set lo up";
        let table = [
            ("", ""),
            ("ip addr add 169.254.7.7/16 scope link dev lo", ""),
            (
                "ip addr add 2001:db8::5/64 dev lo nodad
                 ip addr add 10.9.0.1/24 dev lo
                 ip addr add 10.9.0.2/24 dev lo",
                "10.9.0.1",
            ),
            ("ip addr add 2001:db8::5/64 dev lo nodad", "2001:db8::5"),
            (
                "ip addr add 2001:db8::5/64 dev lo nodad preferred_lft 0
                 ip addr add 2001:db8::6/64 dev lo nodad",
                "2001:db8::6",
            ),
            ("ip addr add 10.9.0.1 peer 10.9.0.9 dev lo", "10.9.0.1"),
        ];
        for (script, expected) in table {
            let script = format!("{up}\n{script}\nexport EXPECTED={expected}");
            if let Some(passed) = in_own_network(&script) {
                assert!(passed, "{script}");
            }
        }
    }
}
