//! A certificate authority of our own, so that the stand-ins speak TLS that clients can verify.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};

/// Names every leaf certificate carries: loopback, and the names the official SDKs expect to see.
const SUBJECT_ALT_NAMES: [&str; 4] =
    ["localhost", "127.0.0.1", "*.azure-devices.net", "*.azure-devices-provisioning.net"];

/// A root made at start-up; it lives as long as the process and is trusted by nobody who was not told to.
#[derive(Debug)]
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl CertificateAuthority {
    /// Makes a new root with a P-256 key.
    ///
    /// # Errors
    /// When the crypto provider cannot make a key.
    pub fn generate() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Local stand-in root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// The root certificate as PEM, for `IOT_HUB_CA_FILE`.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server configuration (HTTP/1.1) with a fresh leaf certificate.
    ///
    /// # Errors
    /// When the leaf cannot be made or signed.
    pub fn server_config(&self, versions: &[&'static SupportedProtocolVersion]) -> Result<Arc<ServerConfig>, TlsError> {
        let mut params = CertificateParams::new(SUBJECT_ALT_NAMES.map(str::to_owned))?;
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Why a certificate or a TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// From the certificate maker.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// From the TLS library.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}
