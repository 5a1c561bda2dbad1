//! An agent's services, with those of them for which interfaces have addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::error;

use super::addresses::Addresses;
use super::located::{LookedUp, look_up};
use crate::config::{OnInterface, ServiceConfig};
use crate::deadline::now;

#[derive(Clone, Default)]
pub(super) struct Placed {
    /// With an address of their own. Empty if there are no others.
    fixed: Arc<Vec<ServiceConfig>>,
    on_interfaces: Arc<Vec<OnInterface<ServiceConfig>>>,
    pub addresses: Addresses,
    /// Why services with an address are left out.
    faults: BTreeSet<String>,
    /// How many are not among the services for want of an address.
    pub without_address: usize,
}

/// What comes of the addresses.
#[derive(Default)]
struct Made {
    services: Vec<ServiceConfig>,
    faults: BTreeSet<String>,
    without_address: usize,
}

impl Placed {
    /// These services in the place of those before, and all that there are by now.
    pub(super) async fn replaced(
        &self,
        fixed: Vec<ServiceConfig>,
        on_interfaces: Vec<OnInterface<ServiceConfig>>,
    ) -> (Self, Vec<ServiceConfig>) {
        if on_interfaces.is_empty() {
            return (Self::default(), fixed);
        }
        let mut placed = Self {
            addresses: self.addresses.of(&on_interfaces),
            fixed: Arc::new(fixed),
            on_interfaces: Arc::new(on_interfaces),
            ..Self::default()
        };
        let looked = look_up(placed.addresses.due(now())).await;
        placed.take_in(looked);
        placed.made_anew().await
    }

    /// All services, at the addresses that are known.
    pub(super) async fn made_anew(mut self) -> (Self, Vec<ServiceConfig>) {
        let services = self.make().await;
        (self, services)
    }

    /// Looks up what is due: all services, if they may be others now.
    pub(super) async fn look(mut self) -> (Self, Option<Vec<ServiceConfig>>) {
        let looked = look_up(self.addresses.due(now())).await;
        let differs = self.take_in(looked);
        if !differs && self.faults.is_empty() {
            return (self, None);
        }
        let (placed, services) = self.made_anew().await;
        (placed, Some(services))
    }

    fn take_in(&mut self, looked: LookedUp) -> bool {
        let now = now();
        let mut differs = false;
        for (name, found) in looked {
            differs |= self.addresses.take_in(&name, found, now);
        }
        differs
    }

    /// In a thread for work that blocks: settings name files.
    #[cfg_attr(
        not(test),
        expect(
            clippy::disallowed_methods,
            reason = "no simulation reads this host's files"
        )
    )]
    async fn make(&mut self) -> Vec<ServiceConfig> {
        let (fixed, on_interfaces) = (Arc::clone(&self.fixed), Arc::clone(&self.on_interfaces));
        let known = self.addresses.known();
        let making = spawn_blocking(move || made(&fixed, &on_interfaces, &known));
        let made = making.await.unwrap_or_else(|error| Made {
            services: self.fixed.to_vec(),
            faults: BTreeSet::from([error.to_string()]),
            without_address: self.on_interfaces.len(),
        });
        for fault in made.faults.difference(&self.faults) {
            error!(event = "service_left_out", "{fault}");
        }
        self.faults = made.faults;
        self.without_address = made.without_address;
        made.services
    }
}

fn made(
    fixed: &[ServiceConfig],
    on_interfaces: &[OnInterface<ServiceConfig>],
    known: &BTreeMap<String, IpAddr>,
) -> Made {
    let mut made = Made {
        services: fixed.to_vec(),
        ..Made::default()
    };
    let keys = fixed.iter().map(|service| service.announcement.key.clone());
    let mut keys: BTreeSet<String> = keys.collect();
    for service in on_interfaces {
        let name = &service.example.name;
        match known.get(&service.port.interface).map(|ip| service.at(*ip)) {
            None => made.without_address += 1,
            Some(Ok(service)) if keys.insert(service.announcement.key.clone()) => {
                made.services.push(service);
            }
            Some(Ok(service)) => {
                let key = &service.announcement.key;
                let fault = format!("{name}: {key} is another service's key; not registered");
                made.faults.insert(fault);
            }
            Some(Err(faults)) => {
                let faults = faults.to_string();
                let faults = faults.lines().map(|fault| format!("{name}: {fault}"));
                made.faults.extend(faults);
            }
        }
    }
    made
}
