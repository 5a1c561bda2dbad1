//! How to reach etcd: endpoints, credentials, TLS.

use std::fmt;
use std::fs;

use crate::address::{Address, AddressError};
use crate::cli::EtcdArgs;
use crate::etcd::tls;

use super::{Env, Faults};

const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:2379";
const DEFAULT_PORT: u16 = 2379;

#[derive(Clone, Debug)]
pub struct EtcdConfig {
    /// `http://host:port` or `https://host:port`; never empty.
    pub endpoints: Vec<String>,
    pub credentials: Option<Credentials>,
    /// For `https://` endpoints; there if one of them is.
    pub tls: Option<Box<tls::Tls>>,
}

#[derive(Clone)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What was said about etcd, by whatever means.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// A list with commas, and what faults call it.
    pub endpoints: Option<(String, String)>,
    /// `NAME` or `NAME:PASSWORD`.
    pub user: Option<String>,
    pub password: Option<String>,
    pub password_file: Option<String>,
    pub tls: tls::Files,
}

impl Given {
    pub(super) fn by_flags(args: EtcdArgs) -> Self {
        Self {
            endpoints: args.endpoints.map(|list| ("--endpoints".to_owned(), list)),
            user: args.user,
            password: None,
            password_file: args.password_file,
            tls: tls::Files {
                ca: args.cacert,
                cert: args.cert,
                key: args.cert_key,
                skip_verify: args.insecure_skip_tls_verify,
            },
        }
    }

    /// etcdctl's variables.
    pub(super) fn by_etcdctl(env: impl Env) -> Self {
        Self {
            endpoints: env("ETCDCTL_ENDPOINTS").map(|list| ("ETCDCTL_ENDPOINTS".to_owned(), list)),
            user: env("ETCDCTL_USER"),
            password: env("ETCDCTL_PASSWORD"),
            password_file: None,
            tls: tls::Files {
                ca: env("ETCDCTL_CACERT"),
                cert: env("ETCDCTL_CERT"),
                key: env("ETCDCTL_KEY"),
                skip_verify: env("ETCDCTL_INSECURE_SKIP_TLS_VERIFY")
                    .is_some_and(|text| is_on(&text)),
            },
        }
    }

    /// What is not given here is taken from `other`.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            endpoints: self.endpoints.or(other.endpoints),
            user: self.user.or(other.user),
            password: self.password.or(other.password),
            password_file: self.password_file.or(other.password_file),
            tls: tls::Files {
                ca: self.tls.ca.or(other.tls.ca),
                cert: self.tls.cert.or(other.tls.cert),
                key: self.tls.key.or(other.tls.key),
                skip_verify: self.tls.skip_verify || other.tls.skip_verify,
            },
        }
    }

    pub(super) fn check(self, faults: &mut Faults) -> Option<EtcdConfig> {
        let files = &self.tls;
        let (source, list) = self.endpoints.unwrap_or_else(|| {
            let default = if files.any() {
                "127.0.0.1:2379"
            } else {
                DEFAULT_ENDPOINT
            };
            ("--endpoints".to_owned(), default.to_owned())
        });
        let endpoints = endpoints(&source, &list, files.any(), faults);
        let tls = if endpoints.iter().any(|url| url.starts_with("https://")) {
            match tls::Tls::read(self.tls) {
                Ok(tls) => Some(Box::new(tls)),
                Err(error) => {
                    faults.add(error.to_string());
                    None
                }
            }
        } else {
            None
        };
        let credentials = credentials(self.user, self.password, self.password_file, faults);
        Some(EtcdConfig {
            endpoints,
            credentials,
            tls,
        })
    }
}

pub(super) fn check(args: EtcdArgs, env: impl Env, faults: &mut Faults) -> Option<EtcdConfig> {
    Given::by_flags(args)
        .or(Given::by_etcdctl(env))
        .check(faults)
}

/// As etcdctl and our own switches read it.
fn is_on(text: &str) -> bool {
    matches!(
        text.to_lowercase().as_str(),
        "1" | "t" | "true" | "y" | "yes" | "on"
    )
}

fn endpoints(source: &str, list: &str, tls_flags: bool, faults: &mut Faults) -> Vec<String> {
    if list.contains('@') {
        // Where the secret begins and ends is anybody's guess: nothing of the list is repeated.
        faults.add(format!(
            "{source}: must not hold a user or password; give them with --user"
        ));
        return Vec::new();
    }
    let texts: Vec<_> = list
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    if texts.is_empty() {
        faults.add(format!(
            "{source} {list:?}: names no endpoint; give at least one HOST:PORT"
        ));
    }
    texts
        .into_iter()
        .filter_map(|text| {
            let endpoint = endpoint(text, tls_flags);
            faults.take(endpoint.map_err(|reason| format!("{source} {text:?}: {reason}")))
        })
        .collect()
}

fn endpoint(text: &str, tls_flags: bool) -> Result<String, String> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => ((if tls_flags { "https" } else { "http" }).to_owned(), text),
    };
    match scheme.as_str() {
        "http" if tls_flags => {
            return Err("is not TLS, but TLS flags are given; use https://".to_owned());
        }
        "http" | "https" => {}
        _ => return Err("unknown scheme; use http:// or https://".to_owned()),
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    match rest.parse::<Address>() {
        Ok(address) => Ok(format!("{scheme}://{address}")),
        Err(AddressError::NoPort) => format!("{rest}:{DEFAULT_PORT}")
            .parse::<Address>()
            .map(|address| format!("{scheme}://{address}"))
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn credentials(
    user: Option<String>,
    password: Option<String>,
    password_file: Option<String>,
    faults: &mut Faults,
) -> Option<Credentials> {
    let Some(user) = user else {
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
            Ok(text) => Some(text.lines().next().unwrap_or_default().to_owned()),
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
            faults.add("--user: the name is empty; write NAME or NAME:PASSWORD");
            None
        }
        None => {
            faults.add(format!(
                "--user {name:?}: has no password; use --password-file or ETCDCTL_PASSWORD"
            ));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_needs_neither_scheme_nor_port_and_takes_any_case() {
        let table = [
            ("10.0.0.1", "http://10.0.0.1:2379"),
            ("HTTP://etcd:4001/", "http://etcd:4001"),
            ("http://[::1]", "http://[::1]:2379"),
            ("[::1]:4001", "http://[::1]:4001"),
        ];
        for (text, url) in table {
            assert_eq!(endpoint(text, false).as_deref(), Ok(url));
        }
    }

    #[test]
    fn etcdctls_switch_is_read_as_etcdctl_reads_it() {
        let skips = |text: &str| {
            let given = Given::by_etcdctl(|name| {
                (name == "ETCDCTL_INSECURE_SKIP_TLS_VERIFY").then(|| text.to_owned())
            });
            given.tls.skip_verify
        };
        assert!(["1", "t", "TRUE", "true", "True"].into_iter().all(skips));
        assert!(!["0", "false", "F", "never"].into_iter().any(skips));
    }
}
