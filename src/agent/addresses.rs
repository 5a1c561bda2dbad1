//! What is known of the addresses of interfaces, and when each is to be looked up again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::config::{OnInterface, ServiceConfig};
use crate::wording;

#[derive(Clone, Debug, Default)]
pub(super) struct Addresses(BTreeMap<String, Interface>);

#[derive(Clone, Debug)]
struct Interface {
    /// The shortest of its services.
    interval: Duration,
    /// None: now.
    due: Option<Instant>,
    state: State,
    /// The last look failed.
    failing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It was not looked up yet.
    Unknown,
    Without,
    With(IpAddr),
}

/// What a look has shown.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// What was known, or what was expected.
    Nothing,
    /// An address, in place of another or of none.
    Address(IpAddr),
    NoAddress,
    /// The kernel cannot be asked, for the first time.
    Failure(String),
}

impl Addresses {
    /// For these services; what is known of their interfaces stays known.
    pub(super) fn of(&self, services: &[OnInterface<ServiceConfig>]) -> Self {
        let mut interfaces: BTreeMap<String, Interface> = BTreeMap::new();
        for service in services {
            let name = &service.port.interface;
            let interval = service.example.cadence.interval;
            let interface = interfaces.entry(name.clone()).or_insert_with(|| Interface {
                interval,
                due: None,
                ..self.0.get(name).cloned().unwrap_or(Interface::NEW)
            });
            interface.interval = interface.interval.min(interval);
        }
        Self(interfaces)
    }

    /// When to look next, if ever.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.0.values().filter_map(|interface| interface.due).min()
    }

    /// Those to look up by now.
    pub(super) fn due(&self, now: Instant) -> BTreeSet<String> {
        let due = self.0.iter();
        let due = due.filter(|(_, interface)| interface.due.is_none_or(|at| at <= now));
        due.map(|(name, _)| name.clone()).collect()
    }

    /// Takes in what a look at `name` has found, and says so. Whether its address is another.
    pub(super) fn take_in(
        &mut self,
        name: &str,
        found: io::Result<Option<IpAddr>>,
        now: Instant,
    ) -> bool {
        let Some(interface) = self.0.get_mut(name) else {
            return false;
        };
        interface.due = Some(now + interface.interval);
        let before = interface.state;
        let seen = interface.see(found);
        interface.log(name, &seen);
        interface.state != before
    }

    /// Those that have one.
    pub(super) fn known(&self) -> BTreeMap<String, IpAddr> {
        let known = self.0.iter().filter_map(|(name, interface)| {
            let State::With(ip) = interface.state else {
                return None;
            };
            Some((name.clone(), ip))
        });
        known.collect()
    }
}

impl Interface {
    const NEW: Self = Self {
        interval: Duration::ZERO,
        due: None,
        state: State::Unknown,
        failing: false,
    };

    fn see(&mut self, found: io::Result<Option<IpAddr>>) -> Seen {
        let state = match found {
            Ok(found) => found.map_or(State::Without, State::With),
            Err(_) if self.failing => return Seen::Nothing,
            Err(error) => {
                self.failing = true;
                return Seen::Failure(error.to_string());
            }
        };
        self.failing = false;
        let before = std::mem::replace(&mut self.state, state);
        match (before, state) {
            (before, state) if before == state => Seen::Nothing,
            (State::Unknown, State::With(_)) | (_, State::Unknown) => Seen::Nothing,
            (_, State::With(ip)) => Seen::Address(ip),
            (_, State::Without) => Seen::NoAddress,
        }
    }

    fn log(&self, name: &str, seen: &Seen) {
        let interval = wording::duration(self.interval);
        match seen {
            Seen::Nothing => {}
            Seen::Address(ip) => info!(
                event = "address_changed",
                interface = name,
                "the interface {name} has the address {ip} now: moving its services there"
            ),
            Seen::NoAddress => warn!(
                event = "no_address",
                interface = name,
                "the interface {name} has no global address, or does not exist: its services are \
                 not registered; looking again every {interval}"
            ),
            Seen::Failure(error) => warn!(
                event = "address_unknown",
                interface = name,
                "cannot look up the address of the interface {name}: {error}; everything stays as \
                 it was; retrying every {interval}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> io::Result<Option<IpAddr>> {
        match text {
            "-" => Ok(None),
            "!" => Err(io::ErrorKind::PermissionDenied.into()),
            ip => Ok(Some(ip.parse().expect("an IP address"))),
        }
    }

    /// What is said of each look.
    fn told(looks: &[&str]) -> Vec<String> {
        let mut interface = Interface::NEW;
        let seen = looks.iter().map(|look| match interface.see(found(look)) {
            Seen::Nothing => String::new(),
            Seen::Address(ip) => ip.to_string(),
            Seen::NoAddress => "-".to_owned(),
            Seen::Failure(_) => "!".to_owned(),
        });
        seen.collect()
    }

    #[test]
    fn each_change_is_told_once_and_an_error_is_none() {
        let (a, b) = ("10.0.0.1", "10.0.0.2");
        assert_eq!(told(&[a, a, b, "-", "-", b]), ["", "", b, "-", "", b]);
        assert_eq!(told(&["-", "-", a]), ["-", "", a]);
        assert_eq!(told(&[a, "!", "!", a, "!"]), ["", "!", "", "", "!"]);
        assert_eq!(told(&["!", "-", "!", a]), ["!", "-", "!", a]);
    }

    #[test]
    fn an_error_of_the_kernel_changes_nothing() {
        let mut addresses = Addresses(BTreeMap::from([("eth0".to_owned(), Interface::NEW)]));
        let now = Instant::now();
        assert!(addresses.take_in("eth0", found("10.0.0.1"), now));
        let before = addresses.known();
        assert!(!addresses.take_in("eth0", found("!"), now));
        assert_eq!(addresses.known(), before);
        assert!(addresses.take_in("eth0", found("-"), now));
        assert!(addresses.known().is_empty());
    }

    #[test]
    fn an_interface_is_due_again_after_its_interval() {
        let interval = Duration::from_secs(5);
        let interface = Interface {
            interval,
            ..Interface::NEW
        };
        let mut addresses = Addresses(BTreeMap::from([("eth0".to_owned(), interface)]));
        let now = Instant::now();
        assert_eq!(addresses.due(now).len(), 1);
        addresses.take_in("eth0", found("-"), now);
        assert_eq!(addresses.due_at(), Some(now + interval));
        assert!(addresses.due(now).is_empty());
        assert_eq!(addresses.due(now + interval).len(), 1);
    }
}
