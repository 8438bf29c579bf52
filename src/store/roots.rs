//! TLS with the host's CA certificates, which are read when the first server presents a
//! certificate.
//!
//! Most archives are fetched over plain HTTP, where reading the CA certificates would take longer
//! than the first request, and a minimal host has none.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use rustls_platform_verifier::Verifier;

/// The TLS configuration of the HTTP client.
pub(super) fn config() -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(Roots {
        provider: Arc::clone(&provider),
        verifier: OnceLock::new(),
    });
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    // rustls calls any custom verifier dangerous. This one is the platform's, made late.
    Ok(versions
        .dangerous()
        .with_custom_certificate_verifier(roots)
        .with_no_client_auth())
}

/// This host has no CA certificates.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoRoots(Error);

/// The platform's verifier, made when it is first needed.
#[derive(Debug)]
struct Roots {
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<Result<Verifier, Error>>,
}

impl ServerCertVerifier for Roots {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self
            .verifier
            .get_or_init(|| Verifier::new(Arc::clone(&self.provider)))
        {
            Ok(verifier) => verifier.verify_server_cert(end, between, name, ocsp, now),
            Err(e) => Err(Error::Other(OtherError(Arc::new(NoRoots(e.clone()))))),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
