//! The flags by which others may look in.

use clap::Args;

/// Of the agent.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Status")]
pub struct ObserveArgs {
    /// Serve metrics, health and a status page over HTTP at this address, as in 127.0.0.1:9464 [default: off]
    #[arg(long, env = "REGISTER_LISTEN", value_name = "IP:PORT")]
    pub listen: Option<String>,
    /// Name that HTTP clients may use for this host, besides its own and localhost; may be repeated
    #[arg(
        long,
        env = "REGISTER_LISTEN_HOST",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub listen_host: Vec<String>,
    /// Unix socket for `register status`, `drain` and `resume`, as in /run/register/agent/control.sock [default: off]
    #[arg(long, env = "REGISTER_CONTROL", value_name = "PATH")]
    pub control: Option<String>,
}

/// The same of the proxy side, with variables of its own.
#[derive(Args, Clone, Debug, Default)]
pub struct RenderObserveArgs {
    /// Serve metrics, health and a status page over HTTP at this address, as in 127.0.0.1:9465 [default: off]
    #[arg(long, env = "REGISTER_RENDER_LISTEN", value_name = "IP:PORT")]
    pub listen: Option<String>,
    /// Name that HTTP clients may use for this host, besides its own and localhost; may be repeated
    #[arg(
        long,
        env = "REGISTER_RENDER_LISTEN_HOST",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub listen_host: Vec<String>,
    /// Unix socket for `register status`, as in /run/register/render/control.sock [default: off]
    #[arg(long, env = "REGISTER_RENDER_CONTROL", value_name = "PATH")]
    pub control: Option<String>,
}

impl From<RenderObserveArgs> for ObserveArgs {
    fn from(args: RenderObserveArgs) -> Self {
        Self {
            listen: args.listen,
            listen_host: args.listen_host,
            control: args.control,
        }
    }
}
