//! `tcp://HOST:PORT`: connects, and that is all.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use super::attempt::Failure;
use super::connect::connect;
use crate::address::Address;

#[derive(Debug)]
pub(super) struct TcpProbe {
    /// A name or an IP address; that without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) timeout: Duration,
}

impl TcpProbe {
    pub(super) fn new(address: &str, timeout: Duration) -> Result<Self, String> {
        let Address { host, port } = address
            .parse::<Address>()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            host: host.to_string(),
            port,
            timeout,
        })
    }

    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        connect(&self.host, self.port, self.timeout).await
    }

    pub(super) async fn attempt(&self) -> Result<String, Failure> {
        self.connect().await?;
        Ok("connected".to_owned())
    }
}
