//! TLS to etcd: rustls, verified against the system's certificates or `--cacert`.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ClientConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tracing::{info, warn};

use super::status::FLAGS;
use crate::tls::{self, Verifier};

/// TLS as its files have it. They are replaced while we run: certificates do not last for ever.
#[derive(Clone, Debug)]
pub struct Tls {
    files: Files,
    stamps: [Stamp; 3],
    config: Arc<ClientConfig>,
}

/// What has changed in the files is noticed at the next connection.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files
    }
}

/// Tells a file from what takes its place. None if there is none.
type Stamp = Option<(u64, u64, Option<SystemTime>)>;

impl Tls {
    /// # Errors
    /// When a file cannot be read, is no PEM, or certificate and key do not match.
    pub fn read(files: Files) -> Result<Self, TlsError> {
        // Taken first: a file that changes meanwhile is read again.
        let stamps = files.stamps();
        let config = Arc::new(client_config(&files)?);
        Ok(Self {
            files,
            stamps,
            config,
        })
    }

    /// For the next connection: the files are read anew if they have changed. What was read before
    /// stays if they are not as they should be, as between the replacement of a certificate and
    /// that of its key.
    pub(super) fn refresh(&mut self) {
        let stamps = self.files.stamps();
        if stamps == self.stamps {
            return;
        }
        self.stamps = stamps;
        match client_config(&self.files) {
            Ok(config) => {
                self.config = Arc::new(config);
                info!(
                    event = "tls_files_reloaded",
                    "the files for TLS have changed; read anew"
                );
            }
            Err(error) => warn!(
                event = "tls_files_rejected",
                "{error}; going on with what was read before"
            ),
        }
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

/// What the TLS flags name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub ca: Option<String>,
    pub cert: Option<String>,
    pub key: Option<String>,
    pub skip_verify: bool,
}

impl Files {
    fn stamps(&self) -> [Stamp; 3] {
        [&self.ca, &self.cert, &self.key].map(|path| {
            let file = fs::metadata(path.as_ref()?).ok()?;
            Some((file.ino(), file.len(), file.modified().ok()))
        })
    }
}

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    Ca,
    Cert,
    Key,
}

impl fmt::Display for TlsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ca => "--cacert",
            Self::Cert => "--cert",
            Self::Key => "--cert-key",
        })
    }
}

/// A fault in what the TLS flags name.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{file} {path:?}: {reason}")]
    File {
        file: TlsFile,
        path: String,
        reason: String,
    },
    #[error("--cert and --cert-key go together: give both")]
    HalfIdentity,
    #[error("--cert {cert:?} and --cert-key {key:?}: {reason}")]
    Identity {
        cert: String,
        key: String,
        reason: String,
    },
    #[error("{0}; install them, or give --cacert")]
    NoRoots(String),
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

fn client_config(files: &Files) -> Result<ClientConfig, TlsError> {
    let builder = tls::client()
        .map_err(TlsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier(files)?);
    let mut config = match (&files.cert, &files.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let chain = tls::certificates(cert)
                .map_err(|reason| file_error(TlsFile::Cert, cert, &reason))?;
            let private = PrivateKeyDer::from_pem_file(Path::new(key))
                .map_err(|error| file_error(TlsFile::Key, key, &tls::pem_fault(&error)))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|reason| TlsError::Identity {
                    cert: cert.clone(),
                    key: key.clone(),
                    reason: tls::explained(reason.to_string(), FLAGS),
                })?
        }
        (Some(_), None) | (None, Some(_)) => return Err(TlsError::HalfIdentity),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn verifier(files: &Files) -> Result<Verifier, TlsError> {
    match &files.ca {
        _ if files.skip_verify => Ok(tls::taking_any()),
        Some(path) => tls::certificates(path)
            .and_then(tls::trusting)
            .map_err(|reason| file_error(TlsFile::Ca, path, &reason)),
        None => tls::trusting_as_the_system().map_err(TlsError::NoRoots),
    }
}

fn file_error(file: TlsFile, path: &str, reason: &dyn fmt::Display) -> TlsError {
    TlsError::File {
        file,
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    #[test]
    fn replaced_files_are_taken_once_they_fit_together() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let (cert, key) = (path("cert.pem"), path("cert.key"));
        let issue = || generate_simple_self_signed(["client".to_owned()]).unwrap();
        let CertifiedKey {
            cert: old,
            signing_key: old_key,
        } = issue();
        fs::write(&cert, old.pem()).unwrap();
        fs::write(&key, old_key.serialize_pem()).unwrap();
        let mut tls = Tls::read(Files {
            ca: Some(cert.clone()),
            cert: Some(cert.clone()),
            key: Some(key.clone()),
            skip_verify: false,
        })
        .unwrap();
        let before = tls.config();
        let mut changed = || {
            tls.refresh();
            !Arc::ptr_eq(&before, &tls.config())
        };
        assert!(!changed(), "nothing was replaced");

        let new = issue();
        // As deployments do it: another file takes the name.
        let replace = |name: &str, text: String| {
            fs::write(path("new"), text).unwrap();
            fs::rename(path("new"), name).unwrap();
        };
        replace(&cert, new.cert.pem());
        assert!(!changed(), "the key is still the old one");
        replace(&key, new.signing_key.serialize_pem());
        assert!(changed());
    }
}
