//! OpenPGP: the certificates that may sign a release, and whether one of them signed this one.
//!
//! One good signature by a certificate of the keyring is enough; Debian's releases carry three,
//! Ubuntu's up to two. A signature is good when its digest is SHA-256 or stronger, its key is
//! neither RSA below 2048 bits nor DSA, the key could sign when the signature was made and still
//! can (bound, neither expired nor revoked), and the signature is neither from the future, nor
//! expired, nor older than the Date that it signs. A keyring is trusted as given, so that old SHA-1
//! self-signatures in it count (Ubuntu's key of 2012 has no others); new ones do not. What a
//! release says is left to `release`.

mod error;
mod keyring;
mod message;

use pgp::composed::SignedPublicKey;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::ser::Serialize;
use pgp::types::{EcdsaPublicParams, EddsaLegacyPublicParams, KeyDetails, PublicParams, Timestamp};
use rpgpie::certificate::{Certificate, Checked};
use rpgpie::key::ComponentKeyPub;

use self::error::BadSignature;
pub(super) use self::error::Fault;
pub(crate) use self::error::{KeyringError, SignatureError};
pub(crate) use self::keyring::Keyring;
pub(super) use self::keyring::{armored, binary};
pub(super) use self::message::unchecked_text;
use self::message::{signatures, split, text};
use super::release::date_of;
use super::{CLOCK_TOLERANCE, SIGNATURE_TOLERANCE};

/// How many signatures of one release are tried.
const SIGNATURE_LIMIT: usize = 32;

/// The modulus below which RSA is rejected, in bytes: 2048 bits.
const RSA_MODULUS: usize = 256;

/// What is required of a signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignatureRules {
    /// In seconds since the epoch.
    pub(crate) now: i64,
    /// Whether keys that expired or were retired after they signed count.
    pub(crate) former_keys: bool,
}

impl Keyring {
    /// Returns the signed text of an InRelease file, its lines ended by `\n`, if one of its
    /// signatures is good. Text before or after the signed message is an error.
    pub(crate) fn verify_inline(
        &self,
        content: &[u8],
        rules: SignatureRules,
    ) -> Result<String, SignatureError> {
        let (text, armor) = split(content)?;
        let hashed = text.replace('\n', "\r\n");
        let signed = SignedText {
            bytes: hashed.as_bytes(),
            date: date_of(&text),
        };
        self.verify(&signed, &signatures(armor)?, rules)?;
        Ok(text)
    }

    /// Returns the text of a Release file if one of the detached signatures is good.
    pub(crate) fn verify_detached(
        &self,
        content: &[u8],
        detached: &[u8],
        rules: SignatureRules,
    ) -> Result<String, SignatureError> {
        let signatures = signatures(detached)?;
        let text = text(content)?;
        let signed = SignedText {
            bytes: content,
            date: date_of(&text),
        };
        self.verify(&signed, &signatures, rules)?;
        Ok(text)
    }

    fn verify(
        &self,
        signed: &SignedText<'_>,
        signatures: &[Signature],
        rules: SignatureRules,
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
            match self.attempt(signed, signature, rules) {
                Ok(()) => return Ok(()),
                Err(fault) => attempts.push(BadSignature {
                    key: issuer(signature),
                    fault,
                }),
            }
        }
        Err(SignatureError::NoneGood { attempts })
    }

    fn attempt(
        &self,
        signed: &SignedText<'_>,
        signature: &Signature,
        rules: SignatureRules,
    ) -> Result<(), Fault> {
        let config = signature.config().ok_or(Fault::Unreadable)?;
        let created = signature.created().ok_or(Fault::Unreadable)?;
        if !matches!(config.typ(), SignatureType::Binary | SignatureType::Text) {
            return Err(Fault::Unreadable);
        }
        if !is_strong(config.hash_alg) {
            return Err(Fault::WeakDigest);
        }
        let seconds = i64::from(created.as_secs());
        if seconds > rules.now + CLOCK_TOLERANCE {
            return Err(Fault::Future);
        }
        let lifetime = signature.signature_expiration_time();
        let lifetime = lifetime.map_or(0, |lifetime| lifetime.as_secs());
        if lifetime != 0 && seconds + i64::from(lifetime) < rules.now {
            return Err(Fault::Expired);
        }
        let mut times = vec![created];
        if !rules.former_keys {
            let now = u32::try_from(rules.now).unwrap_or(u32::MAX);
            times.push(created.max(Timestamp::from_secs(now)));
        }
        // Several certificates may hold the key that signed (one file given twice, one of them
        // renewed): any is enough.
        let mut fault = Fault::UnknownKey;
        for certificate in &self.certificates {
            if !certificate.holds_issuer(signature) {
                continue;
            }
            match verify_with(certificate.certificate(), signed.bytes, signature, &times) {
                // A holder of a key that has expired since would date the signature back.
                Ok(()) if signed.is_newer_than(seconds) => fault = Fault::BeforeDate,
                Ok(()) => return Ok(()),
                Err(found) => fault = found,
            }
        }
        Err(fault)
    }
}

