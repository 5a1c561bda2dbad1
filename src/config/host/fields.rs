//! The fields of a table of a file, by name and type, and of the tables whose fields stand in for its own.

use super::document::{Node, Section, TomlValue};
use super::interpolate::interpolate;
use crate::config::faults::{Faults, Hidden};
use crate::fault::{Fault, Place, field_of};
use crate::probe;
use crate::wording::nearest;

/// Flags that say something of one service: its fields are named after them.
pub(super) const OF_A_SERVICE: [&str; 25] = [
    "--service",
    "--address",
    "--prefix",
    "--key",
    "--value",
    "--check",
    "--timeout",
    "--expect",
    "--method",
    "--header",
    "--body-regex",
    "--host",
    "--tls-skip-verify",
    "--check-ca",
    "--check-cert",
    "--check-key",
    "--check-server-name",
    "--interval",
    "--fast-interval",
    "--rise",
    "--fall",
    "--start-grace",
    "--ttl",
    "--drain",
    "--stop-timeout",
];

/// Those of them that say how it is probed.
pub(super) const OF_A_CHECK: [&str; 12] = [
    "--check",
    "--timeout",
    "--expect",
    "--method",
    "--header",
    "--body-regex",
    "--host",
    "--tls-skip-verify",
    "--check-ca",
    "--check-cert",
    "--check-key",
    "--check-server-name",
];

/// The fields of a service that there are no flags for.
pub(super) const OF_FILES_ONLY: [&str; 3] = ["--checks", "--pass", "--drained"];

/// A table with more unknown fields is no mistyped one.
const MOST_GUESSES: usize = 100;

/// Looks up a variable of the environment.
pub(super) type DynEnv = dyn Fn(&str) -> Option<String> + Send + Sync;

/// A table, and those that have what it lacks, from the strongest on.
#[derive(Clone)]
pub(super) struct Fields<'a> {
    pub own: &'a Section,
    pub behind: Vec<&'a Section>,
    /// What is checked, if that is what they are for: what stands behind and says nothing to such a
    /// check is not meant for it.
    pub url: Option<String>,
    pub env: &'a DynEnv,
}

impl<'a> Fields<'a> {
    pub(super) fn sections(&self) -> impl Iterator<Item = &'a Section> {
        std::iter::once(self.own).chain(self.behind.iter().copied())
    }

    /// The field that gives what `flag` would, and where it is.
    pub(super) fn find(
        &self,
        flag: &'static str,
        faults: &mut Faults,
    ) -> Option<(&'a Node, Place)> {
        let name = field_of(flag);
        let is_unfit = |url: &String| probe::fault_of_unfit(flag, url).is_some();
        let behind = match self.url.as_ref().is_some_and(is_unfit) {
            true => &[][..],
            false => &self.behind,
        };
        let mut sections = std::iter::once(&self.own).chain(behind);
        let section = sections.find(|section| section.fields.contains_key(&name))?;
        let place = section.place_of(&name);
        faults.is_given(flag, place.clone());
        Some((section.fields.get(&name)?, place))
    }

    /// A string.
    pub(super) fn text(&self, flag: &'static str, faults: &mut Faults) -> Option<String> {
        let (node, place) = self.find(flag, faults)?;
        match &node.value {
            TomlValue::Text(text) => self.replaced(text, place, faults),
            _ => wrong(place, "must be a string, in quotes", faults),
        }
    }

    /// An array of strings, or one alone.
    pub(super) fn texts(&self, flag: &'static str, faults: &mut Faults) -> Option<Vec<String>> {
        let (node, place) = self.find(flag, faults)?;
        let items = match &node.value {
            TomlValue::Array(items) => &items[..],
            TomlValue::Text(_) => std::slice::from_ref(node),
            _ => return wrong(place, "must be an array of strings", faults),
        };
        let texts = items.iter().map(|item| match &item.value {
            TomlValue::Text(text) => self.replaced(text, place.clone(), faults),
            _ => wrong(place.clone(), "must be an array of strings", faults),
        });
        // All of them, as each may have its fault.
        let texts: Vec<_> = texts.collect();
        texts.into_iter().collect()
    }

    /// A whole number; a string may have it in a variable.
    pub(super) fn count(&self, flag: &'static str, faults: &mut Faults) -> Option<String> {
        let (node, place) = self.find(flag, faults)?;
        match &node.value {
            TomlValue::Text(text) => self.replaced(text, place, faults),
            TomlValue::Integer(Some(number)) => Some(number.to_string()),
            _ => wrong(place, "must be a whole number", faults),
        }
    }

    pub(super) fn switch(&self, flag: &'static str, faults: &mut Faults) -> Option<bool> {
        let (node, place) = self.find(flag, faults)?;
        match &node.value {
            TomlValue::Boolean(on) => Some(*on),
            _ => wrong(place, "must be true or false, without quotes", faults),
        }
    }

    /// `text` with the values of its variables, which no fault at `place` will tell.
    pub(super) fn replaced(&self, text: &str, place: Place, faults: &mut Faults) -> Option<String> {
        match interpolate(text, self.env) {
            Ok(done) => {
                if !done.values.is_empty() {
                    faults.hide(place, Hidden::of(text, done.values));
                }
                Some(done.text)
            }
            Err(found) => {
                for fault in found {
                    faults.add(Fault::of(place.clone(), fault));
                }
                None
            }
        }
    }
}

fn wrong<T>(place: Place, what: &str, faults: &mut Faults) -> Option<T> {
    faults.add(Fault::of(place, what));
    None
}

/// Tells each field of `section` that is none of the `known`.
pub(super) fn refuse_unknown<'a>(
    section: &Section,
    known: impl IntoIterator<Item = &'a str> + Clone,
    faults: &mut Faults,
) {
    let is_unknown = |name: &&String| known.clone().into_iter().all(|known| known != *name);
    for (number, name) in section.fields.keys().filter(is_unknown).enumerate() {
        let meant = match name.as_str() {
            _ if number > MOST_GUESSES => None,
            "service" => known.clone().into_iter().find(|known| *known == "name"),
            _ => nearest(name, known.clone()),
        };
        let what = match meant {
            Some(meant) => format!("unknown field; did you mean {meant}?"),
            None => "unknown field".to_owned(),
        };
        faults.add(Fault::of(section.place_of(name), what));
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::agent;
    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_flag_of_the_agent_is_of_one_service_but_for_a_few() {
        let command = Cli::command();
        let flags = command.get_arguments().filter(|flag| !flag.is_global_set());
        let flags = flags.filter_map(clap::Arg::get_long);
        let flags: Vec<_> = flags
            .filter(|flag| !["config", "once", "help", "version"].contains(flag))
            .map(|flag| format!("--{flag}"))
            .filter(|flag| !agent::FLAGS.contains(&flag.as_str()))
            .collect();
        assert_eq!(flags, OF_A_SERVICE);
    }
}
