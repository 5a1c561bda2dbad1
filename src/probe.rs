//! One attempt to reach a backend, under one timeout.

mod asked;
pub mod attempt;
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
#[derive(Debug, Default)]
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
    fn fault_of_check(&self, what: impl fmt::Display) -> Fault {
        Fault::of_value("--check", &masked(&self.url), what)
    }
}

/// A probe that can be tried again and again. Nothing is kept between two attempts.
#[derive(Clone, Debug)]
pub struct Probe {
    kind: ProbeKind,
    timeout: Duration,
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
        let (scheme, rest) = spec.url.split_once(':').unwrap_or((&spec.url, ""));
        let scheme = scheme.to_ascii_lowercase();
        let unfit = unfit_flags(&spec, &scheme);
        match ProbeKind::new(&spec, &scheme, rest) {
            Ok(kind) if unfit.is_empty() => Ok(Self {
                kind,
                timeout: spec.timeout,
            }),
            Ok(_) => Err(unfit),
            Err(found) => Err([found, unfit].concat()),
        }
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
        let result = timeout(self.timeout, work)
            .await
            .unwrap_or(Err(Failure::Timeout(self.timeout)));
        Attempt {
            result,
            took: start.elapsed(),
        }
    }
}

/// Flags that say nothing to a check of this scheme.
fn unfit_flags(spec: &Spec, scheme: &str) -> Vec<Fault> {
    const HTTP: (&str, &[&str]) = (
        "http://, https:// and http+unix:",
        &["http", "https", "http+unix"],
    );
    const TLS: (&str, &[&str]) = ("https://, tls:// and grpcs://", &["https", "tls", "grpcs"]);
    let given = [
        ("--expect", spec.expect.is_some(), HTTP),
        ("--method", spec.method.is_some(), HTTP),
        ("--header", !spec.headers.is_empty(), HTTP),
        ("--body-regex", spec.body_regex.is_some(), HTTP),
        ("--host", spec.host.is_some(), HTTP),
        ("--tls-skip-verify", spec.tls_skip_verify, TLS),
        ("--check-ca", spec.ca_file.is_some(), TLS),
        ("--check-cert", spec.cert_file.is_some(), TLS),
        ("--check-key", spec.key_file.is_some(), TLS),
        ("--check-server-name", spec.server_name.is_some(), TLS),
    ];
    given
        .into_iter()
        .filter(|(_, given, (_, schemes))| *given && !schemes.contains(&scheme))
        .map(|(flag, _, (fit, _))| Fault::of(flag, format!("only for {fit} checks")))
        .collect()
}
