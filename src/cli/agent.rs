//! The flags of the agent: what is registered, how it is probed, how it is held.

use clap::Args;

use super::ObserveArgs;
use super::parse::switch;

/// Of the flags, and of the fields of a services file.
pub(super) mod default {
    pub(in crate::cli) const PREFIX: &str = "/services";
    pub(in crate::cli) const TIMEOUT: &str = "3s";
    pub(in crate::cli) const INTERVAL: &str = "5s";
    pub(in crate::cli) const FAST_INTERVAL: &str = "1s";
    pub(in crate::cli) const START_GRACE: &str = "0s";
    pub(in crate::cli) const RISE: &str = "1";
    pub(in crate::cli) const FALL: &str = "2";
    pub(in crate::cli) const TTL: &str = "30s";
    pub(in crate::cli) const DRAIN: &str = "0s";
    pub(in crate::cli) const STOP_TIMEOUT: &str = "5s";
}

#[derive(Args, Clone, Debug)]
pub struct AgentArgs {
    #[command(flatten)]
    pub services: ServicesArgs,
    #[command(flatten)]
    pub announcement: AnnouncementArgs,
    #[command(flatten)]
    pub probe: ProbeArgs,
    /// Between probes while healthy; spread by ±10 %
    #[arg(
        long,
        env = "REGISTER_INTERVAL",
        value_name = "DURATION",
        default_value = default::INTERVAL,
        help_heading = "Probe"
    )]
    pub interval: String,
    /// Between probes while a verdict is being confirmed, or the backend is down
    #[arg(
        long,
        env = "REGISTER_FAST_INTERVAL",
        value_name = "DURATION",
        default_value = default::FAST_INTERVAL,
        help_heading = "Probe"
    )]
    pub fast_interval: String,
    /// Passes in a row that make the backend healthy
    #[arg(
        long,
        env = "REGISTER_RISE",
        value_name = "COUNT",
        default_value = default::RISE,
        help_heading = "Probe"
    )]
    pub rise: String,
    /// Failures in a row that make it unhealthy
    #[arg(
        long,
        env = "REGISTER_FALL",
        value_name = "COUNT",
        default_value = default::FALL,
        help_heading = "Probe"
    )]
    pub fall: String,
    /// How long after the start a backend that has not been up yet is not reported as down
    #[arg(
        long,
        env = "REGISTER_START_GRACE",
        value_name = "DURATION",
        default_value = default::START_GRACE,
        help_heading = "Probe"
    )]
    pub start_grace: String,
    /// TTL of the lease, whole seconds; etcd may grant more
    #[arg(
        long,
        env = "REGISTER_TTL",
        value_name = "DURATION",
        default_value = default::TTL,
        help_heading = "Registration"
    )]
    pub ttl: String,
    /// After deregistering on shutdown, wait this long before exiting
    #[arg(
        long,
        env = "REGISTER_DRAIN",
        value_name = "DURATION",
        default_value = default::DRAIN,
        help_heading = "Registration"
    )]
    pub drain: String,
    /// The longest that deregistering on shutdown may take
    #[arg(
        long,
        env = "REGISTER_STOP_TIMEOUT",
        value_name = "DURATION",
        default_value = default::STOP_TIMEOUT,
        help_heading = "Registration"
    )]
    pub stop_timeout: String,
    /// One probe, one write, exit: the key is left to its TTL
    #[arg(long, env = "REGISTER_ONCE", help_heading = "Registration", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub once: Option<bool>,
    #[command(flatten)]
    pub observe: ObserveArgs,
}

impl AgentArgs {
    /// Whether flags or variables say anything of which service it is.
    #[must_use]
    pub fn names_a_service(&self) -> bool {
        let AnnouncementArgs {
            service,
            address,
            key,
            ..
        } = &self.announcement;
        [service, address, key].into_iter().any(Option::is_some)
    }
}

/// Without any flag.
impl Default for AgentArgs {
    fn default() -> Self {
        Self {
            services: ServicesArgs::default(),
            announcement: AnnouncementArgs::default(),
            probe: ProbeArgs::default(),
            interval: default::INTERVAL.to_owned(),
            fast_interval: default::FAST_INTERVAL.to_owned(),
            start_grace: default::START_GRACE.to_owned(),
            rise: default::RISE.to_owned(),
            fall: default::FALL.to_owned(),
            ttl: default::TTL.to_owned(),
            drain: default::DRAIN.to_owned(),
            stop_timeout: default::STOP_TIMEOUT.to_owned(),
            once: None,
            observe: ObserveArgs::default(),
        }
    }
}

/// Services of a file, in place of one by flags.
#[derive(Args, Clone, Debug, Default)]
pub struct ServicesArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// With --once, deregister or doctor, and --config: these services only; a name stands for all of
    /// that name, a key for one
    #[arg(value_name = "SERVICE")]
    pub names: Vec<String>,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Services")]
