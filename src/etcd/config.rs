//! How etcd is reached: endpoints, credentials, TLS.

use std::fmt;

use crate::tls;
use crate::tls::files::Tls;

const USUAL_MEMBERS: usize = 3;

/// The flags for TLS to etcd.
pub const FLAGS: tls::Flags = tls::Flags {
    ca: "--cacert",
    cert: "--cert",
    key: "--cert-key",
    skip_verify: "--insecure-skip-tls-verify",
};

#[derive(Clone, Debug, PartialEq)]
pub struct EtcdConfig {
    /// `http://host:port`, `https://host:port` or `unix://path`; empty if they are yet to be looked up.
    pub endpoints: Vec<String>,
    pub discovery: Option<Discovery>,
    pub credentials: Option<Credentials>,
    /// For `https://` endpoints; there if one of them is.
    pub tls: Option<Box<Tls>>,
}

impl EtcdConfig {
    /// How many endpoints there are, or are likely to be found.
    #[must_use]
    pub fn likely_endpoints(&self) -> usize {
        match self.discovery {
            Some(_) => USUAL_MEMBERS,
            None => self.endpoints.len(),
        }
    }
}

/// Where in DNS endpoints are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// Certificates have to be for it: anybody may forge what DNS says of hosts.
    pub domain: String,
    /// Whether records of endpoints with TLS are of use.
    pub tls: bool,
    /// Whether those without it are.
    pub plain: bool,
}

#[derive(Clone, PartialEq, Eq)]
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
