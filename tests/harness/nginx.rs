//! nginx, as a backend.

use std::fs;
use std::net::{SocketAddrV4, TcpStream};
use std::process::Stdio;

use tempfile::TempDir;

use super::{Owned, SOON, eventually, own_address, tool};

pub struct Nginx {
    address: SocketAddrV4,
    directory: TempDir,
    process: Option<Owned>,
}

impl Nginx {
    /// Answers 200 at `/`, and as `locations` say elsewhere.
    pub fn start_with(listen: &str, locations: &str) -> Self {
        let address = own_address();
        let directory = tempfile::tempdir().unwrap();
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid; error_log error.log;\n\
             events {{ worker_connections 64; }}\n\
             http {{\n  access_log access.log;\n  client_body_temp_path t; proxy_temp_path t; \
             fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;\n  \
             server {{\n    listen {address} {listen};\n    location = / {{ return 200 'well\\n'; }}\n    {locations}\n  }}\n}}\n"
        );
        fs::write(directory.path().join("nginx.conf"), configuration).unwrap();
        let mut nginx = Self {
            address,
            directory,
            process: None,
        };
        nginx.restart();
        nginx
    }

    pub fn start() -> Self {
        Self::start_with("", "")
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The key of a registration as service `web`.
    pub fn key(&self) -> String {
        format!("/services/web/{}", self.address.ip())
    }

    pub fn stop(&mut self) {
        self.process = None;
    }

    pub fn restart(&mut self) {
        let directory = self.directory.path();
        let child = tool("nginx")
            .arg("-p")
            .arg(directory)
            .arg("-c")
            .arg(directory.join("nginx.conf"))
            .arg("-e")
            .arg(directory.join("error.log"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(Owned(child));
        eventually("nginx answers", SOON, || {
            TcpStream::connect(self.address).map_err(|e| e.to_string())
        });
    }
}