/// What signatures are checked against.
struct SignedText<'a> {
    /// As they were hashed.
    bytes: &'a [u8],
    /// The release's Date, in seconds since the epoch. Not to be believed before a signature is
    /// good.
    date: Option<i64>,
}

impl SignedText<'_> {
    /// Whether the Date is so much later than `signed` that the two contradict each other.
    fn is_newer_than(&self, signed: i64) -> bool {
        self.date
            .is_some_and(|date| signed < date.saturating_sub(SIGNATURE_TOLERANCE))
    }
}

/// Checks a signature by a key of this certificate, which must be able to sign at each of `times`:
/// when the signature was made, and now.
fn verify_with(
    certificate: &SignedPublicKey,
    data: &[u8],
    signature: &Signature,
    times: &[Timestamp],
) -> Result<(), Fault> {
    if is_weak(certificate.primary_key.public_params()) {
        return Err(Fault::WeakKey);
    }
    if needs_unsupported(certificate, signature) {
        return Err(Fault::Unsupported);
    }
    let checked = Checked::new(Certificate::from(own_signatures(certificate)));
    let mut signer = None;
    for time in times {
        signer = Some(signer_at(&checked, signature, *time)?);
    }
    let key: ComponentKeyPub = signer.ok_or(Fault::KeyUnfit)?;
    if is_weak(key.public_params()) {
        return Err(Fault::WeakKey);
    }
    key.verify(signature, data).map_err(|_| Fault::Bad)
}

/// Whether the signature, or what binds its key to the certificate, is by a key of an algorithm
/// that is not implemented here.
fn needs_unsupported(certificate: &SignedPublicKey, signature: &Signature) -> bool {
    let mut subkeys = certificate.public_subkeys.iter();
    is_unsupported(certificate.primary_key.public_params())
        || subkeys.any(|subkey| {
            is_issuer(&subkey.key, signature) && is_unsupported(subkey.key.public_params())
        })
}

/// The key that made the signature, if it can sign at `time`.
fn signer_at(
    checked: &Checked,
    signature: &Signature,
    time: Timestamp,
) -> Result<ComponentKeyPub, Fault> {
    if checked.revoked_at(time) {
        return Err(Fault::KeyRevoked);
    }
    for verifier in checked.valid_signing_capable_component_keys_at(time) {
        let key = verifier.as_componentkey();
        if !is_issuer(key, signature) {
            continue;
        }
        let is_too_new = time < key.created_at() || time < checked.primary_creation_time();
        return match is_too_new {
            true => Err(Fault::KeyUnfit),
            false => Ok(key.clone()),
        };
    }
    let self_signature = checked.active_certificate_self_signature_at(time);
    let is_expired = checked.primary_creation_time() <= time
        && self_signature.is_some()
        && matches!(checked.primary_valid_at(time), Ok(false));
    if is_expired {
        return Err(Fault::KeyExpired);
    }
    Err(subkey_fault(checked, signature, time))
}

/// Why a subkey cannot sign: its newest binding is a revocation, or says that it has expired.
fn subkey_fault(checked: &Checked, signature: &Signature, time: Timestamp) -> Fault {
    for subkey in &checked.as_signed_public_key().public_subkeys {
        if !is_issuer(&subkey.key, signature) {
            continue;
        }
        let newest = subkey.signatures.iter().max_by_key(|own| own.created());
        let Some(newest) = newest else { continue };
        if newest.typ() == Some(SignatureType::SubkeyRevocation) {
            return Fault::KeyRevoked;
        }
        let lifetime = newest.key_expiration_time();
        let lifetime = lifetime.map_or(0, |lifetime| lifetime.as_secs());
        let end = u64::from(subkey.key.created_at().as_secs()) + u64::from(lifetime);
        if lifetime != 0 && end < u64::from(time.as_secs()) {
            return Fault::KeyExpired;
        }
    }
    Fault::KeyUnfit
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

/// secp256k1 counts as such: its implementation refuses every other valid signature (a high `s`).
fn is_unsupported(parameters: &PublicParams) -> bool {
    match parameters {
        PublicParams::ECDSA(ecdsa) => {
            !ecdsa.is_supported() || matches!(ecdsa, EcdsaPublicParams::Secp256k1 { .. })
        }
        PublicParams::EdDSALegacy(EddsaLegacyPublicParams::Unsupported { .. })
        | PublicParams::Unknown { .. } => true,
        _ => false,
    }
}

/// The rules for a suite that is alive, at this time.
#[cfg(test)]
impl From<u32> for SignatureRules {
    fn from(now: u32) -> SignatureRules {
        SignatureRules {
            now: now.into(),
            former_keys: false,
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files of their own")]
pub(super) mod tests;
