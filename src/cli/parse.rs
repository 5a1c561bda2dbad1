//! From words and variables to flags, with the rules that clap's derive cannot say.

use std::ffi::OsString;

use clap::builder::{OsStr, Resettable};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use super::{Cli, Variables};
use crate::wording::nearest;

impl Cli {
    /// As the process was called. Prints what clap has to say and exits if that is no command.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn of(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = with_our_variables(Self::command());
        let matches = command.try_get_matches_from_mut(words)?;
        if let Some(fault) = lost_flag(&command, &matches) {
            return Err(command.error(ErrorKind::ArgumentConflict, fault));
        }
        let mut cli =
            Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        if let Some(fault) = lost_word(&command, &cli) {
            return Err(command.error(ErrorKind::InvalidSubcommand, fault));
        }
        cli.variables = Variables::looked_at(&command, &matches);
        Ok(cli)
    }
}

/// What a switch may be given as.
pub(super) fn switch(text: &str) -> Result<bool, &'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "y" | "yes" | "on" => Ok(true),
        "0" | "f" | "false" | "n" | "no" | "off" => Ok(false),
        _ => Err("use true or false, yes or no, on or off, 1 or 0"),
    }
}

/// An empty variable counts as unset.
fn with_our_variables(command: Command) -> Command {
    let adapt = |argument: clap::Arg| {
        let is_empty = |name| std::env::var_os(name).is_some_and(|value| value.is_empty());
        match argument.get_env() {
            Some(name) if is_empty(name) => argument.env(Resettable::<OsStr>::Reset),
            Some(_) | None => argument,
        }
    };
    command.mut_args(adapt).mut_subcommands(with_our_variables)
}

/// A flag of the agent before a command: the command would not see it.
fn lost_flag(command: &Command, matches: &ArgMatches) -> Option<String> {
    let (name, _) = matches.subcommand()?;
    let typed = |argument: &&clap::Arg| {
        let source = matches.value_source(argument.get_id().as_str());
        source == Some(ValueSource::CommandLine)
    };
    let flag = command
        .get_arguments()
        // confd has flags of its own only.
        .filter(|argument| name == "confd" || !argument.is_global_set())
        .find(typed)?
        .get_long()?;
    let of_command = name != "confd"
        && command
            .find_subcommand(name)?
            .get_arguments()
            .any(|argument| argument.get_long() == Some(flag));
    Some(if of_command {
        format!("--{flag} is given before '{name}'; write it after: register {name} --{flag} …")
    } else {
        format!("--{flag} is no flag of '{name}'")
    })
}

/// A word that is neither a command nor a service to be dealt with once.
fn lost_word(command: &Command, cli: &Cli) -> Option<String> {
    let word = cli.agent.services.names.first()?;
    if cli.agent.once == Some(true) && cli.command.is_none() {
        return None;
    }
    let commands = command.get_subcommands().map(Command::get_name);
    Some(match nearest(word, commands) {
        Some(name) => format!("unrecognized subcommand '{word}'; did you mean '{name}'?"),
        None => format!("unrecognized subcommand '{word}'"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(words: &str) -> Option<String> {
        let words = words.split_whitespace().map(OsString::from);
        let error = Cli::of(words).err()?.to_string();
        error.lines().next().map(str::to_owned)
    }

    #[test]
    fn a_flag_that_the_command_would_not_see_is_refused() {
        assert_eq!(
            fault("register --service w --address a:1 deregister").as_deref(),
            Some(
                "error: --service is given before 'deregister'; write it after: register deregister --service …"
            )
        );
        assert_eq!(
            fault("register --once list").as_deref(),
            Some("error: --once is no flag of 'list'")
        );
        assert_eq!(
            fault("register --endpoints http://a:1 confd -onetime").as_deref(),
            Some("error: --endpoints is no flag of 'confd'")
        );
    }

    #[test]
    fn a_word_that_is_no_command_is_a_service_only_with_once() {
        let table = [
            ("lsit", "'lsit'; did you mean 'list'?"),
            ("web --config c", "'web'"),
            ("web list", "'web'"),
        ];
        for (words, told) in table {
            let told = format!("error: unrecognized subcommand {told}");
            assert_eq!(fault(&format!("register {words}")), Some(told));
        }
        assert_eq!(fault("register --once --config c web"), None);
        assert_eq!(fault("register deregister --config c web"), None);
    }

    #[test]
    fn a_switch_that_is_no_boolean_is_told_what_to_say() {
        assert_eq!(
            fault("register --once=maybe").as_deref(),
            Some(
                "error: invalid value 'maybe' for '--once[=<BOOL>]': use true or false, yes or no, on or off, 1 or 0"
            )
        );
        for text in ["1", "Yes", "on", "TRUE", " true\n", "t"] {
            assert_eq!(switch(text), Ok(true), "{text}");
        }
        for text in ["0", "No", "off", "FALSE", "f"] {
            assert_eq!(switch(text), Ok(false), "{text}");
        }
    }

    #[test]
    fn flags_for_etcd_and_logs_go_before_or_after_a_command() {
        assert_eq!(
            fault("register --endpoints h:1 --log-level debug list"),
            None
        );
        assert_eq!(
            fault("register list --endpoints h:1 --log-level debug"),
            None
        );
        assert_eq!(fault("register --user u:p render --once"), None);
    }
}
