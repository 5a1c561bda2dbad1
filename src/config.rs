//! Flags as typed → settings that hold together. Every fault is found before any is reported.

mod announcement;
mod confd;
mod configured;
mod control;
mod credentials;
mod discovery;
mod doctor;
mod endpoint;
mod etcd;
mod faults;
mod file;
mod host;
mod observe;
mod placeholders;
mod probe;
mod render;
mod secret;
mod service;
mod setting;
mod size;
mod supervise;

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::{
    AgentArgs, CheckArgs, DeregisterArgs, EtcdArgs, ListArgs, OutputFormat, ServicesArgs, Variables,
};
use crate::fault::Fault;
use crate::health::{Cadence, Thresholds};
use crate::observe::ObserveConfig;
use crate::probe::Probe;
use crate::probe::checks::Checks;
use faults::MILLISECOND;
use observe::GivenDoors;

pub use crate::etcd::announcement::{Announcement, KEY_OF_ITS_OWN};
pub use crate::etcd::config::EtcdConfig;
pub use confd::{ConfdConfig, ConfdSettings, SrvLookup};
pub use configured::{Configured, OnInterface, Unlocated};
pub use control::{DrainConfig, StatusConfig, drain, sockets, status};
pub use doctor::{DoctorConfig, ProxySide, doctor};
pub use etcd::Env;
pub use faults::Faults;
pub use host::{HostConfig, HostSource, LocatedService, host, select};
pub use render::{FileConfig, RenderConfig, Run, Source, lint, render};

/// How long etcd may send nothing while `list` waits for it.
const LIST_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, PartialEq)]
pub struct AgentConfig {
    pub etcd: EtcdConfig,
    pub observe: ObserveConfig,
    /// No two have one key.
    pub services: Vec<ServiceConfig>,
    /// Besides: those whose address is an interface's.
    pub on_interfaces: Vec<OnInterface<ServiceConfig>>,
}

/// What flags come to: one service.
#[derive(Debug)]
pub struct SidekickConfig {
    pub etcd: EtcdConfig,
    pub observe: ObserveConfig,
    pub service: Configured<ServiceConfig>,
}

impl From<SidekickConfig> for AgentConfig {
    fn from(config: SidekickConfig) -> Self {
        let (services, on_interfaces) = match config.service {
            Configured::Fixed(service) => (vec![service], Vec::new()),
            Configured::OnInterface(service) => (Vec::new(), vec![service]),
        };
        Self {
            etcd: config.etcd,
            observe: config.observe,
            services,
            on_interfaces,
        }
    }
}

/// What is registered, when, and under which name commands know it. Two that are equal are one service
/// that did not change.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceConfig {
    /// Of a service without a name, its key.
    pub name: String,
    pub announcement: Announcement,
    pub checks: Checks,
    pub thresholds: Thresholds,
    pub cadence: Cadence,
    pub start_grace: Duration,
    /// Whole seconds.
    pub ttl: Duration,
    pub drain: Duration,
    pub stop_timeout: Duration,
    /// Not to be registered, whatever its health.
    pub drained: bool,
}

#[derive(Debug)]
pub struct DeregisterConfig {
    pub announcement: Configured<Announcement>,
    /// Of agents that may have it; none: all that there are.
    pub sockets: Vec<PathBuf>,
    pub timeout: Duration,
    pub etcd: EtcdConfig,
}

#[derive(Debug)]
pub struct ListConfig {
    pub prefix: String,
    pub patience: Duration,
    pub output: OutputFormat,
    pub etcd: EtcdConfig,
}

#[derive(Debug)]
pub struct CheckConfig {
    pub probe: Configured<Probe>,
    pub output: OutputFormat,
}

/// # Errors
/// All that is wrong.
pub fn agent(
    args: AgentArgs,
    etcd: EtcdArgs,
    variables: Variables,
    env: impl Env,
) -> Result<SidekickConfig, Faults> {
    let mut faults = Faults::new(variables.clone());
    refuse_names(&args.services, &mut faults);
    let observe = GivenDoors::by_flags(&args.observe, &faults).check(&mut faults);
    let address = args.announcement.address.clone();
    let make = move |address: Option<&str>, faults: &mut Faults| {
        service::by_flags(args.clone(), address, faults)
    };
    let service = configured::by_flags(address.as_deref(), variables, &mut faults, make);
    let etcd = etcd::check(etcd, env, &mut faults);
    let settings = (|| {
        Some(SidekickConfig {
            etcd: etcd?,
            observe: observe?,
            service: service?,
        })
    })();
    faults.settle(settings)
}

