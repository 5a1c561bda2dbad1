//! How to reach etcd.

use clap::Args;

use super::parse::switch;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "etcd")]
pub struct EtcdArgs {
    /// Endpoints, separated by commas [env: ETCDCTL_ENDPOINTS] [default: http://127.0.0.1:2379]
    #[arg(long, env = "REGISTER_ENDPOINTS", global = true, value_name = "URLS")]
    pub endpoints: Option<String>,
    /// Instead of --endpoints: look them up in DNS, in the SRV records _etcd-client-ssl._tcp.DOMAIN,
    /// else _etcd-client._tcp.DOMAIN [env: ETCDCTL_DISCOVERY_SRV]
    #[arg(
        long,
        env = "REGISTER_DISCOVERY_SRV",
        global = true,
        value_name = "DOMAIN"
    )]
    pub discovery_srv: Option<String>,
    /// User name, and password unless --password-file has it [env: ETCDCTL_USER, ETCDCTL_PASSWORD]
    #[arg(
        long,
        env = "REGISTER_USER",
        global = true,
        value_name = "NAME[:PASSWORD]",
        hide_env_values = true
    )]
    pub user: Option<String>,
    /// File that holds the password on its first line
    #[arg(
        long,
        env = "REGISTER_PASSWORD_FILE",
        global = true,
        value_name = "FILE"
    )]
    pub password_file: Option<String>,
    /// CA certificates (PEM), instead of the system's [env: ETCDCTL_CACERT]
    #[arg(long, env = "REGISTER_CACERT", global = true, value_name = "FILE")]
    pub cacert: Option<String>,
    /// Our certificate (PEM) [env: ETCDCTL_CERT]
    #[arg(long, env = "REGISTER_CERT", global = true, value_name = "FILE")]
    pub cert: Option<String>,
    /// Key of our certificate (PEM) [env: ETCDCTL_KEY]
    #[arg(long, env = "REGISTER_CERT_KEY", global = true, value_name = "FILE")]
    pub cert_key: Option<String>,
    /// Take any certificate from etcd [env: ETCDCTL_INSECURE_SKIP_TLS_VERIFY]
    #[arg(long, env = "REGISTER_INSECURE_SKIP_TLS_VERIFY", global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = switch)]
    pub insecure_skip_tls_verify: Option<bool>,
}
