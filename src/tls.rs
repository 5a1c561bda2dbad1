//! Whom TLS trusts, for etcd and for backends alike: rustls, on ring.

pub mod files;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    WantsVerifier,
};

use self::files::TlsFile;

/// Verifies a server's certificate.
type Verifier = Arc<dyn ServerCertVerifier>;

/// The names of the flags about TLS, for what is told to people.
#[derive(Clone, Copy, Debug)]
pub struct Flags {
    pub ca: &'static str,
    pub cert: &'static str,
    pub key: &'static str,
    pub skip_verify: &'static str,
}

impl Flags {
    #[must_use]
    pub fn of(self, file: TlsFile) -> &'static str {
        match file {
            TlsFile::Ca => self.ca,
            TlsFile::Cert => self.cert,
            TlsFile::Key => self.key,
        }
    }
}

/// What every client's configuration begins with.
///
/// # Errors
/// When ring offers nothing for the versions of TLS that we speak.
fn client() -> Result<rustls::ConfigBuilder<ClientConfig, WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()
}

/// The certificates in a file.
///
/// # Errors
/// When it cannot be read, or holds none: what is wrong, without its name.
fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(Path::new(path))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem_fault(&error))?;
    if found.is_empty() {
        return Err("holds no PEM certificate".to_owned());
    }
    Ok(found)
}

/// What is wrong with a file of PEM.
fn pem_fault(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Trusts those whose certificates these are, be they a CA's or a server's own.
///
/// # Errors
/// When one of them is not fit to be trusted.
fn trusting(given: Vec<CertificateDer<'static>>) -> Result<Verifier, String> {
    let mut roots = RootCertStore::empty();
    for certificate in given.iter().cloned() {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(verifier(roots, given)?)
}

/// Trusts whom the system trusts. All who do so at a time share what was read of it: it takes long to
/// read, and much to keep.
///
/// # Errors
/// When it trusts nobody.
fn trusting_as_the_system() -> Result<Verifier, String> {
    static SHARED: Mutex<Weak<Trusting>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = shared.upgrade() {
        return Ok(known);
    }
    let read = read_from_the_system()?;
    *shared = Arc::downgrade(&read);
    Ok(read)
}

fn read_from_the_system() -> Result<Arc<Trusting>, String> {
    let system = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system.certs);
    if roots.is_empty() {
        let reasons = system.errors.iter().map(|error| format!("; {error}"));
        let reasons: String = reasons.collect();
        return Err(format!("no CA certificates on this system{reasons}"));
    }
    verifier(roots, Vec::new())
}

fn verifier(
    roots: RootCertStore,
    own: Vec<CertificateDer<'static>>,
) -> Result<Arc<Trusting>, String> {
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    let webpki = built.map_err(|error| error.to_string())?;
    Ok(Arc::new(Trusting { webpki, own }))
}

/// Takes any certificate, also one with a key that cannot be verified.
fn taking_any() -> Verifier {
    Arc::new(TakingAny)
}

/// What `reason`, an error of TLS in rustls's words, means and what can be done.
#[must_use]
pub fn explained(reason: String, flags: Flags) -> String {
    let Flags {
        ca,
        cert,
        skip_verify,
        ..
    } = flags;
    let has = |word| reason.contains(word);
    let certificate = |what: &str| format!("invalid peer certificate: {what}");
    if has("CertificateRequired") || has("BadCertificate") {
        format!("{reason} (it asks for a client's certificate that it trusts; see {cert})")
    } else if has("UnknownIssuer") {
        format!("{reason} (its CA is not among those that are trusted; see {ca})")
    } else if has("HandshakeFailure") {
        format!(
            "{reason} (no cipher or kind of key in common; a key on the curve P-521, as of \
             `etcd --auto-tls`, cannot be verified: P-256, P-384 and RSA can, and {skip_verify} \
             takes it over TLS 1.3)"
        )
    } else if has("UnsupportedSignatureAlgorithm") {
        certificate(
            "its CA signed it in a way that cannot be verified; P-256, P-384, Ed25519 and RSA can",
        )
    } else if has("UnsupportedCertVersion") {
        certificate("it is of X.509 version 1, which names no host; have it issued as version 3")
    } else if has("CaUsedAsEndEntity") {
        certificate(&format!(
            "it is a CA's own; to trust it all the same, give it with {ca}"
        ))
    } else if has("failed to parse private key") {
        format!("{reason} (keys on the curve P-521 cannot be used)")
    } else {
        reason
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[derive(Debug)]
struct Trusting {
    webpki: Arc<WebPkiServerVerifier>,
    /// A server may show one of these itself, as one signed by itself does.
    own: Vec<CertificateDer<'static>>,
}

impl Trusting {
    /// Whether `error` is only about who signed `certificate`, which we were given. Its dates were
    /// looked at before that.
    fn is_given(&self, certificate: &CertificateDer<'_>, error: &Error) -> bool {
        let Error::InvalidCertificate(error) = error else {
            return false;
        };
        let is_of_issuer = matches!(
            error,
            CertificateError::UnknownIssuer
                | CertificateError::BadSignature
                | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
                | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
                // That it is a CA's own.
                | CertificateError::Other(_)
        );
        is_of_issuer && self.own.contains(certificate)
    }
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.webpki
                .verify_server_cert(certificate, intermediates, name, ocsp_response, now);
        match verified {
            Err(error) if self.is_given(certificate, &error) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Nothing is checked: what ring cannot verify is taken too, such as X.509 v1 or P-521.
#[derive(Debug)]
struct TakingAny;

impl ServerCertVerifier for TakingAny {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::ED448,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::ECDSA_SHA1_Legacy,
            SignatureScheme::RSA_PKCS1_SHA1,
        ]
    }
}
