//! Whom TLS trusts, for etcd and for backends alike: rustls, on ring.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    WantsVerifier,
};

/// Verifies a server's certificate.
pub type Verifier = Arc<dyn ServerCertVerifier>;

/// The names of the flags that say whom to trust, for what is told to people.
#[derive(Clone, Copy, Debug)]
pub struct Flags {
    pub ca: &'static str,
    pub skip_verify: &'static str,
}

/// What every client's configuration begins with.
///
/// # Errors
/// When ring offers nothing for the versions of TLS that we speak.
pub fn client() -> Result<rustls::ConfigBuilder<ClientConfig, WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()
}

/// The certificates in a file.
///
/// # Errors
/// When it cannot be read, or holds none: what is wrong, without its name.
pub fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(Path::new(path))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem_fault(&error))?;
    if found.is_empty() {
        return Err("holds no PEM certificate".to_owned());
    }
    Ok(found)
}

/// What is wrong with a file of PEM.
#[must_use]
pub fn pem_fault(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Trusts those whose certificates these are, be they a CA's or a server's own.
///
/// # Errors
/// When one of them is not fit to be trusted.
pub fn trusting(given: Vec<CertificateDer<'static>>) -> Result<Verifier, String> {
    let mut roots = RootCertStore::empty();
    for certificate in given.iter().cloned() {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    verifier(roots, given)
}

/// Trusts whom the system trusts.
///
/// # Errors
/// When it trusts nobody.
pub fn trusting_as_the_system() -> Result<Verifier, String> {
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

fn verifier(roots: RootCertStore, own: Vec<CertificateDer<'static>>) -> Result<Verifier, String> {
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    let webpki = built.map_err(|error| error.to_string())?;
    Ok(Arc::new(Trusting { webpki, own }))
}

/// Takes any certificate, also one with a key that cannot be verified.
#[must_use]
pub fn taking_any() -> Verifier {
    Arc::new(TakingAny(provider()))
}

/// What `reason`, an error of TLS in rustls's words, means and what can be done.
#[must_use]
pub fn explained(reason: String, flags: Flags) -> String {
    let Flags { ca, skip_verify } = flags;
    let has = |word| reason.contains(word);
    let hint = if has("CertificateRequired") || has("BadCertificate") {
        "it asks for a client's certificate that it trusts".to_owned()
    } else if has("UnknownIssuer") {
        format!("its CA is not among those that are trusted; see {ca}")
    } else if has("HandshakeFailure") || has("UnsupportedSignatureAlgorithm") {
        format!(
            "a key on the curve P-521, as of `etcd --auto-tls`, cannot be verified: have it use \
             P-256, P-384 or RSA, or give {skip_verify}, which takes it over TLS 1.3"
        )
    } else if has("CaUsedAsEndEntity") {
        format!("it is a CA's own; to trust it all the same, give it with {ca}")
    } else {
        return reason;
    };
    format!("{reason} ({hint})")
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

/// Signatures are checked as far as ring can, identities are not.
#[derive(Debug)]
struct TakingAny(Arc<CryptoProvider>);

/// Ring has no P-521; nor is there anything to verify.
const UNVERIFIABLE: SignatureScheme = SignatureScheme::ECDSA_NISTP521_SHA512;

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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if signed.scheme == UNVERIFIABLE {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if signed.scheme == UNVERIFIABLE {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.0.signature_verification_algorithms.supported_schemes();
        schemes.push(UNVERIFIABLE);
        schemes
    }
}
