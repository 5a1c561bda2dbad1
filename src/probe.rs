//! One attempt to reach a backend, under one timeout.

mod asked;
pub mod attempt;
pub mod checks;
mod connect;
mod exec;
mod failure;
mod grpc;
mod host_fault;
mod http;
mod last_words;
mod secure;
mod status;
mod tcp;
mod tls;
mod unix;
mod way;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::fault::Fault;
use crate::wording::masked;
use crate::world::Backend;
use attempt::{Attempt, Failure};

/// For what is told to people.
const SCHEMES: &str =
    "http://, https://, http+unix:, tcp://, tls://, unix:, grpc://, grpcs://, exec: or none";

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
    pub cert_file: Option<String>,
    pub key_file: Option<String>,
    pub server_name: Option<String>,
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
    Grpc(Arc<grpc::GrpcProbe>),
    Tcp(Arc<tcp::TcpProbe>),
    Tls(Arc<tls::TlsProbe>),
    Unix(Arc<unix::UnixProbe>),
    Exec(Arc<exec::ExecProbe>),
    /// Always healthy.
    None,
}

impl Probe {
    /// # Errors
    /// Every fault found, naming its flag.
    pub fn new(spec: Spec) -> Result<Self, Vec<Fault>> {
        let (_, rest) = spec.url.split_once(':').unwrap_or((&spec.url, ""));
        let unfit = unfit_flags(&spec);
        match ProbeKind::new(&spec, &scheme_of(&spec.url), rest) {
            Ok(kind) if unfit.is_empty() => Ok(Self {
                kind,
                spec: Arc::new(spec),
            }),
            Ok(_) => Err(unfit),
            Err(found) => Err([found, unfit].concat()),
        }
    }

    /// What is checked, without what may be a secret.
    fn shown(&self) -> String {
        self.spec.shown()
    }
}

impl ProbeKind {
    /// `rest` is what follows `scheme:` in the URL.
    fn new(spec: &Spec, scheme: &str, rest: &str) -> Result<Self, Vec<Fault>> {
        let of_check = |reason: String| vec![spec.fault_of_check(reason)];
        let authority = rest.strip_prefix("//");
        let address = authority.map(|text| text.strip_suffix('/').unwrap_or(text));
        match (scheme, address) {
            ("http" | "https", Some(_)) => {
                http::HttpProbe::over_network(spec).map(|probe| Self::Http(Arc::new(probe)))
            }
            ("http+unix", _) => {
                http::HttpProbe::over_socket(spec, rest).map(|probe| Self::Http(Arc::new(probe)))
            }
            ("grpc" | "grpcs", Some(target)) => {
                grpc::GrpcProbe::new(spec, target, scheme == "grpcs")
                    .map(|probe| Self::Grpc(Arc::new(probe)))
            }
            ("tcp", Some(address)) => tcp::TcpProbe::new(address, spec.timeout)
                .map(|probe| Self::Tcp(Arc::new(probe)))
                .map_err(of_check),
            ("tls", Some(address)) => {
                tls::TlsProbe::new(spec, address).map(|probe| Self::Tls(Arc::new(probe)))
            }
            ("unix", _) => unix::UnixProbe::new(rest)
                .map(|probe| Self::Unix(Arc::new(probe)))
                .map_err(of_check),
            ("exec", _) => exec::ExecProbe::new(rest)
                .map(|probe| Self::Exec(Arc::new(probe)))
                .map_err(of_check),
            ("none", None) if rest.is_empty() => Ok(Self::None),
            _ => Err(of_check(format!("unknown scheme; use {SCHEMES}"))),
        }
    }
}

impl Backend for Probe {
    fn descriptors(&self) -> usize {
        match &self.kind {
            ProbeKind::Http(_)
            | ProbeKind::Grpc(_)
            | ProbeKind::Tcp(_)
            | ProbeKind::Tls(_)
            | ProbeKind::Unix(_) => 1,
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
                ProbeKind::Grpc(probe) => probe.attempt().await,
                ProbeKind::Tcp(probe) => probe.attempt().await,
                ProbeKind::Tls(probe) => probe.attempt().await,
                ProbeKind::Unix(probe) => probe.attempt().await,
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
            let fit = "http://, https:// and http+unix:";
            (fit, &["http", "https", "http+unix"])
        }
        "--tls-skip-verify"
        | "--check-ca"
        | "--check-cert"
        | "--check-key"
        | "--check-server-name" => ("https://, tls:// and grpcs://", &["https", "tls", "grpcs"]),
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
        ("--check-cert", spec.cert_file.is_some()),
        ("--check-key", spec.key_file.is_some()),
        ("--check-server-name", spec.server_name.is_some()),
    ];
    let given = given.into_iter().filter(|(_, is_given)| *is_given);
    given
        .filter_map(|(flag, _)| fault_of_unfit(flag, &spec.url))
        .collect()
}
