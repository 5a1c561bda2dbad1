//! How etcd is to be reached, from flags, variables and files.

use std::fs;

use tracing::warn;

use crate::cli::{EtcdArgs, go_flags};
use crate::etcd::config::{Credentials, EtcdConfig};
use crate::etcd::tls::{self, TlsError};

use super::endpoint::{TlsUse, endpoints};
use super::{Env, Faults, secret};

const DEFAULT_ADDRESS: &str = "127.0.0.1:2379";

/// A setting, and what whoever gave it calls it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub name: String,
    pub value: String,
}

pub(super) fn named(name: impl Into<String>, value: Option<String>) -> Option<Named> {
    let name = name.into();
    value.map(|value| Named { name, value })
}

/// What was said about etcd, by whatever means.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// A list with commas.
    pub endpoints: Option<Named>,
    /// `NAME` or `NAME:PASSWORD`.
    pub user: Option<Named>,
    pub password: Option<String>,
    pub password_file: Option<String>,
    pub ca: Option<Named>,
    pub cert: Option<Named>,
    pub key: Option<Named>,
    /// Or what is wrong with it, which counts only if nothing stronger is given.
    pub skip_verify: Option<Result<bool, String>>,
    /// Asks for endpoints that are looked up, which we do not do.
    pub lookup: Option<&'static str>,
    /// What was said about TLS is about these endpoints: a plain one contradicts it.
    pub wants_tls: bool,
}

impl Given {
    pub(super) fn by_flags(args: EtcdArgs) -> Self {
        Self {
            endpoints: named("--endpoints", args.endpoints),
            user: named("--user", args.user),
            password_file: args.password_file,
            ca: named("--cacert", args.cacert),
            cert: named("--cert", args.cert),
            key: named("--cert-key", args.cert_key),
            skip_verify: args.insecure_skip_tls_verify.map(Ok),
            ..Self::default()
        }
        .about_tls()
    }

