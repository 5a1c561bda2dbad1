//! The addresses that interfaces have now, and the settings for them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

use tokio::task::spawn_blocking;

use crate::config::{Configured, LocatedService, OnInterface, ServiceConfig, Unlocated};
use crate::os::interface;

/// The address of each interface.
pub(super) type LookedUp = BTreeMap<String, io::Result<Option<IpAddr>>>;

/// In a thread for work that blocks.
#[cfg_attr(
    not(test),
    expect(
        clippy::disallowed_methods,
        reason = "no simulation looks at this host's interfaces"
    )
)]
pub(super) async fn look_up(interfaces: BTreeSet<String>) -> LookedUp {
    if interfaces.is_empty() {
        return LookedUp::new();
    }
    let names = interfaces.clone();
    let looking = spawn_blocking(move || {
        let looked = names.into_iter().map(|name| {
            let found = interface::address(&name);
            (name, found)
        });
        looked.collect()
    });
    looking.await.unwrap_or_else(|error| {
        let failed = |name| (name, Err(io::Error::other(error.to_string())));
        interfaces.into_iter().map(failed).collect()
    })
}

/// Settings for the address that is given, or for that of the interface now.
pub(super) async fn located<T>(configured: Configured<T>) -> Result<T, Unlocated> {
    match configured {
        Configured::Fixed(settings) => Ok(settings),
        Configured::OnInterface(settings) => {
            let interface = settings.port.interface.clone();
            let looked = look_up(BTreeSet::from([interface])).await;
            located_by(&settings, &looked)
        }
    }
}

/// All services, those of interfaces last.
pub async fn located_services(
    fixed: Vec<ServiceConfig>,
    on_interfaces: &[OnInterface<ServiceConfig>],
) -> Vec<LocatedService> {
    let looked = look_up(interfaces_of(on_interfaces)).await;
    let located = on_interfaces.iter().map(|service| {
        let name = || service.example.name.clone();
        located_by(service, &looked).map_err(|why| (name(), why))
    });
    fixed.into_iter().map(Ok).chain(located).collect()
}

pub(super) fn interfaces_of(services: &[OnInterface<ServiceConfig>]) -> BTreeSet<String> {
    let interfaces = services.iter().map(|service| &service.port.interface);
    interfaces.cloned().collect()
}

fn located_by<T>(settings: &OnInterface<T>, looked: &LookedUp) -> Result<T, Unlocated> {
    let interface = &settings.port.interface;
    match looked.get(interface) {
        Some(found) => settings.located(found),
        None => Err(Unlocated::NoAddress(interface.clone())),
    }
}