pub struct ConfigArgs {
    /// TOML file with the services of a host, or a directory: its *.toml, then those in its services.d
    #[arg(long, env = "REGISTER_CONFIG", value_name = "PATH")]
    pub config: Option<String>,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Registration")]
pub struct AnnouncementArgs {
    /// Name of the service, one path segment
    #[arg(long, env = "REGISTER_SERVICE", value_name = "NAME")]
    pub service: Option<String>,
    /// What is advertised: IPv4, [IPv6] or a name, and a port; interface:NAME:PORT for a network interface's address
    #[arg(long, env = "REGISTER_ADDRESS", value_name = "HOST:PORT")]
    pub address: Option<String>,
    /// What keys start with
    #[arg(
        long,
        env = "REGISTER_PREFIX",
        value_name = "PATH",
        default_value = default::PREFIX
    )]
    pub prefix: String,
    /// Key, with {service} {host} {port} {address} {hostname} [default: <PREFIX>/{service}/{host}]
    #[arg(long, env = "REGISTER_KEY", value_name = "TEMPLATE")]
    pub key: Option<String>,
    /// Value, with the same placeholders [default: {address}]
    #[arg(long, env = "REGISTER_VALUE", value_name = "TEMPLATE")]
    pub value: Option<String>,
}

impl Default for AnnouncementArgs {
    fn default() -> Self {
        Self {
            service: None,
            address: None,
            prefix: default::PREFIX.to_owned(),
            key: None,
            value: None,
        }
    }
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Probe")]
pub struct ProbeArgs {
    /// http://, https://, tcp://, tls://, grpc:// or grpcs:// URL, unix:PATH, http+unix:PATH:/URL, exec:COMMAND, or none [default: http://<ADDRESS>/]
    #[arg(
        long,
        env = "REGISTER_CHECK",
        value_name = "URL",
        hide_env_values = true
    )]
    pub check: Option<String>,
    /// The longest that one probe may take, connecting included
    #[arg(
        long,
        env = "REGISTER_TIMEOUT",
        value_name = "DURATION",
        default_value = default::TIMEOUT
    )]
    pub timeout: String,
    /// HTTP statuses that pass: 200, 2xx, 200-299,401 [default: 200-399]
    #[arg(long, env = "REGISTER_EXPECT", value_name = "STATUSES")]
    pub expect: Option<String>,
    /// HTTP method [default: GET]
    #[arg(long, env = "REGISTER_METHOD")]
    pub method: Option<String>,
    /// HTTP header, in place of ours of that name; may be repeated
    #[arg(
        long,
        env = "REGISTER_HEADER",
        value_name = "NAME: VALUE",
        hide_env_values = true
    )]
    pub header: Vec<String>,
    /// Must match the first 64 KiB of the HTTP body, with or without its final newline
    #[arg(long, env = "REGISTER_BODY_REGEX", value_name = "REGEX")]
    pub body_regex: Option<String>,
    /// HTTP Host header
    #[arg(long, env = "REGISTER_HOST", value_name = "NAME")]
    pub host: Option<String>,
    /// Take any certificate from the backend
    #[arg(long, env = "REGISTER_TLS_SKIP_VERIFY", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub tls_skip_verify: Option<bool>,
    /// CA certificates (PEM) for the backend, instead of the system's
    #[arg(long, env = "REGISTER_CHECK_CA", value_name = "FILE")]
    pub check_ca: Option<String>,
    /// Our certificate (PEM) for the backend
    #[arg(long, env = "REGISTER_CHECK_CERT", value_name = "FILE")]
    pub check_cert: Option<String>,
    /// Key of that certificate (PEM)
    #[arg(long, env = "REGISTER_CHECK_KEY", value_name = "FILE")]
    pub check_key: Option<String>,
    /// Name that the backend's certificate is asked for and must have [default: --host, or the URL's host]
    #[arg(long, env = "REGISTER_CHECK_SERVER_NAME", value_name = "NAME")]
    pub check_server_name: Option<String>,
}

impl AnnouncementArgs {
    /// The same at this address.
    #[must_use]
    pub fn with_address(&self, address: Option<&str>) -> Self {
        Self {
            address: address.map(str::to_owned),
            ..self.clone()
        }
    }
}

impl Default for ProbeArgs {
    fn default() -> Self {
        Self {
            check: None,
            timeout: default::TIMEOUT.to_owned(),
            expect: None,
            method: None,
            header: Vec::new(),
            body_regex: None,
            host: None,
            tls_skip_verify: None,
            check_ca: None,
            check_cert: None,
            check_key: None,
            check_server_name: None,
        }
    }
}