    /// etcdctl's variables, and those of etcdctl 2 behind them. They are set for all that a user
    /// does: what they say about TLS is for those endpoints that speak it.
    pub(super) fn by_etcdctl(env: impl Env) -> Self {
        let variable = |name| named(name, env(name));
        let first = |names: &[&'static str]| names.iter().find_map(|name| variable(name));
        let skip_verify = variable("ETCDCTL_INSECURE_SKIP_TLS_VERIFY");
        Self {
            endpoints: first(&["ETCDCTL_ENDPOINTS", "ETCDCTL_ENDPOINT", "ETCDCTL_PEERS"]),
            user: variable("ETCDCTL_USER"),
            password: env("ETCDCTL_PASSWORD"),
            ca: first(&["ETCDCTL_CACERT", "ETCDCTL_CA_FILE"]),
            cert: first(&["ETCDCTL_CERT", "ETCDCTL_CERT_FILE"]),
            key: first(&["ETCDCTL_KEY", "ETCDCTL_KEY_FILE"]),
            skip_verify: skip_verify.map(|given| {
                go_flags::parse_bool(&given.value)
                    .ok_or_else(|| format!("{} {:?}: use true or false", given.name, given.value))
            }),
            lookup: env("ETCDCTL_DISCOVERY_SRV").map(|_| "ETCDCTL_DISCOVERY_SRV"),
            ..Self::default()
        }
    }

    /// Whoever says this about TLS says it about the endpoints.
    pub(super) fn about_tls(self) -> Self {
        Self {
            wants_tls: self.any_tls(),
            ..self
        }
    }

    fn any_tls(&self) -> bool {
        let files = [&self.ca, &self.cert, &self.key];
        files.into_iter().any(Option::is_some) || matches!(self.skip_verify, Some(Ok(true)))
    }

    /// What is not given here is taken from `other`.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            wants_tls: self.wants_tls || (other.wants_tls && self.endpoints.is_none()),
            endpoints: self.endpoints.or(other.endpoints),
            user: self.user.or(other.user),
            password: self.password.or(other.password),
            password_file: self.password_file.or(other.password_file),
            ca: self.ca.or(other.ca),
            cert: self.cert.or(other.cert),
            key: self.key.or(other.key),
            skip_verify: self.skip_verify.or(other.skip_verify),
            lookup: self.lookup.or(other.lookup),
        }
    }

    pub(super) fn check(self, faults: &mut Faults) -> Option<EtcdConfig> {
        let kind = TlsUse {
            of_bare: self.any_tls(),
            only: self.wants_tls,
        };
        let endpoints = match &self.endpoints {
            Some(given) => endpoints(given, kind, faults),
            None => vec![self.default_endpoint()],
        };
        let tls = if endpoints.iter().any(|url| url.starts_with("https://")) {
            self.tls(faults)
        } else {
            None
        };
        if let Some(Err(fault)) = self.skip_verify {
            faults.add(fault);
        }
        let credentials = credentials(self.user, self.password, self.password_file, faults);
        Some(EtcdConfig {
            endpoints,
            credentials,
            tls,
        })
    }

    fn default_endpoint(&self) -> String {
        let scheme = if self.any_tls() { "https" } else { "http" };
        let endpoint = format!("{scheme}://{DEFAULT_ADDRESS}");
        if let Some(variable) = self.lookup {
            warn!(
                "{variable} is not supported: using {endpoint}; give the endpoints with --endpoints"
            );
        }
        endpoint
    }

    fn tls(&self, faults: &mut Faults) -> Option<Box<tls::Tls>> {
        let value = |given: &Option<Named>| Some(given.as_ref()?.value.clone());
        if let Some(Named { name, value }) = &self.key {
            secret::warn_if_exposed(name, value);
        }
        let files = tls::Files {
            ca: value(&self.ca),
            cert: value(&self.cert),
            key: value(&self.key),
            skip_verify: matches!(self.skip_verify, Some(Ok(true))),
        };
        match tls::Tls::read(files) {
            Ok(tls) => Some(Box::new(tls)),
            Err(error) => {
                faults.add(self.renamed(&error));
                None
            }
        }
    }

    /// With the names by which the files were given.
    fn renamed(&self, error: &TlsError) -> String {
        let name = |given: &Option<Named>, flag: &str| {
            let name = given.as_ref().map(|given| given.name.clone());
            name.unwrap_or_else(|| flag.to_owned())
        };
        let (cert, key) = (name(&self.cert, "--cert"), name(&self.key, "--cert-key"));
        match error {
            TlsError::File { flag, path, reason } => {
                let name = match *flag {
                    "--cacert" => name(&self.ca, flag),
                    "--cert" => cert,
                    _ => key,
                };
                format!("{name} {path:?}: {reason}")
            }
            TlsError::HalfIdentity => format!("{cert} and {key} go together: give both"),
            TlsError::Identity { .. } | TlsError::NoRoots(_) | TlsError::Setup(_) => {
                error.to_string()
            }
        }
    }
}

pub(super) fn check(args: EtcdArgs, env: impl Env, faults: &mut Faults) -> Option<EtcdConfig> {
    Given::by_flags(args)
        .or(Given::by_etcdctl(env))
        .check(faults)
}

