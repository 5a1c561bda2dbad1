//! `grpc://HOST:PORT/SERVICE` and `grpcs://`: one `Check` of `grpc.health.v1` over a new connection.

use std::error::Error as _;
use std::io;
use std::sync::Mutex;

use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Spec;
use super::attempt::Failure;
use super::failure::failure;
use super::secure::Secure;
use super::tcp::TcpProbe;
use super::way::{Stream, Way};
use crate::fault::Fault;
use crate::wording::printable;

/// The most of a server's own words that is told.
const MOST_WORDS: usize = 200;

#[derive(Debug)]
pub(super) struct GrpcProbe {
    way: Way,
    endpoint: Endpoint,
    /// Empty for the server as a whole.
    service: String,
}

impl GrpcProbe {
    /// `target` is `HOST:PORT` or `HOST:PORT/SERVICE`.
    pub(super) fn new(spec: &Spec, target: &str, over_tls: bool) -> Result<Self, Vec<Fault>> {
        let of_check = |reason: String| vec![spec.fault_of_check(reason)];
        let (address, service) = target.split_once('/').unwrap_or((target, ""));
        let to = TcpProbe::new(address, spec.timeout).map_err(of_check)?;
        // tonic would insist on its own TLS for an https:// URL.
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| of_check(error.to_string()))?
            .user_agent(concat!("register/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| of_check(error.to_string()))?;
        let way = if over_tls {
            let secure = Secure::new(spec, &to.host, Some("h2"))?;
            Way::Tls(to, Box::new(secure))
        } else {
            Way::Tcp(to)
        };
        Ok(Self {
            way,
            endpoint,
            service: service.to_owned(),
        })
    }

    pub(super) async fn attempt(&self) -> Result<String, Failure> {
        let stream = self.way.connect().await?;
        let channel = self.channel(stream).await?;
        let request = HealthCheckRequest {
            service: self.service.clone(),
        };
        match HealthClient::new(channel).check(request).await {
            Ok(answer) => self.judge(answer.into_inner().status()),
            Err(status) => Err(self.refusal(&status)),
        }
    }

    /// Over `stream`, and nothing else: it ends with the channel.
    async fn channel(&self, stream: Box<dyn Stream>) -> Result<Channel, Failure> {
        let only = Mutex::new(Some(stream));
        let connector = tower::service_fn(move |_| {
            let stream = only.lock().ok().and_then(|mut only| only.take());
            async move {
                let stream = stream.ok_or(io::ErrorKind::ConnectionAborted)?;
                Ok::<_, io::Error>(TokioIo::new(stream))
            }
        });
        let made = self.endpoint.connect_with_connector(connector).await;
        made.map_err(|error| failure(&error))
    }

    fn judge(&self, status: ServingStatus) -> Result<String, Failure> {
        let health = format!("gRPC health is {}", status.as_str_name());
        match status {
            ServingStatus::Serving => Ok(health),
            ServingStatus::ServiceUnknown => Err(self.service_unknown()),
            ServingStatus::NotServing | ServingStatus::Unknown => Err(Failure::Answer(health)),
        }
    }

    /// Why there is no health to judge.
    fn refusal(&self, status: &Status) -> Failure {
        if status.source().is_some() {
            return failure(status);
        }
        match status.code() {
            Code::NotFound => self.service_unknown(),
            Code::Unimplemented => Failure::Answer(
                "the server does not implement grpc.health.v1.Health; use tcp:// or exec:"
                    .to_owned(),
            ),
            code => {
                let words: String = status.message().chars().take(MOST_WORDS).collect();
                let words = printable(words.as_bytes());
                Failure::Answer(format!("gRPC status {code:?}: {words}"))
            }
        }
    }

    fn service_unknown(&self) -> Failure {
        let service = &self.service;
        Failure::Answer(format!(
            "SERVICE_UNKNOWN: the server tells no health of the service {service:?}"
        ))
    }
}
