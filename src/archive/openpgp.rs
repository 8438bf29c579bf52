//! OpenPGP: the certificates that may sign a release, and whether one of them signed this one.
//!
//! One good signature by a certificate of the keyring is enough; Debian's releases carry three,
//! Ubuntu's up to two. A signature is good when its digest is SHA-256 or stronger, its key is
//! neither RSA below 2048 bits nor DSA, the key could sign when the signature was made (bound,
//! neither expired nor revoked), and the signature is neither from the future nor expired. A
//! keyring is trusted as given, so that old SHA-1 self-signatures in it count (Ubuntu's key of 2012
//! has no others); new ones do not. What a release says is left to `release`.

mod error;
mod message;

use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, PublicParams, Timestamp};
use rpgpie::certificate::{Certificate, Checked};
use rpgpie::key::ComponentKeyPub;

use self::error::Attempt;
pub(super) use self::error::Fault;
pub(crate) use self::error::{KeyringError, SignatureError};
pub(super) use self::message::unchecked_text;
use self::message::{blocks, cut, packets, signatures, split, text};
use super::CLOCK_TOLERANCE;

/// How many signatures of one release are tried.
const SIGNATURE_LIMIT: usize = 32;

/// The modulus below which RSA is rejected, in bytes: 2048 bits.
const RSA_MODULUS: usize = 256;

/// OpenPGP certificates that may sign a release.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keyring {
    certificates: Vec<SignedPublicKey>,
}

impl Keyring {
    /// Reads keyring files, given by name and content: binary or armored, each with any number of
    /// certificates and armor blocks. GnuPG's keybox files (`.kbx`) are rejected, and so is a file
    /// without a certificate.
    pub(crate) fn parse(files: &[(&str, &[u8])]) -> Result<Keyring, KeyringError> {
        let mut certificates = Vec::new();
        for &(file, content) in files {
            certificates.extend(certificates_of(file, content)?);
        }
        Ok(Keyring { certificates })
    }

    /// The certificates that hold a key with one of these fingerprints (hexadecimal; apt's `!`
    /// after one is ignored).
    pub(crate) fn only(&self, fingerprints: &[String]) -> Keyring {
        let mut certificates = Vec::new();
        for certificate in &self.certificates {
            let mut subkeys = certificate.public_subkeys.iter();
            if is_named(&certificate.primary_key, fingerprints)
                || subkeys.any(|subkey| is_named(&subkey.key, fingerprints))
            {
                certificates.push(certificate.clone());
            }
        }
        Keyring { certificates }
    }

    /// The number of certificates.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Returns the signed text of an InRelease file, its lines ended by `\n`, if one of its
    /// signatures is good. Text before or after the signed message is an error. `now` is in seconds
    /// since the epoch.
    pub(crate) fn verify_inline(&self, content: &[u8], now: i64) -> Result<String, SignatureError> {
        let (text, armor) = split(content)?;
        let hashed = text.replace('\n', "\r\n");
        self.verify(hashed.as_bytes(), &signatures(armor)?, now)?;
        Ok(text)
    }

    /// Returns the text of a Release file if one of the detached signatures is good. `now` is in
    /// seconds since the epoch.
    pub(crate) fn verify_detached(
        &self,
        content: &[u8],
        detached: &[u8],
        now: i64,
    ) -> Result<String, SignatureError> {
        self.verify(content, &signatures(detached)?, now)?;
        text(content)
    }

    fn verify(
        &self,
        data: &[u8],
        signatures: &[Signature],
        now: i64,
    ) -> Result<(), SignatureError> {
        if signatures.is_empty() {
            return Err(SignatureError::Unsigned);
        }
        let mut attempts = Vec::new();
        let mut signatures: Vec<&Signature> = signatures.iter().take(SIGNATURE_LIMIT).collect();
        // One is enough. With its certificate's self-signatures, an RSA signature takes about
        // twenty times as long as any other.
        signatures.sort_by_key(|signature| is_rsa(signature));
        for signature in signatures {
            match self.attempt(data, signature, now) {
                Ok(()) => return Ok(()),
                Err(fault) => attempts.push(Attempt {
                    key: issuer(signature),
                    fault,
                }),
            }
        }
        Err(SignatureError::NoneGood { attempts })
    }

    fn attempt(&self, data: &[u8], signature: &Signature, now: i64) -> Result<(), Fault> {
        let config = signature.config().ok_or(Fault::Unreadable)?;
        let created = signature.created().ok_or(Fault::Unreadable)?;
        if !matches!(config.typ(), SignatureType::Binary | SignatureType::Text) {
            return Err(Fault::Unreadable);
        }
        if !is_strong(config.hash_alg) {
            return Err(Fault::WeakDigest);
        }
        let seconds = i64::from(created.as_secs());
        if seconds > now + CLOCK_TOLERANCE {
            return Err(Fault::Future);
        }
        let lifetime = signature.signature_expiration_time();
        let lifetime = lifetime.map_or(0, |lifetime| lifetime.as_secs());
        if lifetime != 0 && seconds + i64::from(lifetime) < now {
            return Err(Fault::Expired);
        }
        // Several certificates may hold the key that signed (one file given twice, one of them
        // renewed): any is enough.
        let mut fault = Fault::UnknownKey;
        for certificate in &self.certificates {
            if !holds_issuer(certificate, signature) {
                continue;
            }
            match verify_with(certificate, data, signature, created) {
                Ok(()) => return Ok(()),
                Err(found) => fault = found,
            }
        }
        Err(fault)
    }
}

