//! etcd's own gRPC proxy: it joins many clients' watches into few.

use std::net::{SocketAddrV4, TcpStream};
use std::process::Stdio;

use super::{Owned, SOON, eventually, own_address, tool};

pub struct GrpcProxy {
    address: SocketAddrV4,
    _process: Owned,
}

impl GrpcProxy {
    /// In front of the members at these URLs.
    pub fn start(endpoints: &[String]) -> Self {
        let address = own_address();
        let child = tool("etcd")
            .args(["grpc-proxy", "start"])
            .args(["--endpoints", &endpoints.join(",")])
            .args(["--listen-addr", &address.to_string()])
            .args(["--advertise-client-url", &address.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let process = Owned(child);
        eventually("etcd's gRPC proxy listens", SOON, || {
            TcpStream::connect(address).map_err(|error| error.to_string())
        });
        Self {
            address,
            _process: process,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
