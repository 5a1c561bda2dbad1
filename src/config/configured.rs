//! Settings for an address: made at once, or once it is known which address an interface has.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::faults::Faults;
use crate::address::interface::{InterfaceError, InterfacePort, PREFIX};
use crate::cli::Variables;
use crate::fault::Fault;

const ADDRESS: &str = "--address";

/// For settings that are checked before any address is known. Nobody has such an address.
const STAND_INS: Ipv4Addr = Ipv4Addr::new(240, 0, 0, 1);

/// Settings that depend on `--address`.
#[derive(Debug)]
pub enum Configured<T> {
    Fixed(T),
    OnInterface(OnInterface<T>),
}

/// Settings that are made anew for each address that an interface has.
pub struct OnInterface<T> {
    pub port: InterfacePort,
    /// Made for an address that stands in: these settings are sound.
    pub example: T,
    make: Arc<Make<T>>,
    variables: Variables,
}

/// Why settings could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Unlocated {
    #[error("the interface {0} has no global address, or does not exist")]
    NoAddress(String),
    #[error("the address of the interface {0} cannot be looked up ({1})")]
    Unknown(String, String),
    /// A line for each fault.
    #[error("{0}")]
    Unsound(String),
}

type Make<T> = dyn Fn(&str, &mut Faults) -> Option<T> + Send + Sync;

impl<T> OnInterface<T> {
    /// While the interface has this address.
    ///
    /// # Errors
    /// Files that the settings name may have changed.
    pub fn at(&self, ip: IpAddr) -> Result<T, Faults> {
        let mut faults = Faults::again(self.variables.clone());
        let made = (self.make)(&self.port.at(ip).to_string(), &mut faults);
        faults.settle(made)
    }

    /// `found`: the address of the interface.
    ///
    /// # Errors
    /// When it has none, or nobody knows.
    pub fn located(&self, found: &io::Result<Option<IpAddr>>) -> Result<T, Unlocated> {
        let interface = || self.port.interface.clone();
        match found {
            Ok(Some(ip)) => {
                let made = self.at(*ip);
                made.map_err(|faults| Unlocated::Unsound(faults.to_string()))
            }
            Ok(None) => Err(Unlocated::NoAddress(interface())),
            Err(error) => Err(Unlocated::Unknown(interface(), error.to_string())),
        }
    }
}

impl<T: Clone> Clone for OnInterface<T> {
    fn clone(&self) -> Self {
        Self {
            port: self.port.clone(),
            example: self.example.clone(),
            make: Arc::clone(&self.make),
            variables: self.variables.clone(),
        }
    }
}

impl<T: PartialEq> PartialEq for OnInterface<T> {
    fn eq(&self, other: &Self) -> bool {
        self.port == other.port && self.example == other.example
    }
}

impl<T: fmt::Debug> fmt::Debug for OnInterface<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnInterface")
            .field("port", &self.port)
            .field("example", &self.example)
            .finish_non_exhaustive()
    }
}

/// Whether it is an interface's address that is meant.
pub(super) fn is_of_interface(address: &str) -> bool {
    address.starts_with(PREFIX)
}

/// An address for the checks of settings, one for each `number`.
pub(super) fn stand_in(port: u16, number: u32) -> String {
    let ip = Ipv4Addr::from(u32::from(STAND_INS).saturating_add(number));
    format!("{ip}:{port}")
}

/// The port of an interface that `address` names, or a fault.
pub(super) fn interface_port(address: &str, faults: &mut Faults) -> Option<InterfacePort> {
    let port = address.parse();
    faults.take(port.map_err(|error: InterfaceError| Fault::of_value(ADDRESS, address, error)))
}

/// What `make` makes of the address that flags have.
pub(super) fn by_flags<T>(
    address: Option<&str>,
    variables: Variables,
    faults: &mut Faults,
    make: impl Fn(Option<&str>, &mut Faults) -> Option<T> + Send + Sync + 'static,
) -> Option<Configured<T>> {
    let Some(text) = address.filter(|text| is_of_interface(text)) else {
        return make(address, faults).map(Configured::Fixed);
    };
    let port = interface_port(text, faults);
    on_interface(port, 0, variables, faults, move |address, faults| {
        make(Some(address), faults)
    })
    .map(Configured::OnInterface)
}

/// Finds all that is wrong, also where the port of the interface is. `number` is the interface's.
pub(super) fn on_interface<T>(
    port: Option<InterfacePort>,
    number: u32,
    variables: Variables,
    faults: &mut Faults,
    make: impl Fn(&str, &mut Faults) -> Option<T> + Send + Sync + 'static,
) -> Option<OnInterface<T>> {
    let stand_in = stand_in(port.as_ref().map_or(80, |port| port.port), number);
    let example = make(&stand_in, faults);
    Some(OnInterface {
        port: port?,
        example: example?,
        make: Arc::new(make),
        variables,
    })
}