/// The certificates in a keyring file.
fn certificates_of(file: &str, content: &[u8]) -> Result<Vec<SignedPublicKey>, KeyringError> {
    if content.get(8..12) == Some(b"KBXf") {
        return Err(KeyringError::Keybox { file: file.into() });
    }
    let unreadable = |e: pgp::errors::Error| KeyringError::Unreadable {
        file: file.into(),
        reason: cut(&e.to_string()),
    };
    let mut certificates = Vec::new();
    let mut fault = None;
    for block in blocks(content) {
        let packets = packets(block).map_err(unreadable)?;
        let packets = packets.into_iter().map(Ok).peekable();
        for certificate in SignedPublicKey::from_packets(packets) {
            // A certificate of an unknown kind is left out, which can only reduce trust.
            match certificate {
                Ok(certificate) => certificates.push(certificate),
                Err(e) => fault = Some(e),
            }
        }
    }
    match fault {
        _ if !certificates.is_empty() => Ok(certificates),
        Some(fault) => Err(unreadable(fault)),
        None => Err(KeyringError::Empty { file: file.into() }),
    }
}

fn is_named(key: &dyn KeyDetails, fingerprints: &[String]) -> bool {
    let fingerprint = key.fingerprint().to_string();
    fingerprints.iter().any(|named| {
        let named = named.trim_end_matches('!');
        named.eq_ignore_ascii_case(&fingerprint)
    })
}

fn verify_with(
    certificate: &SignedPublicKey,
    data: &[u8],
    signature: &Signature,
    created: Timestamp,
) -> Result<(), Fault> {
    if is_weak(certificate.primary_key.public_params()) {
        return Err(Fault::WeakKey);
    }
    let checked = Checked::new(Certificate::from(own_signatures(certificate)));
    if checked.revoked_at(created) {
        return Err(Fault::KeyRevoked);
    }
    let verifiers = checked.valid_signing_capable_component_keys_at(created);
    let mut verifiers = verifiers.iter();
    let Some(verifier) = verifiers.find(|v| is_issuer(v.as_componentkey(), signature)) else {
        let self_signature = checked.active_certificate_self_signature_at(created);
        let is_expired = checked.primary_creation_time() <= created
            && self_signature.is_some()
            && matches!(checked.primary_valid_at(created), Ok(false));
        return Err(if is_expired {
            Fault::KeyExpired
        } else {
            Fault::KeyUnfit
        });
    };
    let key: &ComponentKeyPub = verifier.as_componentkey();
    if is_weak(key.public_params()) {
        return Err(Fault::WeakKey);
    }
    if created < key.created_at() || created < checked.primary_creation_time() {
        return Err(Fault::KeyUnfit);
    }
    key.verify(signature, data).map_err(|_| Fault::Bad)
}

/// The certificate without the signatures of other keys, which decide nothing here and make up most
/// of Debian's certificates.
fn own_signatures(certificate: &SignedPublicKey) -> SignedPublicKey {
    let mut own = certificate.clone();
    let primary = certificate.primary_key.clone();
    let by_itself =
        |signature: &Signature| issuers_are_absent(signature) || is_issuer(&primary, signature);
    own.details.direct_signatures.retain(by_itself);
    for user in &mut own.details.users {
        user.signatures.retain(by_itself);
    }
    own.details.user_attributes.clear();
    own
}

fn issuers_are_absent(signature: &Signature) -> bool {
    signature.issuer_key_id().is_empty() && signature.issuer_fingerprint().is_empty()
}

fn holds_issuer(certificate: &SignedPublicKey, signature: &Signature) -> bool {
    is_issuer(&certificate.primary_key, signature)
        || certificate
            .public_subkeys
            .iter()
            .any(|subkey| is_issuer(&subkey.key, signature))
}

fn is_issuer(key: &impl KeyDetails, signature: &Signature) -> bool {
    let id = key.legacy_key_id();
    let fingerprint = key.fingerprint();
    signature.issuer_fingerprint().contains(&&fingerprint)
        || signature.issuer_key_id().contains(&&id)
}

/// The signer as the signature names it: its fingerprint, or else its key ID, in upper-case
/// hexadecimal.
fn issuer(signature: &Signature) -> String {
    let name = if let Some(fingerprint) = signature.issuer_fingerprint().first() {
        fingerprint.to_string()
    } else if let Some(id) = signature.issuer_key_id().first() {
        id.to_string()
    } else {
        "unnamed key".to_owned()
    };
    name.to_uppercase()
}

fn is_rsa(signature: &Signature) -> bool {
    signature
        .config()
        .is_some_and(|config| config.pub_alg == PublicKeyAlgorithm::RSA)
}

fn is_strong(algorithm: HashAlgorithm) -> bool {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha256, Sha384, Sha512};
    matches!(algorithm, Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512)
}

/// Whether a key is too weak, whenever it signed: an attacker who breaks a key also sets the date.
fn is_weak(parameters: &PublicParams) -> bool {
    match parameters {
        // Two numbers, each after two bytes of length; the exponent has at least one byte.
        PublicParams::RSA(_) => parameters.write_len() < 2 + RSA_MODULUS + 2 + 1,
        PublicParams::DSA(_) | PublicParams::Elgamal(_) => true,
        _ => false,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files of their own")]
pub(super) mod tests;
