//! The command line as typed. Whether values make sense is for `config` to say.

mod agent;
pub mod confd;
mod control;
mod doctor;
mod etcd;
pub mod go_flags;
mod observe;
mod parse;
mod render;
mod variables;

use std::io;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub use agent::{AgentArgs, AnnouncementArgs, ConfigArgs, ProbeArgs, ServicesArgs};
pub use control::{DrainArgs, SocketArgs, StatusArgs};
pub use doctor::{DoctorArgs, ProxyArgs};
pub use etcd::EtcdArgs;
pub use observe::{ObserveArgs, RenderObserveArgs};
pub use render::{ConfdirArgs, RenderArgs, RenderCommand};
pub use variables::Variables;

/// Keep a service's key in etcd while the service is healthy, and a proxy's files in step with it.
///
/// Without a command, runs the agent in the foreground: it probes the backend, holds
/// <PREFIX>/<SERVICE>/<HOST> = HOST:PORT in etcd under a lease while the backend is healthy, and
/// deletes the key when it is not, and on SIGTERM or SIGINT. With --config it does so for all services
/// of a host; SIGHUP then applies what has changed in their files. SIGUSR2 leaves the keys to the
/// program that is installed by now, if that takes the same settings, and exits 140.
#[derive(Parser, Debug)]
#[command(name = "register", version)]
#[command(after_help = "Durations are written 250ms, 30s or 1m 30s. \
    Every flag can be given as REGISTER_<FLAG> in the environment, but those of render that the agent has \
    too as REGISTER_RENDER_<FLAG>; a switch as 1 or 0. etcdctl's ETCDCTL_* variables are honoured too.\n\nExit codes: 0 done; 1 the backend is unhealthy, or a render or check \
    failed; 2 usage or configuration; 3 etcd unreachable or refused; 128+n ended by signal n before finishing.")]
pub struct Cli {
    #[command(flatten)]
    pub agent: AgentArgs,
    #[command(flatten)]
    pub etcd: EtcdArgs,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where the values of the flags above are from.
    #[arg(skip)]
    pub variables: Variables,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Remove our registration: for ExecStopPost=, or by hand
    Deregister(DeregisterArgs),
    /// Show what is registered: key, value, TTL left, lease
    List(ListArgs),
    /// Probe once and print the verdict; etcd is not touched
    Check(CheckArgs),
    /// Name each defect of a services file, or of the flags of one service; etcd is not touched
    Lint(Box<AgentArgs>),
    /// Show what running agents and proxy sides know: services and files, how they stand, since when and why
    Status(StatusArgs),
    /// Take a service out of etcd without stopping it: its agent goes on probing it
    Drain(DrainArgs),
    /// Put a service back that was drained, if it is healthy
    Resume(DrainArgs),
    /// Check etcd, our rights in it, the backends and confdir, and say what to fix; nothing is written
    ///
    /// Takes the flags of the agent or --config, and --confdir for the proxy side. Without any of them it
    /// examines what /etc/register and /etc/confd hold, if they are there. Exits 1 if anything is at fault.
    Doctor(Box<DoctorArgs>),
    /// Keep configuration files in step with etcd: confd's resources and templates
    Render(RenderArgs),
    /// Be confd 0.16: the same flags, file, log lines and exit codes. Also when called confd
    #[command(disable_help_flag = true)]
    Confd {
        /// As confd takes them; see confd -help
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "FLAGS"
        )]
        words: Vec<String>,
    },
    /// Print a completion script
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
}

#[derive(Args, Debug)]
pub struct DeregisterArgs {
    #[command(flatten)]
    pub services: ServicesArgs,
    #[command(flatten)]
    pub announcement: AnnouncementArgs,
    #[command(flatten)]
    pub sockets: SocketArgs,
    /// The longest that it may take
    #[arg(
        long,
        env = "REGISTER_STOP_TIMEOUT",
        value_name = "DURATION",
        default_value = agent::default::STOP_TIMEOUT
    )]
    pub stop_timeout: String,
}

#[derive(Args, Debug)]
pub struct ListArgs {
    /// Where to look: the key of that name and all below PREFIX/; "" for all keys
    #[arg(env = "REGISTER_PREFIX", default_value = "/services")]
    pub prefix: String,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    pub announcement: AnnouncementArgs,
    #[command(flatten)]
    pub probe: ProbeArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Args, Debug)]
pub struct OutputArgs {
    /// How to print
    #[arg(long, env = "REGISTER_OUTPUT", value_enum, default_value_t = OutputFormat::Text)]
    pub output: OutputFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    Text,
    Json,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// text or json, on standard error
    #[arg(long, env = "REGISTER_LOG_FORMAT", global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// error, warn, info, debug or trace; RUST_LOG wins
    #[arg(
        long,
        env = "REGISTER_LOG_LEVEL",
        global = true,
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub log_level: String,
    /// Nothing on success: no result of --once, deregister, check or doctor, no log but warnings and errors
    #[arg(
        long,
        env = "REGISTER_QUIET",
        global = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "BOOL",
        value_parser = parse::switch
    )]
    pub quiet: Option<bool>,
}

impl LogArgs {
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet.unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// A variable of the environment; an empty one counts as unset. One that is no text is told by its name
/// when its value is looked at, not passed over.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.to_string_lossy().into_owned();
    Some(value).filter(|value| !value.is_empty())
}

/// A completion script.
#[must_use]
pub fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "register", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page, in roff.
///
/// # Errors
/// None that a page in memory could meet.
pub fn man_page() -> io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// Flags and their variables.
    fn variables(command: &clap::Command) -> Vec<(String, String)> {
        let flags = command.get_arguments().filter_map(|argument| {
            let flag = argument
                .get_long()
                .filter(|flag| !["help", "version"].contains(flag))?;
            let variable = argument.get_env().and_then(|name| name.to_str());
            Some((flag.to_owned(), variable.unwrap_or_default().to_owned()))
        });
        flags.collect()
    }

    fn screaming(flag: &str) -> String {
        flag.replace('-', "_").to_uppercase()
    }

    #[test]
    fn every_flag_has_its_environment_variable() {
        for (flag, variable) in variables(&Cli::command()) {
            assert_eq!(variable, format!("REGISTER_{}", screaming(&flag)));
        }
    }

    #[test]
    fn a_variable_of_the_agent_means_nothing_to_render() {
        let agents = variables(&Cli::command());
        let cli = Cli::command();
        let render = cli.find_subcommand("render").expect("there is one");
        for (flag, variable) in variables(render) {
            let word = match agents.iter().any(|(known, _)| *known == flag) {
                true => "REGISTER_RENDER",
                false => "REGISTER",
            };
            assert_eq!(variable, format!("{word}_{}", screaming(&flag)));
        }
    }

    #[test]
    fn every_switch_can_be_given_as_false() {
        let once = |words: &[&str]| {
            let words = ["register"].iter().chain(words);
            Cli::try_parse_from(words)
                .expect("flags that clap takes")
                .agent
                .once
        };
        assert_eq!(once(&[]), None);
        assert_eq!(once(&["--once"]), Some(true));
        assert_eq!(once(&["--once=off"]), Some(false));
        fn check(command: &clap::Command) {
            let switches = command
                .get_arguments()
                .filter(|argument| argument.get_env().is_some());
            for switch in switches {
                assert!(
                    !matches!(switch.get_action(), clap::ArgAction::SetTrue),
                    "--{}",
                    switch.get_id()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
