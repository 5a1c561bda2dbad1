//! TLS on top of a connection to a backend.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Spec;
use crate::fault::Fault;
use crate::tls;
use crate::tls::files::{Files, Purpose, Tls};

pub(super) const FLAGS: tls::Flags = tls::Flags {
    ca: "--check-ca",
    cert: "--check-cert",
    key: "--check-key",
    skip_verify: "--tls-skip-verify",
};

#[derive(Debug)]
pub(super) struct Secure {
    files: Mutex<Tls>,
    name: ServerName<'static>,
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
            skip_verify: spec.tls_skip_verify,
            ..Files::default()
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
            }),
            (read, name) => Err(read.err().into_iter().chain(name.err()).collect()),
        }
    }

    pub(super) async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(self.config())
            .connect(self.name.clone(), stream)
            .await
    }

    /// As the files have it by now.
    fn config(&self) -> Arc<ClientConfig> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.refresh();
        files.config()
    }
}

/// What the certificate has to be for.
fn server_name(spec: &Spec, host: &str) -> Result<ServerName<'static>, Fault> {
    let unfit = "is no name that a certificate could be for";
    ServerName::try_from(host.to_owned())
        .map_err(|_| spec.fault_of_check(format!("{host:?} {unfit}")))
}
