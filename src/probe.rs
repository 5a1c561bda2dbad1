//! One attempt to reach a backend, under one timeout.

pub mod attempt;
pub mod checks;
mod connect;
mod exec;
mod host_fault;
mod http;
mod last_words;
mod status;
mod tcp;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::fault::Fault;
use crate::wording::masked;
use crate::world::Backend;
use attempt::{Attempt, Failure};

/// A probe as typed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Spec {
    pub url: String,
    pub timeout: Duration,
    pub expect: Option<String>,
    pub method: Option<String>,
    pub headers: Vec<String>,
    pub body_regex: Option<String>,
    pub host: Option<String>,
    pub tls_skip_verify: bool,
    pub ca_file: Option<String>,
}

impl Spec {
    /// The URL without what may be a secret: user and password, and a command.
    fn shown(&self) -> String {
        if is_exec(&self.url) {
            return "exec:…".to_owned();
        }
        match self.url.split_once(char::is_whitespace) {
            Some((word, _)) => format!("{} …", masked(word)),
            None => masked(&self.url),
        }
    }

    fn fault_of_check(&self, what: impl fmt::Display) -> Fault {
        Fault::of_value("--check", &self.shown(), what)
    }
}

/// Headers may be secrets.
impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("url", &self.shown())
            .finish_non_exhaustive()
    }
}

/// A probe that can be tried again and again. Nothing is kept between two attempts.
#[derive(Clone, Debug)]
pub struct Probe {
    kind: ProbeKind,
    spec: Arc<Spec>,
}

/// What the settings are is what counts: files that they name may have changed.
impl PartialEq for Probe {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

#[derive(Clone, Debug)]
enum ProbeKind {
    Http(Arc<http::HttpProbe>),
    Tcp(Arc<tcp::TcpProbe>),
    Exec(Arc<exec::ExecProbe>),
    /// Always healthy.
    None,
}

impl Probe {
    /// # Errors
    /// Every fault found, naming its flag.
    pub fn new(spec: Spec) -> Result<Self, Vec<Fault>> {
        let url = spec.url.as_str();
        let (_, rest) = url.split_once(':').unwrap_or((url, ""));
        let scheme = scheme_of(url);
        let of_check = |reason: String| vec![spec.fault_of_check(reason)];
        let mut faults = unfit_flags(&spec);
        let kind = match (scheme.as_str(), rest.strip_prefix("//")) {
            ("http" | "https", Some(_)) => {
                http::HttpProbe::new(&spec).map(|probe| ProbeKind::Http(Arc::new(probe)))
            }
            ("tcp", Some(address)) => {
                let probe =
                    tcp::TcpProbe::new(address.strip_suffix('/').unwrap_or(address), spec.timeout);
                probe
                    .map(|probe| ProbeKind::Tcp(Arc::new(probe)))
                    .map_err(of_check)
            }
            ("exec", _) => {
                let probe = exec::ExecProbe::new(rest);
                probe
                    .map(|probe| ProbeKind::Exec(Arc::new(probe)))
                    .map_err(of_check)
            }
            ("none", None) if rest.is_empty() => Ok(ProbeKind::None),
            ("grpc", Some(_)) => Err(of_check(
                "grpc:// is not supported yet; use tcp:// or exec:".to_owned(),
            )),
            _ => Err(of_check(
                "unknown scheme; use http://, https://, tcp://, exec: or none".to_owned(),
            )),
        };
        match kind {
            Ok(kind) if faults.is_empty() => Ok(Self {
                kind,
                spec: Arc::new(spec),
            }),
            Ok(_) => Err(faults),
            Err(found) => {
                faults.splice(0..0, found);
                Err(faults)
            }
        }
    }

    /// What is checked, without what may be a secret.
    fn shown(&self) -> String {
        self.spec.shown()
    }
}

impl Backend for Probe {
    fn descriptors(&self) -> usize {
        match &self.kind {
            ProbeKind::Http(_) | ProbeKind::Tcp(_) => 1,
            // Both ends of its pipe, and what it takes to start it and to see it end.
            ProbeKind::Exec(_) => 6,
            ProbeKind::None => 0,
        }
    }

    /// Dropping the future closes a connection and kills a command.
    async fn attempt(&self) -> Attempt {
        let start = Instant::now();
        let work = async {
            match &self.kind {
                ProbeKind::Http(probe) => probe.attempt().await,
                ProbeKind::Tcp(probe) => probe.attempt().await,
                ProbeKind::Exec(probe) => probe.attempt().await,
                ProbeKind::None => Ok("not checked".to_owned()),
            }
        };
        let limit = self.spec.timeout;
        let result = timeout(limit, work)
            .await
            .unwrap_or(Err(Failure::Timeout(limit)));
        Attempt {
            result,
            took: start.elapsed(),
        }
    }
}

/// What is wrong with giving `flag` for a check of this URL: it says nothing to one of its scheme.
#[must_use]
pub fn fault_of_unfit(flag: &'static str, url: &str) -> Option<Fault> {
    let (fit, schemes): (&str, &[&str]) = match flag {
        "--expect" | "--method" | "--header" | "--body-regex" | "--host" => {
            ("http:// and https://", &["http", "https"])
        }
        "--tls-skip-verify" | "--check-ca" => ("https://", &["https"]),
        _ => return None,
    };
    let scheme = scheme_of(url);
    let is_unfit = !schemes.contains(&scheme.as_str());
    is_unfit.then(|| Fault::of(flag, format!("only for {fit} checks")))
}

/// Whether it is a command.
#[must_use]
pub fn is_exec(url: &str) -> bool {
    url.contains(':') && scheme_of(url) == "exec"
}

fn scheme_of(url: &str) -> String {
    let scheme = url.split(':').next().unwrap_or_default();
    scheme.to_ascii_lowercase()
}

fn unfit_flags(spec: &Spec) -> Vec<Fault> {
    let given = [
        ("--expect", spec.expect.is_some()),
        ("--method", spec.method.is_some()),
        ("--header", !spec.headers.is_empty()),
        ("--body-regex", spec.body_regex.is_some()),
        ("--host", spec.host.is_some()),
        ("--tls-skip-verify", spec.tls_skip_verify),
        ("--check-ca", spec.ca_file.is_some()),
    ];
    let given = given.into_iter().filter(|(_, is_given)| *is_given);
    given
        .filter_map(|(flag, _)| fault_of_unfit(flag, &spec.url))
        .collect()
}
