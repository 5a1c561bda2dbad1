//! A `[[service]]` whose address is an interface's.

use std::sync::Arc;

use super::document::{Node, Section, TomlValue};
use super::fields::{DynEnv, Fields};
use super::service;
use crate::address::interface::InterfacePort;
use crate::config::ServiceConfig;
use crate::config::configured::{interface_port, is_of_interface};
use crate::config::faults::Faults;

const ADDRESS: &str = "--address";

/// None where the address is another. Of an interface that is written in a wrong way there is none
/// either, but a fault.
pub(super) fn port(
    section: &Section,
    defaults: &[&Section],
    env: &DynEnv,
    faults: &mut Faults,
) -> Option<Option<InterfacePort>> {
    let fields = Fields {
        own: section,
        behind: defaults.to_vec(),
        url: None,
        env,
    };
    // What is wrong with another address is found where it is read.
    let address = fields.text(ADDRESS, &mut Faults::default())?;
    if !is_of_interface(&address) {
        return None;
    }
    Some(faults.within(section.scope(), |faults| {
        let address = fields.text(ADDRESS, faults)?;
        interface_port(&address, faults)
    }))
}

/// What makes the service at an address.
pub(super) fn maker(
    section: &Section,
    defaults: &[&Section],
    env: Arc<DynEnv>,
) -> impl Fn(&str, &mut Faults) -> Option<ServiceConfig> + Send + Sync + 'static {
    let section = section.clone();
    let defaults: Vec<_> = defaults.iter().map(|&defaults| defaults.clone()).collect();
    move |address, faults| {
        let defaults: Vec<_> = defaults.iter().collect();
        service::read(&at(&section, address), &defaults, &*env, faults)
    }
}

fn at(section: &Section, address: &str) -> Section {
    let line = section
        .fields
        .get("address")
        .map_or(section.line, |node| node.line);
    let value = TomlValue::Text(address.to_owned());
    let mut fields = section.fields.clone();
    fields.insert("address".to_owned(), Node { line, value });
    section.part(section.line, fields)
}
