//! `tcp://HOST:PORT`: connects, and that is all.

use tokio::net::TcpStream;

use super::Failure;
use crate::address::Address;

#[derive(Debug)]
pub(super) struct TcpProbe {
    host: String,
    port: u16,
}

impl TcpProbe {
    pub(super) fn new(address: &str) -> Result<Self, String> {
        let Address { host, port } = address
            .parse::<Address>()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            host: host.to_string(),
            port,
        })
    }

    pub(super) async fn attempt(&self) -> Result<String, Failure> {
        match TcpStream::connect((self.host.as_str(), self.port)).await {
            Ok(_) => Ok("connected".to_owned()),
            Err(error) => Err(Failure::Connection(error.to_string())),
        }
    }
}
