//! The services of a host, from a file or a directory of files.

mod agent;
mod checks;
mod document;
mod etcd;
mod fields;
mod files;
mod interpolate;
mod json;
mod on_interface;
mod sections;
mod select;
mod service;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::configured::{Configured, OnInterface};
use super::etcd::{Env, Given, OURS};
use super::faults::Faults;
use super::observe::GivenDoors;
use super::setting::Setting;
use super::{AgentConfig, ServiceConfig, configured};
use crate::cli::{ConfigArgs, EtcdArgs, ObserveArgs, Variables};
use crate::fault::{Fault, field_of};
use document::Section;
use fields::{DynEnv, OF_A_SERVICE};
use sections::Sections;

pub use select::{LocatedService, select};

const CONFIG: &str = "--config";
pub(super) const DEFAULT_CONFIG: &str = "/etc/register";

/// More would be a mistake.
const MOST_SERVICES: usize = 20_000;

/// What the files and the rest of the settings come to.
pub struct HostConfig {
    pub config: AgentConfig,
    /// To read it again.
    pub source: HostSource,
    /// Variables that say nothing to the services of files: a line for each.
    pub ignored: Vec<String>,
}

/// Where the settings of a host's services come from, as it was at the start but for the files.
pub struct HostSource {
    path: Setting,
    observe: ObserveArgs,
    etcd: EtcdArgs,
    variables: Variables,
    env: Arc<DynEnv>,
}

/// Without `--config`, those of `/etc/register`.
///
/// # Errors
/// All that is wrong.
pub fn host(
    config: ConfigArgs,
    observe: ObserveArgs,
    etcd: EtcdArgs,
    variables: Variables,
    env: impl Env + Send + Sync + 'static,
) -> Result<HostConfig, Faults> {
    let path = Setting {
        place: variables.place(CONFIG),
        value: config.config.unwrap_or_else(|| DEFAULT_CONFIG.to_owned()),
    };
    let mut faults = Faults::new(variables.clone());
    refuse_typed(&path, &variables, &mut faults);
    let ignored = ignored(&path, &env);
    let source = HostSource {
        path,
        observe,
        etcd,
        variables,
        env: Arc::new(env),
    };
    let config = source.gather(&mut faults);
    let config = faults.settle(config)?;
    Ok(HostConfig {
        config,
        source,
        ignored,
    })
}

/// A flag of one service: of which?
fn refuse_typed(path: &Setting, variables: &Variables, faults: &mut Faults) {
    for flag in OF_A_SERVICE {
        if variables.is_typed(flag) {
            let (place, field) = (&path.place, field_of(flag));
            let what = format!("is for a single service; with {place}, set {field} in its file");
            faults.add(Fault::sentence(flag, what));
        }
    }
}

/// Their variables may be set for all that runs on the host.
fn ignored(path: &Setting, env: &impl Env) -> Vec<String> {
    let variables = OF_A_SERVICE.iter().map(|flag| {
        let name = flag.trim_start_matches('-').replace('-', "_");
        format!("REGISTER_{}", name.to_uppercase())
    });
    let set = variables.filter(|name| env(name).is_some());
    let place = &path.place;
    set.map(|name| format!("{name} is ignored: with {place}, services are set up in its file"))
        .collect()
}

impl HostSource {
    /// As the files are now. Variables are what they were at the start.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn read(&self) -> Result<AgentConfig, Faults> {
        let mut faults = Faults::new(self.variables.clone());
        let config = self.gather(&mut faults);
        faults.settle(config)
    }

    /// Where that is.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path.value
    }

    fn gather(&self, faults: &mut Faults) -> Option<AgentConfig> {
        let files = files::read(&self.path, faults);
        let sections = Sections::of(files, faults);
        let of_file = match &sections.etcd {
            Some(section) => etcd::given(section, &*self.env, faults),
            None => Given::default(),
        };
        let doors = match &sections.agent {
            Some(section) => agent::given(section, &*self.env, faults),
            None => GivenDoors::default(),
        };
        let observe = GivenDoors::by_flags(&self.observe, faults)
            .or(doors)
            .check(faults);
        let services = self.services(&sections, faults);
        let etcd = Given::by_flags(self.etcd.clone(), faults)
            .or(Given::by_etcdctl(&*self.env))
            .or(of_file)
            .check(&OURS, faults);
        let (services, on_interfaces) = services;
        Some(AgentConfig {
            etcd: etcd?,
            observe: observe?,
            services,
            on_interfaces,
        })
    }

    /// Those with an address of their own, and those with an interface's.
    fn services(
        &self,
        sections: &Sections,
        faults: &mut Faults,
    ) -> (Vec<ServiceConfig>, Vec<OnInterface<ServiceConfig>>) {
        let count = sections.service_count();
        if count > MOST_SERVICES {
            let what = format!("names {count} services; {MOST_SERVICES} are the most");
            faults.add(self.path.fault(what));
            return (Vec::new(), Vec::new());
        }
        if count == 0 && faults.are_none() {
            faults.add(self.path.fault("names no service; write a [[service]]"));
        }
        for defaults in sections.defaults() {
            service::check_defaults(defaults, &*self.env, faults);
        }
        let mut keys = BTreeMap::new();
        let mut numbers = BTreeMap::new();
        let (mut services, mut on_interfaces) = (Vec::new(), Vec::new());
        for (section, defaults) in sections.services() {
            let Some(service) = self.service(section, &defaults, &mut numbers, faults) else {
                continue;
            };
            let key = match &service {
                Configured::Fixed(service) => &service.announcement.key,
                Configured::OnInterface(service) => &service.example.announcement.key,
            };
            match keys.entry(key.clone()) {
                Entry::Vacant(place) => {
                    place.insert(section);
                }
                Entry::Occupied(other) => faults.add(same_key(section, other.get())),
            }
            match service {
                Configured::Fixed(service) => services.push(service),
                Configured::OnInterface(service) => on_interfaces.push(service),
            }
        }
        (services, on_interfaces)
    }

    /// `numbers` are those of the interfaces so far.
    fn service(
        &self,
        section: &Section,
        defaults: &[&Section],
        numbers: &mut BTreeMap<String, u32>,
        faults: &mut Faults,
    ) -> Option<Configured<ServiceConfig>> {
        let Some(port) = on_interface::port(section, defaults, &*self.env, faults) else {
            let service = service::read(section, defaults, &*self.env, faults);
            return service.map(Configured::Fixed);
        };
        let count = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        let interface = port.as_ref().map(|port| port.interface.clone());
        let number = numbers
            .entry(interface.unwrap_or_default())
            .or_insert(count);
        let make = on_interface::maker(section, defaults, Arc::clone(&self.env));
        configured::on_interface(port, *number, self.variables.clone(), faults, make)
            .map(Configured::OnInterface)
    }
}

fn same_key(section: &Section, other: &Section) -> Fault {
    let other = other.at();
    let what = format!(
        "the service at {other} has the same; give each a key of its own, as in \
         key = \"/services/{{service}}/{{host}}:{{port}}\""
    );
    Fault::of(section.place_of("key"), what)
}

#[cfg(test)]
mod tests;
