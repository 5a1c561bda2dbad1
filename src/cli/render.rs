//! The flags of the proxy side.

use clap::{Args, Subcommand};

use super::RenderObserveArgs;
use super::parse::switch;

/// Of the flags.
mod default {
    pub(super) const DEBOUNCE: &str = "50ms:500ms";
    pub(super) const STOP_SIGNAL: &str = "TERM";
    pub(super) const RELOAD_SIGNAL: &str = "none";
    pub(super) const KILL_TIMEOUT: &str = "10s";
    pub(super) const RENDER_LIMIT: &str = "64MiB";
    pub(super) const RENDER_TIMEOUT: &str = "10s";
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RenderArgs {
    #[command(flatten)]
    pub confdir: ConfdirArgs,
    /// Settings, as in confd's confd.toml [default: /etc/confd/confd.toml, if it is there]
    #[arg(long, env = "REGISTER_CONFIG_FILE", value_name = "FILE")]
    pub config_file: Option<String>,
    /// What the keys of every resource start with, instead of its own prefix
    #[arg(long, env = "REGISTER_RENDER_PREFIX", value_name = "PATH")]
    pub prefix: Option<String>,
    /// Bring everything in step once and exit: 0, or 1 if something failed
    #[arg(long, env = "REGISTER_RENDER_ONCE", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub once: Option<bool>,
    /// Besides watching, bring everything in step so often: repairs files that others changed
    #[arg(long, env = "REGISTER_RENDER_INTERVAL", value_name = "DURATION")]
    pub interval: Option<String>,
    /// Print what would change as a unified diff, run checks that name {{.src}}, and exit: 0 in step, 1 changes pending
    #[arg(long, env = "REGISTER_NOOP", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub noop: Option<bool>,
    /// Neither check nor reload
    #[arg(long, env = "REGISTER_SYNC_ONLY", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub sync_only: Option<bool>,
    /// Leave the temporary files that are made on the way
    #[arg(long, env = "REGISTER_KEEP_STAGE_FILE", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub keep_stage_file: Option<bool>,
    /// After a first change, gather others until so long nothing changed, and MAX at the most
    #[arg(
        long,
        env = "REGISTER_DEBOUNCE",
        value_name = "QUIET[:MAX]",
        default_value = default::DEBOUNCE
    )]
    pub debounce: String,
    /// Render once from a JSON file instead of etcd: {"/services/apache/a": "10.0.0.1:80"}
    #[arg(long, env = "REGISTER_DATA", value_name = "FILE")]
    pub data: Option<String>,
    /// What to send to COMMAND to stop it; nginx stops gracefully on QUIT
    #[arg(
        long,
        env = "REGISTER_STOP_SIGNAL",
        value_name = "SIGNAL",
        default_value = default::STOP_SIGNAL
    )]
    pub stop_signal: String,
    /// What to send to COMMAND after files have changed, besides each reload_cmd
    #[arg(
        long,
        env = "REGISTER_RELOAD_SIGNAL",
        value_name = "SIGNAL",
        default_value = default::RELOAD_SIGNAL
    )]
    pub reload_signal: String,
    /// Kill COMMAND, or a reload, if it still runs this long after we are told to stop
    #[arg(
        long,
        env = "REGISTER_KILL_TIMEOUT",
        value_name = "DURATION",
        default_value = default::KILL_TIMEOUT
    )]
    pub kill_timeout: String,
    /// Fail a render that makes more than this of one file: 64MiB, 512KiB or bytes
    #[arg(
        long,
        env = "REGISTER_RENDER_LIMIT",
        value_name = "SIZE",
        default_value = default::RENDER_LIMIT
    )]
    pub render_limit: String,
    /// Fail a render of one file that takes longer than this
    #[arg(
        long,
        env = "REGISTER_RENDER_TIMEOUT",
        value_name = "DURATION",
        default_value = default::RENDER_TIMEOUT
    )]
    pub render_timeout: String,
    /// Copy what is added to this log file to standard output; may be repeated
    #[arg(long, env = "REGISTER_FOLLOW", value_name = "FILE")]
    pub follow: Vec<String>,
    #[command(flatten)]
    pub observe: RenderObserveArgs,
    /// Start this once the files are good, and end as it ends
    #[arg(last = true, value_name = "COMMAND")]
    pub child: Vec<String>,
    #[command(subcommand)]
    pub command: Option<RenderCommand>,
}

/// Without any flag.
impl Default for RenderArgs {
    fn default() -> Self {
        Self {
            confdir: ConfdirArgs::default(),
            config_file: None,
            prefix: None,
            once: None,
            interval: None,
            noop: None,
            sync_only: None,
            keep_stage_file: None,
            debounce: default::DEBOUNCE.to_owned(),
            data: None,
            stop_signal: default::STOP_SIGNAL.to_owned(),
            reload_signal: default::RELOAD_SIGNAL.to_owned(),
            kill_timeout: default::KILL_TIMEOUT.to_owned(),
            render_limit: default::RENDER_LIMIT.to_owned(),
            render_timeout: default::RENDER_TIMEOUT.to_owned(),
            follow: Vec::new(),
            observe: RenderObserveArgs::default(),
            child: Vec::new(),
            command: None,
        }
    }
}

#[derive(Args, Debug, Default)]
pub struct ConfdirArgs {
    /// Holds conf.d and templates [default: /etc/confd]
    #[arg(long, env = "REGISTER_CONFDIR", value_name = "DIR")]
    pub confdir: Option<String>,
}

#[derive(Subcommand, Debug)]
pub enum RenderCommand {
    /// Name every defect of the resources and templates; etcd is not asked
    Lint(ConfdirArgs),
}
