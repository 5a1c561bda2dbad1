//! Which flags were typed, and which were given by their variables of the environment.

use std::collections::{BTreeMap, BTreeSet};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use crate::fault::Place;

/// The variables that were looked at in place of flags, and the flags that were typed.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    by_flag: BTreeMap<String, String>,
    typed: BTreeSet<String>,
}

impl Variables {
    /// Of the command that was asked for: another's flag of the same name has another variable.
    pub(super) fn looked_at(command: &Command, matches: &ArgMatches) -> Self {
        if let Some((name, matches)) = matches.subcommand()
            && let Some(command) = command.find_subcommand(name)
        {
            return Self::looked_at(command, matches);
        }
        let given = |source| {
            command.get_arguments().filter(move |argument| {
                matches.value_source(argument.get_id().as_str()) == Some(source)
            })
        };
        let names = given(ValueSource::EnvVariable).filter_map(|argument| {
            let variable = argument.get_env()?.to_str()?;
            Some((format!("--{}", argument.get_long()?), variable.to_owned()))
        });
        let typed = given(ValueSource::CommandLine).filter_map(clap::Arg::get_long);
        Self {
            by_flag: names.collect(),
            typed: typed.map(|flag| format!("--{flag}")).collect(),
        }
    }

    /// Whether `flag` stands on the command line.
    #[must_use]
    pub fn is_typed(&self, flag: &str) -> bool {
        self.typed.contains(flag)
    }

    /// Where the value of `flag` is from. One that was typed, or left at its default, is its own place.
    #[must_use]
    pub fn place(&self, flag: &'static str) -> Place {
        match self.by_flag.get(flag) {
            Some(variable) => Place::Variable(variable.clone()),
            None => Place::Flag(flag),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    /// What is set for every process, in place of what we could not set here.
    const SET: &str = "PATH";

    fn places(words: &[&str]) -> [Place; 3] {
        let flag = |name: &'static str| Arg::new(name).long(name);
        let of_agent = flag("ttl").env(SET).default_value("30s");
        let of_list = flag("ttl").env("REGISTER_UNSET").default_value("30s");
        let mut command = Command::new("register")
            .arg(of_agent)
            .arg(flag("user").env(SET).global(true))
            .arg(flag("key").env(SET))
            .subcommand(Command::new("list").arg(of_list));
        let matches = command
            .try_get_matches_from_mut(words)
            .expect("known flags");
        let variables = Variables::looked_at(&command, &matches);
        ["--ttl", "--user", "--key"].map(|flag| variables.place(flag))
    }

    #[test]
    fn a_flag_that_was_not_typed_is_where_its_variable_is() {
        let set = || Place::Variable(SET.to_owned());
        assert_eq!(places(&["register"]), [set(), set(), set()]);
        assert_eq!(
            places(&["register", "--ttl", "1s", "--user", "u"]),
            [Place::Flag("--ttl"), Place::Flag("--user"), set()]
        );
    }

    #[test]
    fn a_commands_own_flag_is_not_the_agents_of_that_name() {
        let set = || Place::Variable(SET.to_owned());
        let (ttl, key) = (Place::Flag("--ttl"), Place::Flag("--key"));
        let of_list = places(&["register", "list"]);
        assert_eq!(of_list, [ttl.clone(), set(), key.clone()]);
        let typed = places(&["register", "--user", "u", "list"]);
        assert_eq!(typed, [ttl, Place::Flag("--user"), key]);
    }
}