fn credentials(
    user: Option<Named>,
    password: Option<String>,
    password_file: Option<String>,
    faults: &mut Faults,
) -> Option<Credentials> {
    let Some(Named {
        name: source,
        value: user,
    }) = user
    else {
        if password_file.is_some() {
            faults.add("--password-file is given without --user: give the user's name too");
        }
        return None;
    };
    let (name, inline) = match user.split_once(':') {
        Some((name, password)) => (name.to_owned(), Some(password.to_owned())),
        None => (user, None),
    };
    let password = match password_file {
        Some(path) => match fs::read_to_string(&path) {
            Ok(text) => {
                secret::warn_if_exposed("--password-file", &path);
                Some(text.lines().next().unwrap_or_default().to_owned())
            }
            Err(error) => {
                faults.add(format!("--password-file {path:?}: {error}"));
                return None;
            }
        },
        None => inline.or(password),
    };
    match password {
        Some(password) if !name.is_empty() => Some(Credentials {
            user: name,
            password,
        }),
        Some(_) => {
            faults.add(format!(
                "{source}: the name is empty; write NAME or NAME:PASSWORD"
            ));
            None
        }
        None => {
            faults.add(format!(
                "{source} {name:?}: has no password; use --password-file or ETCDCTL_PASSWORD"
            ));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: Given) -> Result<EtcdConfig, Faults> {
        let mut faults = Faults::default();
        let config = given.check(&mut faults);
        faults.settle(config)
    }

    fn by_etcdctl(variables: &[(&str, &str)]) -> Given {
        Given::by_etcdctl(|name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn at(endpoints: &str) -> Given {
        Given {
            endpoints: named("--endpoints", Some(endpoints.to_owned())),
            ..Given::default()
        }
    }

    #[test]
    fn etcdctls_switch_is_read_as_etcdctl_reads_it() {
        let switch = |text: &str| by_etcdctl(&[("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", text)]);
        for on in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(switch(on).skip_verify, Some(Ok(true)));
        }
        for off in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(switch(off).skip_verify, Some(Ok(false)));
        }
        let faults = check(switch("never")).expect_err("no boolean");
        assert_eq!(
            faults.to_string(),
            "ETCDCTL_INSECURE_SKIP_TLS_VERIFY \"never\": use true or false"
        );
    }

    #[test]
    fn a_switch_given_as_false_wins_over_another_sources_true() {
        for theirs in ["true", "never"] {
            let ours = Given {
                skip_verify: Some(Ok(false)),
                ..Given::default()
            };
            let given = ours.or(by_etcdctl(&[("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", theirs)]));
            let config = check(given).expect("theirs does not count");
            assert_eq!(config.endpoints, ["http://127.0.0.1:2379"]);
        }
    }

    #[test]
    fn etcdctls_variables_for_tls_forbid_no_plain_endpoint() {
        let etcdctl = || {
            by_etcdctl(&[
                ("ETCDCTL_CACERT", "/nonexistent/ca.pem"),
                ("ETCDCTL_CERT", "/nonexistent/cert.pem"),
                ("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", "true"),
                ("ETCDCTL_USER", "web:pw"),
            ])
        };
        let config = check(at("http://h:1").or(etcdctl())).expect("none of the files is read");
        assert!(config.tls.is_none());
        assert_eq!(config.credentials.expect("theirs").user, "web");
        let faults = check(at("http://h:1,https://h:2").or(etcdctl())).expect_err("unreadable");
        assert!(
            faults
                .to_string()
                .starts_with("ETCDCTL_CERT and --cert-key"),
            "{faults}"
        );
    }

    #[test]
    fn a_file_is_named_as_it_was_given() {
        let etcdctl = by_etcdctl(&[("ETCDCTL_CA_FILE", "/nonexistent/ca.pem")]);
        let faults = check(at("https://h:2").or(etcdctl)).expect_err("unreadable");
        assert!(
            faults
                .to_string()
                .starts_with("ETCDCTL_CA_FILE \"/nonexistent/ca.pem\": "),
            "{faults}"
        );
    }

    #[test]
    fn what_a_weaker_source_says_about_tls_is_not_about_a_stronger_ones_endpoints() {
        let file = || Given {
            endpoints: named("confd.toml: nodes", Some("http://h:1".to_owned())),
            ca: named("confd.toml: client_cakeys", Some("/ca.pem".to_owned())),
            ..Given::default()
        };
        assert!(check(at("http://h:1").or(file().about_tls())).is_ok());
        assert!(check(Given::default().or(file().about_tls())).is_err());
    }

    #[test]
    fn etcdctl_2s_variables_stand_behind_those_of_etcdctl_3() {
        let peers = ("ETCDCTL_PEERS", "http://10.0.0.1:4001,http://10.0.0.2:4001");
        let endpoint = ("ETCDCTL_ENDPOINT", "http://10.0.0.3:2379");
        let endpoints = ("ETCDCTL_ENDPOINTS", "http://10.0.0.4:2379");
        let of = |variables: &[_]| check(by_etcdctl(variables)).expect("sound").endpoints;
        assert_eq!(
            of(&[peers]),
            ["http://10.0.0.1:4001", "http://10.0.0.2:4001"]
        );
        assert_eq!(of(&[peers, endpoint]), ["http://10.0.0.3:2379"]);
        assert_eq!(of(&[peers, endpoint, endpoints]), ["http://10.0.0.4:2379"]);
    }
}