/// # Errors
/// All that is wrong.
pub fn deregister(
    args: DeregisterArgs,
    etcd: EtcdArgs,
    variables: Variables,
    env: impl Env,
) -> Result<DeregisterConfig, Faults> {
    let mut faults = Faults::new(variables.clone());
    refuse_names(&args.services, &mut faults);
    let address = args.announcement.address.clone();
    let given = args.announcement;
    let make = move |address: Option<&str>, faults: &mut Faults| {
        announcement::check(&given.with_address(address), faults)
    };
    let announcement = configured::by_flags(address.as_deref(), variables, &mut faults, make);
    let timeout = faults.duration("--stop-timeout", &args.stop_timeout, MILLISECOND);
    let etcd = etcd::check(etcd, env, &mut faults);
    let settings = (|| {
        Some(DeregisterConfig {
            announcement: announcement?,
            sockets: control::sockets(args.sockets),
            timeout: timeout?,
            etcd: etcd?,
        })
    })();
    faults.settle(settings)
}

/// # Errors
/// All that is wrong.
pub fn list(
    args: ListArgs,
    etcd: EtcdArgs,
    variables: Variables,
    env: impl Env,
) -> Result<ListConfig, Faults> {
    let mut faults = Faults::new(variables);
    let etcd = etcd::check(etcd, env, &mut faults);
    let output = args.output.output;
    let settings = (|| {
        Some(ListConfig {
            prefix: args.prefix,
            patience: LIST_TIMEOUT,
            output,
            etcd: etcd?,
        })
    })();
    faults.settle(settings)
}

/// # Errors
/// All that is wrong.
pub fn check(args: CheckArgs, variables: Variables) -> Result<CheckConfig, Faults> {
    let mut faults = Faults::new(variables.clone());
    let (given, address) = (args.probe, args.announcement.address);
    let make = move |address: Option<&str>, faults: &mut Faults| {
        if let Some(address) = address {
            announcement::check_address(address, faults);
            announcement::check_advertised("--address", address, faults);
        }
        probe::check(given.clone(), address, faults)
    };
    let probe = configured::by_flags(address.as_deref(), variables, &mut faults, make);
    let output = args.output.output;
    faults.settle(probe.map(|probe| CheckConfig { probe, output }))
}

/// Without a file there is one service, and flags say which.
/// For a command that is for all services.
///
/// # Errors
/// When some are named.
pub fn of_all(args: &ServicesArgs) -> Result<(), Faults> {
    let mut faults = Faults::default();
    if let Some(name) = args.names.first() {
        let what = "must be left out: lint looks at all services";
        faults.add(Fault::of_value("SERVICE", name, what));
    }
    faults.settle(Some(()))
}

