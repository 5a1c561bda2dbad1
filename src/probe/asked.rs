//! Whether a server asks for our certificate.

use std::sync::{Arc, OnceLock};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// Notes whether the server asked for our certificate, and whether it got one.
#[derive(Debug)]
pub(super) struct Asked {
    ours: Arc<dyn ResolvesClientCert>,
    given: OnceLock<bool>,
}

impl Asked {
    /// Resolves as `resolver` does, whose place it takes.
    pub(super) fn instead_of(resolver: &mut Arc<dyn ResolvesClientCert>) -> Arc<Self> {
        let asked = Arc::new(Self {
            ours: Arc::clone(resolver),
            given: OnceLock::new(),
        });
        *resolver = Arc::clone(&asked) as Arc<dyn ResolvesClientCert>;
        asked
    }

    pub(super) fn was_asked(&self) -> bool {
        self.given.get().is_some()
    }

    pub(super) fn got_none(&self) -> bool {
        self.given.get() == Some(&false)
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let ours = self.ours.resolve(issuers, schemes);
        self.given.get_or_init(|| ours.is_some());
        ours
    }

    /// Else it would not be asked for it.
    fn has_certs(&self) -> bool {
        true
    }
}
