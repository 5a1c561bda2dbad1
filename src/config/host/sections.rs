//! The tables of all files: which are for etcd, which for services, and which defaults those have.

use std::sync::Arc;

use super::agent;
use super::document::{self, Node, Section, TomlValue};
use super::fields::refuse_unknown;
use super::files::Text;
use crate::config::faults::Faults;
use crate::fault::{Fault, Place, field_of};

const TABLES: [&str; 4] = ["etcd", "agent", "defaults", "service"];

#[derive(Debug, Default)]
pub(super) struct Sections {
    pub etcd: Option<Section>,
    pub agent: Option<Section>,
    /// For the services of all files.
    defaults: Option<Section>,
    files: Vec<FileSections>,
}

#[derive(Debug)]
struct FileSections {
    /// For its services only.
    defaults: Option<Section>,
    services: Vec<Section>,
}

impl Sections {
    pub(super) fn of(files: Vec<Text>, faults: &mut Faults) -> Self {
        let mut sections = Self::default();
        for file in files {
            let path = Arc::from(file.path);
            if let Some(root) = faults.take(document::parse(&path, &file.text)) {
                sections.take_in(root, file.is_below, faults);
            }
        }
        sections
    }

    fn take_in(&mut self, mut root: Section, is_below: bool, faults: &mut Faults) {
        let etcd = table(&mut root, "etcd", faults);
        keep_first(&mut self.etcd, etcd, "etcd", faults);
        let agent = table(&mut root, "agent", faults);
        if let Some(section) = &agent {
            let known = agent::FLAGS.map(field_of);
            refuse_unknown(section, known.iter().map(String::as_str), faults);
        }
        keep_first(&mut self.agent, agent, "agent", faults);
        let mut defaults = table(&mut root, "defaults", faults);
        if !is_below {
            keep_first(&mut self.defaults, defaults.take(), "defaults", faults);
        }
        let services = services(&mut root, faults);
        refuse_unknown(&root, TABLES, faults);
        self.files.push(FileSections { defaults, services });
    }

    pub(super) fn service_count(&self) -> usize {
        self.files.iter().map(|file| file.services.len()).sum()
    }

    pub(super) fn defaults(&self) -> impl Iterator<Item = &Section> {
        let of_files = self.files.iter().filter_map(|file| file.defaults.as_ref());
        self.defaults.iter().chain(of_files)
    }

    /// With their defaults, from the strongest on.
    pub(super) fn services(&self) -> impl Iterator<Item = (&Section, Vec<&Section>)> {
        self.files.iter().flat_map(|file| {
            let defaults = file.defaults.iter().chain(&self.defaults);
            let defaults: Vec<_> = defaults.collect();
            file.services
                .iter()
                .map(move |service| (service, defaults.clone()))
        })
    }
}

/// The table of this name, which is taken out.
fn table(root: &mut Section, name: &str, faults: &mut Faults) -> Option<Section> {
    let Node { line, value } = root.fields.remove(name)?;
    match value {
        TomlValue::Table(fields) => Some(root.part(line, fields)),
        _ => {
            let what = format!("must be a table; write [{name}]");
            faults.add(Fault::of(root.place(line, name), what));
            None
        }
    }
}

/// Each `[[service]]`.
fn services(root: &mut Section, faults: &mut Faults) -> Vec<Section> {
    let Some(Node { line, value }) = root.fields.remove("service") else {
        return Vec::new();
    };
    let TomlValue::Array(items) = value else {
        faults.add(no_services(root.place(line, "service")));
        return Vec::new();
    };
    let mut services = Vec::new();
    for Node { line, value } in items {
        match value {
            TomlValue::Table(fields) if !fields.is_empty() => {
                services.push(root.part(line, fields));
            }
            TomlValue::Table(_) => {
                let what = "is empty; give the service a name and an address";
                faults.add(Fault::sentence(root.place(line, "service"), what));
            }
            _ => faults.add(no_services(root.place(line, "service"))),
        }
    }
    services
}

fn no_services(place: Place) -> Fault {
    Fault::of(place, "must be tables; write [[service]]")
}

fn keep_first(kept: &mut Option<Section>, found: Option<Section>, name: &str, faults: &mut Faults) {
    match (&kept, found) {
        (Some(first), Some(second)) => {
            let what = format!("[{name}] is there already, at {}", first.at());
            faults.add(Fault::of(second.at(), what));
        }
        (None, found) => *kept = found,
        (Some(_), None) => {}
    }
}
