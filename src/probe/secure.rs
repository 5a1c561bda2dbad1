//! TLS on top of a connection to a backend.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Spec;
use super::asked::Asked;
use super::attempt::Failure;
use super::failure::failure;
use crate::fault::Fault;
use crate::tls::Flags;
use crate::tls::files::{Files, Purpose, Tls};

pub(super) const FLAGS: Flags = Flags {
    ca: "--check-ca",
    cert: "--check-cert",
    key: "--check-key",
    skip_verify: "--tls-skip-verify",
};

/// How long a server has to object to our certificate.
const OBJECTION: Duration = Duration::from_millis(250);

/// In ALPN.
pub(super) const HTTP: &str = "http/1.1";

#[derive(Debug)]
pub(super) struct Secure {
    files: Mutex<Tls>,
    name: ServerName<'static>,
    /// Else it objects when it is spoken to, and to wait for that is a waste.
    server_may_speak_first: bool,
}

impl Secure {
    /// For a backend at `host`, with which `protocol` is spoken, by its name in ALPN.
    pub(super) fn new(
        spec: &Spec,
        host: &str,
        protocol: Option<&'static str>,
    ) -> Result<Self, Vec<Fault>> {
        let files = Files {
            ca: spec.ca_file.clone(),
            cert: spec.cert_file.clone(),
            key: spec.key_file.clone(),
            skip_verify: spec.tls_skip_verify,
        };
        let purpose = Purpose {
            flags: FLAGS,
            protocol,
            always_verified: true,
        };
        let read = Tls::read(files, purpose)
            .map_err(|error| error.fault(FLAGS, |file| FLAGS.of(file).into()));
        match (read, server_name(spec, host)) {
            (Ok(files), Ok(name)) => Ok(Self {
                files: Mutex::new(files),
                name,
                server_may_speak_first: protocol != Some(HTTP),
            }),
            (read, name) => Err(read.err().into_iter().chain(name.err()).collect()),
        }
    }

    /// With TLS 1.3 a server objects to our certificate only after the handshake: that is waited for.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let mut config = ClientConfig::clone(&self.config());
        let asked = Asked::instead_of(&mut config.client_auth_cert_resolver);
        let connector = TlsConnector::from(Arc::new(config));
        let done = connector.connect(self.name.clone(), stream).await;
        let mut stream = done.map_err(|error| failed(&error, &asked))?;
        if asked.was_asked() && self.server_may_speak_first {
            let heard = timeout(OBJECTION, stream.fill_buf()).await;
            if let Ok(Err(error)) = heard
                && error.kind() != io::ErrorKind::UnexpectedEof
            {
                return Err(failed(&error, &asked));
            }
        }
        Ok(stream)
    }

    /// As the files have it by now.
    fn config(&self) -> Arc<ClientConfig> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.refresh();
        files.config()
    }
}

/// Servers say no to a missing certificate in many ways.
fn failed(error: &io::Error, asked: &Asked) -> Failure {
    if asked.got_none() && is_the_servers(error) {
        let Flags { cert, key, .. } = FLAGS;
        let why = "it asked for a client's certificate, and none is given; see";
        return Failure::Connection(format!("{error} ({why} {cert} and {key})"));
    }
    failure(error)
}

/// Whether it is the server that said no, or broke off.
fn is_the_servers(error: &io::Error) -> bool {
    let inner = error.get_ref();
    let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    tls.is_none_or(|error| matches!(error, rustls::Error::AlertReceived(_)))
}

/// What the certificate has to be for: `host` if nothing else is said.
fn server_name(spec: &Spec, host: &str) -> Result<ServerName<'static>, Fault> {
    const UNFIT: &str = "is no name that a certificate could be for";
    let name = |text: &str| ServerName::try_from(text.to_owned());
    match (&spec.server_name, &spec.host) {
        (Some(given), _) => {
            name(given).map_err(|_| Fault::of_value("--check-server-name", given, UNFIT))
        }
        (None, Some(given)) => name(without_port(given)).map_err(|_| {
            let what = format!("{UNFIT}; give the certificate's with --check-server-name");
            Fault::of_value("--host", given, what)
        }),
        (None, None) => name(host).map_err(|_| spec.fault_of_check(format!("its host {UNFIT}"))),
    }
}

/// Of what a Host header has, the host; an IPv6 address without its brackets.
fn without_port(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((ip, _port)) => ip,
        None => host.split_once(':').map_or(host, |(name, _port)| name),
    }
}
