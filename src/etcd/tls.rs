//! TLS to etcd: rustls, verified against the system's certificates or `--cacert`.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// What the TLS flags name.
#[derive(Clone, Debug, Default)]
pub struct Files {
    pub ca: Option<String>,
    pub cert: Option<String>,
    pub key: Option<String>,
    pub skip_verify: bool,
}

impl Files {
    /// Whether any TLS flag was given.
    #[must_use]
    pub fn any(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.key.is_some() || self.skip_verify
    }
}

/// A fault in what the TLS flags name.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{flag} {path:?}: {reason}")]
    File {
        flag: &'static str,
        path: String,
        reason: String,
    },
    #[error("--cert and --cert-key go together: give both")]
    HalfIdentity,
    #[error("--cert {cert:?} and --cert-key {key:?}: {reason}")]
    Identity {
        cert: String,
        key: String,
        reason: rustls::Error,
    },
    #[error("no CA certificates on this system ({0}); give --cacert")]
    NoRoots(String),
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// # Errors
/// When a file cannot be read, is no PEM, or certificate and key do not match.
pub fn client_config(files: &Files) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?;
    let builder = if files.skip_verify {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TakeAnyCertificate(provider)))
    } else {
        builder.with_root_certificates(roots(files.ca.as_deref())?)
    };
    let mut config = match (&files.cert, &files.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let chain = certificates("--cert", cert)?;
            let private = PrivateKeyDer::from_pem_file(Path::new(key))
                .map_err(|error| file_error("--cert-key", key, &error))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|reason| TlsError::Identity {
                    cert: cert.clone(),
                    key: key.clone(),
                    reason,
                })?
        }
        (Some(_), None) | (None, Some(_)) => return Err(TlsError::HalfIdentity),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn roots(ca: Option<&str>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates("--cacert", path)? {
            roots
                .add(certificate)
                .map_err(|error| file_error("--cacert", path, &error))?;
        }
        return Ok(roots);
    }
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if roots.is_empty() {
        let reasons: Vec<_> = system.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoRoots(reasons.join("; ")));
    }
    Ok(roots)
}

fn certificates(flag: &'static str, path: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_file_iter(Path::new(path))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file_error(flag, path, &error))?;
    if chain.is_empty() {
        return Err(file_error(flag, path, &"holds no PEM certificate"));
    }
    Ok(chain)
}

fn file_error(flag: &'static str, path: &str, reason: &dyn std::fmt::Display) -> TlsError {
    TlsError::File {
        flag,
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// What `--insecure-skip-tls-verify` asks for: signatures are checked, identities are not.
#[derive(Debug)]
struct TakeAnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for TakeAnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
