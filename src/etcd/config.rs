//! How etcd is reached: endpoints, credentials, TLS.

use std::fmt;

use crate::tls;
use crate::tls::files::Tls;

/// The flags for TLS to etcd.
pub const FLAGS: tls::Flags = tls::Flags {
    ca: "--cacert",
    cert: "--cert",
    key: "--cert-key",
    skip_verify: "--insecure-skip-tls-verify",
};

#[derive(Clone, Debug)]
pub struct EtcdConfig {
    /// `http://host:port` or `https://host:port`; never empty.
    pub endpoints: Vec<String>,
    pub credentials: Option<Credentials>,
    /// For `https://` endpoints; there if one of them is.
    pub tls: Option<Box<Tls>>,
}

#[derive(Clone)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
