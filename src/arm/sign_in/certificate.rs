//! The certificate of an application, as a signed assertion for Entra.
//!
//! Owns the form of the assertion (Entra, "Application authentication certificate credentials": PS256, `x5t#S256`, ten minutes at most).
//! Must not know files.

use crate::clock::Clock;
use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::{ClientMethodOptions, Url};
use azure_identity::ClientAssertion;
use data_encoding::BASE64URL_NOPAD;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// How long an assertion holds, in seconds.
const VALIDITY: i64 = 600;

/// A certificate and its private key.
#[derive(Clone)]
pub(super) struct Certificate {
    key: Arc<dyn SigningKey>,
    thumbprint: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads the private key of a PEM text and the certificate that belongs to it; others beside it do no harm.
    ///
    /// # Errors
    /// What is wrong with the text, in a few words that hold nothing of it.
    pub(super) fn read(pem: &str) -> Result<Certificate, String> {
        if pem.contains("ENCRYPTED") {
            return Err(
                "the private key is encrypted; write it without a pass phrase (openssl pkey -in FILE)".to_owned(),
            );
        }
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "the certificate's file holds no private key as PEM".to_owned())?;
        let key = any_supported_type(&key).map_err(|_| "the private key cannot be used".to_owned())?;
        if key.algorithm() != SignatureAlgorithm::RSA {
            return Err("the private key is not an RSA key, and Entra takes no other".to_owned());
        }
        let mut certificates = 0;
        for found in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let found = found.map_err(|_| "a certificate in the file cannot be read".to_owned())?;
            certificates += 1;
            let thumbprint = BASE64URL_NOPAD.encode(&Sha256::digest(&found));
            if CertifiedKey::new(vec![found], key.clone()).keys_match().is_ok() {
                return Ok(Certificate { key, thumbprint });
            }
        }
        Err(if certificates == 0 {
            "the certificate's file holds a private key and no certificate".to_owned()
        } else {
            "the private key does not belong to the certificate beside it".to_owned()
        })
    }
}

/// Signs in as an application that has registered the certificate.
pub(super) struct SignedAssertion {
    pub(super) certificate: Certificate,
    pub(super) client_id: String,
    /// The token endpoint, which the assertion is made for.
    pub(super) audience: Url,
    pub(super) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for SignedAssertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedAssertion")
            .field("certificate", &self.certificate)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl SignedAssertion {
    fn sign(&self) -> Result<String, String> {
        let now = self.clock.now().seconds();
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.certificate.thumbprint});
        let claims = json!({
            "aud": self.audience.as_str(),
            "iss": self.client_id,
            "sub": self.client_id,
            "jti": azure_core::Uuid::new_v4().to_string(),
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(VALIDITY),
        });
        let part = |value: &serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signer = self
            .certificate
            .key
            .choose_scheme(&[SignatureScheme::RSA_PSS_SHA256])
            .ok_or("the private key cannot sign with PS256")?;
        let signature = signer
            .sign(signed.as_bytes())
            .map_err(|_| "the private key is too small, or cannot sign")?;
        Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
    }
}

#[async_trait]
impl ClientAssertion for SignedAssertion {
    async fn secret(&self, _options: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.sign()
            .map_err(|why| Error::with_message(ErrorKind::Credential, why))
    }
}
