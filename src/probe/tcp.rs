//! `tcp://HOST:PORT`: connects, and that is all.

use std::time::Duration;

use super::attempt::Failure;
use super::connect::connect;
use crate::address::Address;

#[derive(Debug)]
pub(super) struct TcpProbe {
    host: String,
    port: u16,
    timeout: Duration,
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

    pub(super) async fn attempt(&self) -> Result<String, Failure> {
        connect(&self.host, self.port, self.timeout).await?;
        Ok("connected".to_owned())
    }
}
