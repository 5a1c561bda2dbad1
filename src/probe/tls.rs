//! `tls://HOST:PORT`: a handshake in which the certificate is verified, and that is all.

use super::Spec;
use super::attempt::Failure;
use super::secure::Secure;
use super::tcp::TcpProbe;
use crate::fault::Fault;

#[derive(Debug)]
pub(super) struct TlsProbe {
    to: TcpProbe,
    secure: Secure,
}

impl TlsProbe {
    pub(super) fn new(spec: &Spec, address: &str) -> Result<Self, Vec<Fault>> {
        let to = TcpProbe::new(address, spec.timeout)
            .map_err(|reason| vec![spec.fault_of_check(reason)])?;
        let secure = Secure::new(spec, &to.host, None)?;
        Ok(Self { to, secure })
    }

    pub(super) async fn attempt(&self) -> Result<String, Failure> {
        let stream = self.to.connect().await?;
        self.secure.handshake(stream).await?;
        Ok("TLS handshake completed".to_owned())
    }
}
