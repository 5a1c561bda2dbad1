//! One attempt to reach a backend, under one timeout.

mod exec;
mod http;
mod status;
mod tcp;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::wording;

/// A probe as typed.
#[derive(Debug)]
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

/// A probe that can be tried again and again. Nothing is kept between two attempts.
#[derive(Clone, Debug)]
pub struct Probe {
    kind: Kind,
    timeout: Duration,
}

#[derive(Clone, Debug)]
enum Kind {
    Http(Arc<http::HttpProbe>),
    Tcp(Arc<tcp::TcpProbe>),
    Exec(Arc<exec::ExecProbe>),
    /// Always healthy.
    None,
}

/// What came of one attempt.
#[derive(Debug)]
pub struct Attempt {
    /// What the backend answered, in a word or two.
    pub result: Result<String, Failure>,
    pub took: Duration,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("no answer within {}", wording::duration(*.0))]
    Timeout(Duration),
    #[error("{0}")]
    Connection(String),
    #[error("HTTP status {0}")]
    Status(u16),
    #[error("the body does not match")]
    Body,
    #[error("the command could not be run: {0}")]
    Spawn(std::io::Error),
    #[error("the command ended with {0}")]
    Command(std::process::ExitStatus),
}

impl Attempt {
    #[must_use]
    pub fn text(&self) -> String {
        match &self.result {
            Ok(answer) => answer.clone(),
            Err(failure) => failure.to_string(),
        }
    }
}

impl Probe {
    /// # Errors
    /// Every fault found, naming its flag.
    pub fn new(spec: Spec) -> Result<Self, Vec<String>> {
        let timeout = spec.timeout;
        let url = spec.url.as_str();
        let kind = if url.starts_with("http://") || url.starts_with("https://") {
            Kind::Http(Arc::new(http::HttpProbe::new(&spec)?))
        } else {
            let kind = if let Some(address) = url.strip_prefix("tcp://") {
                tcp::TcpProbe::new(address).map(|probe| Kind::Tcp(Arc::new(probe)))
            } else if let Some(command) = url.strip_prefix("exec:") {
                exec::ExecProbe::new(command).map(|probe| Kind::Exec(Arc::new(probe)))
            } else if url == "none" {
                Ok(Kind::None)
            } else if url.starts_with("grpc://") {
                Err("grpc:// is not supported yet; use tcp:// or exec:".to_owned())
            } else {
                Err("unknown scheme; use http://, https://, tcp://, exec: or none".to_owned())
            };
            let mut faults = http_only_flags(&spec);
            match kind {
                Ok(kind) if faults.is_empty() => kind,
                Ok(_) => return Err(faults),
                Err(reason) => {
                    faults.insert(0, format!("--check {url:?}: {reason}"));
                    return Err(faults);
                }
            }
        };
        Ok(Self { kind, timeout })
    }

    /// Tries once. Dropping the future ends the attempt: a connection is closed, a command killed.
    pub async fn attempt(&self) -> Attempt {
        let start = Instant::now();
        let work = async {
            match &self.kind {
                Kind::Http(probe) => probe.attempt().await,
                Kind::Tcp(probe) => probe.attempt().await,
                Kind::Exec(probe) => probe.attempt().await,
                Kind::None => Ok("not checked".to_owned()),
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

fn http_only_flags(spec: &Spec) -> Vec<String> {
    let given = [
        ("--expect", spec.expect.is_some()),
        ("--method", spec.method.is_some()),
        ("--header", !spec.headers.is_empty()),
        ("--body-regex", spec.body_regex.is_some()),
        ("--host", spec.host.is_some()),
        ("--tls-skip-verify", spec.tls_skip_verify),
        ("--check-ca", spec.ca_file.is_some()),
    ];
    given
        .into_iter()
        .filter(|(_, given)| *given)
        .map(|(flag, _)| format!("{flag}: only for http:// and https:// checks"))
        .collect()
}
