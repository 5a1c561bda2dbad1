//! The flags of the commands that ask running processes.

use clap::Args;

use super::OutputArgs;

#[derive(Args, Clone, Debug, Default)]
pub struct SocketArgs {
    /// Control socket to ask; may be repeated [default: each one below /run/register]
    #[arg(
        long,
        env = "REGISTER_CONTROL",
        value_name = "PATH",
        value_delimiter = ','
    )]
    pub control: Vec<String>,
}

#[derive(Args, Debug)]
pub struct StatusArgs {
    /// These services only; a name stands for all of that name, a key for one
    #[arg(value_name = "SERVICE")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub sockets: SocketArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Args, Debug)]
pub struct DrainArgs {
    /// A name stands for all services of that name, a key for one
    #[arg(value_name = "SERVICE", required = true)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub sockets: SocketArgs,
    /// The longest to wait until etcd has confirmed it
    #[arg(
        long,
        env = "REGISTER_WAIT",
        value_name = "DURATION",
        default_value = "30s"
    )]
    pub wait: String,
}
