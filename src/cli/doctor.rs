//! The flags of `doctor`: those of what it examines.

use clap::Args;

use super::{AgentArgs, ConfdirArgs, OutputArgs};

#[derive(Args, Debug)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub agent: AgentArgs,
    #[command(flatten)]
    pub proxy: ProxyArgs,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Proxy side")]
pub struct ProxyArgs {
    #[command(flatten)]
    pub confdir: ConfdirArgs,
    /// Its settings, as in confd's confd.toml [default: /etc/confd/confd.toml, if it is there]
    #[arg(long, env = "REGISTER_CONFIG_FILE", value_name = "FILE")]
    pub config_file: Option<String>,
    /// The --prefix of render
    #[arg(long, env = "REGISTER_RENDER_PREFIX", value_name = "PATH")]
    pub render_prefix: Option<String>,
}