fn refuse_names(args: &ServicesArgs, faults: &mut Faults) {
    if let Some(name) = args.names.first() {
        let what = "is for a service of a file: give --config too, or --service in its place";
        faults.add(Fault::of_value("SERVICE", name, what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;

    fn faults_of(flags: &str) -> Vec<String> {
        let cli = Cli::try_parse_from(std::iter::once("register").chain(flags.split_whitespace()))
            .expect("flags that clap takes");
        match agent(cli.agent, cli.etcd, cli.variables, |_| None) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.to_string().lines().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn service_and_address_are_enough() {
        assert_eq!(
            faults_of("--service apache --address 10.0.0.5:7777"),
            [""; 0]
        );
    }

    #[test]
    fn all_faults_are_reported_together() {
        assert_eq!(
            faults_of(
                "--address 10.0.0.5:0 --ttl 0s --rise 0 --interval soon --endpoints ftp://x:1"
            ),
            [
                "--address \"10.0.0.5:0\": has a bad port; use a number from 1 to 65535",
                "--service is missing: give the service's name, as in --service apache",
                "--interval \"soon\": expected number at 0; write 250ms, 30s or 1m 30s",
                "--rise \"0\": use a whole number, at least 1",
                "--ttl \"0s\": must be at least 1s",
                "--endpoints \"ftp://x:1\": unknown scheme; use http:// or https://",
            ]
        );
    }

    #[test]
    fn a_fractional_ttl_is_refused() {
        assert_eq!(
            faults_of("--service a --address 10.0.0.5:1 --ttl 1500ms"),
            ["--ttl \"1500ms\": etcd takes whole seconds"]
        );
    }

    #[test]
    fn durations_of_more_than_a_year_are_refused() {
        let flags = "--service a --address 10.0.0.5:1";
        assert_eq!(faults_of(&format!("{flags} --drain 1year")), [""; 0]);
        for flag in [
            "--ttl",
            "--drain",
            "--interval",
            "--timeout",
            "--stop-timeout",
        ] {
            assert_eq!(
                faults_of(&format!("{flags} {flag} 9999999999999s")),
                [format!("{flag} \"9999999999999s\": must be at most 1year")]
            );
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        let flags = "--service a --address 10.0.0.5:1";
        for endpoints in [
            "http://u:secret@h:2379",
            "http://u:secret,x@h",
            "u:secret@h",
        ] {
            assert_eq!(
                faults_of(&format!("{flags} --endpoints {endpoints}")),
                ["--endpoints: must not hold a user or password; give them with --user"]
            );
        }
        assert_eq!(
            faults_of(&format!("{flags} --check http://u:secret@h:0/")),
            ["--check \"http://***@h:0/\": has a bad port; use a number from 1 to 65535"]
        );
    }

    #[test]
    fn checks_are_what_they_say() {
        let flags = "--service a --address 10.0.0.5:1";
        for check in ["HTTP://h/", "tcp://h:1/", "TCP://h:1", "exec:true", "none"] {
            assert_eq!(faults_of(&format!("{flags} --check {check}")), [""; 0]);
        }
        let table = [
            (
                "--check http:///x",
                "--check \"http:///x\": names no host; write http://HOST:PORT/PATH",
            ),
            (
                "--tls-skip-verify",
                "--tls-skip-verify: only for https://, tls:// and grpcs:// checks",
            ),
            (
                "--check-ca /ca.pem",
                "--check-ca: only for https://, tls:// and grpcs:// checks",
            ),
            ("--host a/b", "--host \"a/b\": is no host name"),
        ];
        for (flag, fault) in table {
            assert_eq!(faults_of(&format!("{flags} {flag}")), [fault]);
        }
    }

    #[test]
    fn a_service_is_one_segment() {
        for name in ["a/b", ".", "..", "a\tb", ""] {
            let cli =
                Cli::try_parse_from(["register", "--service", name, "--address", "10.0.0.5:1"])
                    .expect("flags that clap takes");
            let faults = agent(cli.agent, cli.etcd, cli.variables, |_| None).expect_err(name);
            assert!(faults.to_string().starts_with("--service"), "{faults}");
        }
    }

    #[test]
    fn etcdctl_variables_are_a_fallback_for_our_flags() {
        let cli = Cli::try_parse_from(["register", "--service", "a", "--address", "10.0.0.5:1"])
            .expect("flags that clap takes");
        let config = agent(cli.agent, cli.etcd, cli.variables, |name| match name {
            "ETCDCTL_ENDPOINTS" => Some("10.0.0.1:2379,http://10.0.0.2:4001/".to_owned()),
            "ETCDCTL_USER" => Some("web:se:cret".to_owned()),
            _ => None,
        })
        .expect("a sound configuration");
        assert_eq!(
            config.etcd.endpoints,
            ["http://10.0.0.1:2379", "http://10.0.0.2:4001"]
        );
        let credentials = config.etcd.credentials.expect("credentials");
        assert_eq!(
            (credentials.user.as_str(), credentials.password.as_str()),
            ("web", "se:cret")
        );
    }

    #[test]
    fn tls_material_turns_bare_endpoints_into_https_and_contradicts_http() {
        let flags = "--service a --address 10.0.0.5:1 --insecure-skip-tls-verify --endpoints";
        assert_eq!(faults_of(&format!("{flags} 10.0.0.1:2379")), [""; 0]);
        assert_eq!(
            faults_of(&format!("{flags} http://10.0.0.1:2379")),
            [
                "--endpoints \"http://10.0.0.1:2379\": is not TLS, but TLS flags are given; use https://"
            ]
        );
    }
}
