//! TLS as its flags and files have it: whom to trust, and who we are.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tracing::{info, warn};

use super::{Flags, Verifier};
use crate::fault::{Fault, Place};

/// TLS as its files have it. They are replaced while we run: certificates do not last for ever.
#[derive(Clone, Debug)]
pub struct Tls {
    files: Files,
    purpose: Purpose,
    stamps: [Stamp; 3],
    config: Arc<ClientConfig>,
}

/// What has changed in the files is noticed at the next connection.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files
    }
}

/// What TLS is for.
#[derive(Clone, Copy, Debug)]
pub struct Purpose {
    pub flags: Flags,
    /// What is spoken over it, by its name in ALPN.
    pub protocol: Option<&'static str>,
    /// Whether the server's certificate is verified for each connection, also where a session could be
    /// resumed.
    pub always_verified: bool,
}

/// Tells a file from what takes its place. None if there is none.
type Stamp = Option<(u64, u64, Option<SystemTime>)>;

impl Tls {
    /// # Errors
    /// When a file cannot be read, is no PEM, or certificate and key do not match.
    pub fn read(files: Files, purpose: Purpose) -> Result<Self, TlsError> {
        // Taken first: a file that changes meanwhile is read again.
        let stamps = files.stamps();
        let config = Arc::new(client_config(&files, purpose)?);
        Ok(Self {
            files,
            purpose,
            stamps,
            config,
        })
    }

    /// For the next connection: the files are read anew if they have changed. What was read before
    /// stays if they are not as they should be, as between the replacement of a certificate and
    /// that of its key.
    pub fn refresh(&mut self) {
        let stamps = self.files.stamps();
        if stamps == self.stamps {
            return;
        }
        self.stamps = stamps;
        match client_config(&self.files, self.purpose) {
            Ok(config) => {
                self.config = Arc::new(config);
                info!(
                    event = "tls_files_reloaded",
                    "the files for TLS have changed; read anew"
                );
            }
            Err(error) => {
                let flags = self.purpose.flags;
                let fault = error.fault(flags, |file| flags.of(file).into());
                warn!(
                    event = "tls_files_rejected",
                    "{fault}; keeping the TLS files loaded earlier"
                );
            }
        }
    }

    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// Whether nothing is verified.
    #[must_use]
    pub fn takes_any_certificate(&self) -> bool {
        self.files.skip_verify
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

/// A fault in what the TLS flags name.
#[derive(Debug)]
pub enum TlsError {
    File {
        file: TlsFile,
        path: String,
        reason: String,
    },
    /// A certificate without its key, or the other way round.
    HalfIdentity,
    Identity {
        cert: String,
        key: String,
        reason: String,
    },
    NoRoots(String),
    Setup(rustls::Error),
}

impl TlsError {
    /// `place_of` says where a file was given, or could be.
    pub fn fault(&self, flags: Flags, place_of: impl Fn(TlsFile) -> Place) -> Fault {
        match self {
            Self::File { file, path, reason } => Fault::of_value(place_of(*file), path, reason),
            Self::HalfIdentity => {
                let words = format!("and {} go together: give both", place_of(TlsFile::Key));
                Fault::sentence(place_of(TlsFile::Cert), words)
            }
            Self::Identity { cert, key, reason } => {
                let words = format!("{cert:?} and {} {key:?}: {reason}", place_of(TlsFile::Key));
                Fault::sentence(place_of(TlsFile::Cert), words)
            }
            Self::NoRoots(reason) => {
                Fault::of_system(format!("{reason}; install them, or give {}", flags.ca))
            }
            Self::Setup(error) => Fault::of_system(format!("TLS cannot be set up: {error}")),
        }
    }
}

fn client_config(files: &Files, purpose: Purpose) -> Result<ClientConfig, TlsError> {
    let builder = super::client()
        .map_err(TlsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier(files)?);
    let mut config = match (&files.cert, &files.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let chain = super::certificates(cert)
                .map_err(|reason| file_error(TlsFile::Cert, cert, reason))?;
            let private = PrivateKeyDer::from_pem_file(Path::new(key))
                .map_err(|error| file_error(TlsFile::Key, key, super::pem_fault(&error)))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|reason| TlsError::Identity {
                    cert: cert.clone(),
                    key: key.clone(),
                    reason: super::explained(reason.to_string(), purpose.flags),
                })?
        }
        (Some(_), None) | (None, Some(_)) => return Err(TlsError::HalfIdentity),
    };
    let protocol = purpose.protocol.map(|name| name.as_bytes().to_vec());
    config.alpn_protocols = protocol.into_iter().collect();
    if purpose.always_verified {
        config.resumption = Resumption::disabled();
    }
    Ok(config)
}

fn verifier(files: &Files) -> Result<Verifier, TlsError> {
    match &files.ca {
        _ if files.skip_verify => Ok(super::taking_any()),
        Some(path) => super::certificates(path)
            .and_then(super::trusting)
            .map_err(|reason| file_error(TlsFile::Ca, path, reason)),
        None => super::trusting_as_the_system().map_err(TlsError::NoRoots),
    }
}

fn file_error(file: TlsFile, path: &str, reason: String) -> TlsError {
    TlsError::File {
        file,
        path: path.to_owned(),
        reason,
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
        let files = Files {
            ca: Some(cert.clone()),
            cert: Some(cert.clone()),
            key: Some(key.clone()),
            skip_verify: false,
        };
        let purpose = Purpose {
            flags: Flags {
                ca: "--ca",
                cert: "--cert",
                key: "--key",
                skip_verify: "--skip-verify",
            },
            protocol: None,
            always_verified: false,
        };
        let mut tls = Tls::read(files, purpose).unwrap();
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
