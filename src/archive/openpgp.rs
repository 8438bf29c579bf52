//! OpenPGP: which certificates may sign a release, and whether one of them signed this one.
//!
//! One good signature by a certificate of the keyring is enough; Debian's releases carry three, Ubuntu's up to two. A signature is
//! good when its digest is SHA-256 or stronger, its key is no RSA below 2048 bits and no DSA, the key could sign when it was made (bound,
//! neither expired then nor revoked), and it is neither from the future nor past its own expiry. A keyring is trusted as given, so old
//! SHA-1 self-signatures in it serve (Ubuntu's key of 2012 has no other); new ones do not. What a release says is for `release` to read.

use std::fmt;
use std::io::Read;

use pgp::armor::{Dearmor, DearmorOptions};
use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{Packet, PacketParser, Signature, SignatureType};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, PublicParams, Timestamp};
use rpgpie::certificate::{Certificate, Checked};
use rpgpie::key::ComponentKeyPub;

use super::CLOCK_TOLERANCE;

/// Signatures looked at in one release; more are passed over.
const SIGNATURE_LIMIT: usize = 32;

const BEGIN_MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &str = "\n-----END PGP SIGNATURE-----";

/// The modulus below which RSA is refused, in bytes: 2048 bits.
const RSA_MODULUS: usize = 256;

/// OpenPGP certificates that may sign a release.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    certificates: Vec<SignedPublicKey>,
}

impl Keyring {
    /// Reads keyring files, given by name and content: binary or armored, each with any number of certificates and armor blocks.
    /// GnuPG's keybox files (`.kbx`) are refused by name, as is a file without a certificate.
    pub(crate) fn parse(files: &[(&str, &[u8])]) -> Result<Keyring, KeyringError> {
        let mut certificates = Vec::new();
        for &(file, content) in files {
            if content.get(8..12) == Some(b"KBXf") {
                return Err(KeyringError::Keybox { file: file.into() });
            }
            let before = certificates.len();
            let unreadable = |e: pgp::errors::Error| KeyringError::Unreadable {
                file: file.into(),
                reason: cut(&e.to_string()),
            };
            let mut fault = None;
            for block in blocks(content) {
                let packets = packets(block).map_err(unreadable)?;
                for key in SignedPublicKey::from_packets(packets.into_iter().map(Ok).peekable()) {
                    // A certificate of an unknown kind is passed over: that can only take trust away.
                    key.map_or_else(|e| fault = Some(e), |key| certificates.push(key));
                }
            }
            if certificates.len() == before {
                return Err(
                    fault.map_or_else(|| KeyringError::Empty { file: file.into() }, unreadable)
                );
            }
        }
        Ok(Keyring { certificates })
    }

    /// The certificates that hold a key of one of these fingerprints (hexadecimal; apt's `!` behind one is taken and means nothing here).
    pub(crate) fn only(&self, fingerprints: &[String]) -> Keyring {
        let is_named = |key: &dyn KeyDetails| {
            let fingerprint = key.fingerprint().to_string();
            fingerprints.iter().any(|named| {
                named
                    .trim_end_matches('!')
                    .eq_ignore_ascii_case(&fingerprint)
            })
        };
        let holds = |c: &&SignedPublicKey| {
            is_named(&c.primary_key) || c.public_subkeys.iter().any(|subkey| is_named(&subkey.key))
        };
        Keyring {
            certificates: self.certificates.iter().filter(holds).cloned().collect(),
        }
    }

    /// The number of certificates.
    pub(crate) fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Whether there is no certificate at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// The signed text of an InRelease file, its lines ended by `\n`, if one of its signatures is good. Text before or behind the signed
    /// message is an error. `now`: seconds since the epoch.
    pub(crate) fn verify_inline(&self, content: &[u8], now: i64) -> Result<String, SignatureError> {
        let (text, armor) = split(content)?;
        self.verify(
            text.replace('\n', "\r\n").as_bytes(),
            &signatures(armor)?,
            now,
        )?;
        Ok(text)
    }

    /// The text of a Release file, if one of the detached signatures is good. `now`: seconds since the epoch.
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
        // One is enough, and with its certificate's own signatures an RSA one takes some twenty times as long as any other.
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
        if i64::from(created.as_secs()) > now + CLOCK_TOLERANCE {
            return Err(Fault::Future);
        }
        let lifetime = signature
            .signature_expiration_time()
            .map_or(0, |lifetime| lifetime.as_secs());
        if lifetime != 0 && i64::from(created.as_secs()) + i64::from(lifetime) < now {
            return Err(Fault::Expired);
        }
        // Several certificates may hold the key that signed (one file given twice, one of them renewed): any will do.
        let mut fault = Fault::UnknownKey;
        for certificate in self
            .certificates
            .iter()
            .filter(|certificate| holds_issuer(certificate, signature))
        {
            match verify_with(certificate, data, signature, created) {
                Ok(()) => return Ok(()),
                Err(found) => fault = found,
            }
        }
        Err(fault)
    }
}

/// The text of an InRelease or a Release file, unchecked: for sources that the user trusts as they are.
pub(super) fn unchecked_text(content: &[u8]) -> Result<String, SignatureError> {
    if content.starts_with(BEGIN_MESSAGE.as_bytes()) {
        split(content).map(|(text, _)| text)
    } else {
        text(content)
    }
}

/// Takes a clearsigned message (RFC 9580, section 7) apart: the text that was hashed, its lines ended by `\n`, and the signatures' armor.
/// Stricter than the RFC where a lax reader and a lax signer may see different lines.
fn split(content: &[u8]) -> Result<(String, &[u8]), SignatureError> {
    let malformed = |reason: &str| SignatureError::Malformed {
        reason: reason.into(),
    };
    let whole = std::str::from_utf8(content).map_err(|_| SignatureError::NotText)?;
    let mut rest = whole;
    match next_line(&mut rest) {
        Some(BEGIN_MESSAGE) => {}
        _ if whole.contains(BEGIN_MESSAGE) => {
            return Err(malformed("there is text before the signed message"));
        }
        _ => return Err(SignatureError::Unsigned),
    }
    while let Some(header) = next_line(&mut rest).filter(|line| !line.is_empty()) {
        if !header.starts_with("Hash: ") {
            return Err(malformed("it has a header that is not Hash"));
        }
    }
    let mut text = String::with_capacity(rest.len());
    loop {
        let armor = rest;
        let line =
            next_line(&mut rest).ok_or_else(|| malformed("the signed message does not end"))?;
        if line == BEGIN_SIGNATURE {
            let end = armor
                .find(END_SIGNATURE)
                .ok_or_else(|| malformed("the signature does not end"))?
                + END_SIGNATURE.len();
            if !armor[end..].trim().is_empty() {
                return Err(malformed("there is text behind the signed message"));
            }
            // The last line's end belongs to the framing.
            text.pop();
            return Ok((text, &armor.as_bytes()[..end]));
        }
        let line = if line.starts_with('-') {
            line.strip_prefix("- ")
                .ok_or_else(|| malformed("a line begins with an unescaped dash"))?
        } else {
            line
        };
        if line.contains('\r') {
            // To who signed it, it ended a line; to who reads it here, it would not.
            return Err(malformed("a line has a carriage return in it"));
        }
        text.push_str(line.trim_end_matches([' ', '\t']));
        text.push('\n');
    }
}

fn next_line<'a>(rest: &mut &'a str) -> Option<&'a str> {
    if rest.is_empty() {
        return None;
    }
    let (line, tail) = rest.split_once('\n').unwrap_or((rest, ""));
    *rest = tail;
    Some(line.strip_suffix('\r').unwrap_or(line))
}

/// The signatures in a file: binary, or any number of armor blocks.
fn signatures(file: &[u8]) -> Result<Vec<Signature>, SignatureError> {
    let mut all = Vec::new();
    for block in blocks(file) {
        for packet in packets(block).map_err(|e| SignatureError::Malformed {
            reason: cut(&e.to_string()),
        })? {
            match packet {
                Packet::Signature(signature) => all.push(signature),
                _ => {
                    return Err(SignatureError::Malformed {
                        reason: "something else is among the signatures".into(),
                    });
                }
            }
        }
    }
    Ok(all)
}

fn text(content: &[u8]) -> Result<String, SignatureError> {
    String::from_utf8(content.to_vec()).map_err(|_| SignatureError::NotText)
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
    let Some(verifier) = verifiers
        .iter()
        .find(|v| is_issuer(v.as_componentkey(), signature))
    else {
        let expired = checked.primary_creation_time() <= created
            && checked
                .active_certificate_self_signature_at(created)
                .is_some()
            && matches!(checked.primary_valid_at(created), Ok(false));
        return Err(if expired {
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

/// The certificate without what others certified about it, which decides nothing here and is most of Debian's certificates.
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
    let (id, fingerprint) = (key.legacy_key_id(), key.fingerprint());
    signature.issuer_fingerprint().contains(&&fingerprint)
        || signature.issuer_key_id().contains(&&id)
}

/// The signer as the signature names it: its fingerprint, else its key ID, in upper-case hexadecimal.
fn issuer(signature: &Signature) -> String {
    let fingerprint = signature
        .issuer_fingerprint()
        .first()
        .map(ToString::to_string);
    let named = fingerprint.or_else(|| signature.issuer_key_id().first().map(ToString::to_string));
    named.unwrap_or_else(|| "unnamed key".into()).to_uppercase()
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

/// Whether a key is too weak whenever it signed. Dates do not excuse it: who breaks a key also sets the date.
fn is_weak(parameters: &PublicParams) -> bool {
    match parameters {
        // Two numbers, each behind two bytes of length; the exponent has one byte at least.
        PublicParams::RSA(_) => parameters.write_len() < 2 + RSA_MODULUS + 2 + 1,
        PublicParams::DSA(_) | PublicParams::Elgamal(_) => true,
        _ => false,
    }
}

/// The armor blocks of a file, or the file whole where it is binary.
fn blocks(content: &[u8]) -> Vec<&[u8]> {
    const BEGIN: &[u8] = b"-----BEGIN PGP ";
    if is_binary(content) {
        return vec![content];
    }
    let starts: Vec<usize> = memchr::memmem::find_iter(content, BEGIN)
        .filter(|&at| at == 0 || content[at - 1] == b'\n')
        .collect();
    let ends = starts.iter().skip(1).copied().chain([content.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| &content[start..end])
        .collect()
}

/// The packets of a block, without those that say nothing about trust here: GnuPG's own trust packets, which its exported keyrings may
/// have between a name and its signature, where the parser of certificates would stop; and those of kinds unknown.
fn packets(block: &[u8]) -> Result<Vec<Packet>, pgp::errors::Error> {
    let mut bytes = Vec::new();
    let binary = if is_binary(block) {
        block
    } else {
        Dearmor::with_options(block, DearmorOptions::new().set_limit(block.len()))
            .read_to_end(&mut bytes)?;
        &bytes
    };
    let known = PacketParser::new(binary).filter(|packet| match packet {
        Ok(packet) => !matches!(
            packet,
            Packet::Trust(_) | Packet::Marker(_) | Packet::Padding(_)
        ),
        Err(e) => !matches!(
            e,
            pgp::errors::Error::Unsupported { .. }
                | pgp::errors::Error::InvalidPacketContent { .. }
        ),
    });
    known.collect()
}

fn is_binary(content: &[u8]) -> bool {
    content.first().is_some_and(|first| first & 0x80 != 0)
}

/// A reason in one line of bounded length: the parser's errors quote their input.
fn cut(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    line.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(160)
        .collect()
}

/// A keyring file that cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// It is a GnuPG keybox, a format of GnuPG's own.
    #[error(
        "keyring {file} is a GnuPG keybox; export the keys with `gpg --no-default-keyring --keyring {file} --export`"
    )]
    Keybox {
        /// The file.
        file: String,
    },
    /// There is no certificate in it.
    #[error("keyring {file} holds no OpenPGP certificate")]
    Empty {
        /// The file.
        file: String,
    },
    /// It is damaged.
    #[error("keyring {file} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the parser says, cut.
        reason: String,
    },
}

/// A release that nobody trusted signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignatureError {
    /// There is no signature.
    #[error("it carries no signature")]
    Unsigned,
    /// Its OpenPGP framing is damaged, or there is text before or behind the signed message.
    #[error("its signature cannot be read: {reason}")]
    Malformed {
        /// What the parser says, cut.
        reason: String,
    },
    /// It is no UTF-8 text.
    #[error("it is not text")]
    NotText,
    /// No signature is good.
    #[error("no good signature by a trusted key: {}", shown(attempts))]
    NoneGood {
        /// Each signature with what is wrong, in the order of the file.
        attempts: Vec<Attempt>,
    },
}

/// One signature that is not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Fingerprint or ID of the key that it names, in hexadecimal.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) fault: Fault,
}

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No certificate of the keyring holds the key.
    UnknownKey,
    /// The text is not what was signed.
    Bad,
    /// The key had expired when the signature was made.
    KeyExpired,
    /// The key is revoked.
    KeyRevoked,
    /// The key may not sign, or is bound to its certificate by nothing that counts.
    KeyUnfit,
    /// RSA below 2048 bits, or DSA.
    WeakKey,
    /// SHA-1 or older.
    WeakDigest,
    /// The signature is past the expiry that it carries.
    Expired,
    /// The signature's time is in the future.
    Future,
    /// The signature's format, version or type is none that signs a text.
    Unreadable,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::UnknownKey => "is not in the keyring",
            Fault::Bad => "did not sign this text (bad signature)",
            Fault::KeyExpired => "had expired when it signed",
            Fault::KeyRevoked => "is revoked",
            Fault::KeyUnfit => "may not sign",
            Fault::WeakKey => "is too weak (RSA below 2048 bits, or DSA)",
            Fault::WeakDigest => "signed a digest that is too weak (SHA-1 or older)",
            Fault::Expired => "made a signature that has expired",
            Fault::Future => "signed in the future; is the clock right?",
            Fault::Unreadable => "made a signature of an unknown kind",
        })
    }
}

fn shown(attempts: &[Attempt]) -> String {
    let all: Vec<String> = attempts
        .iter()
        .map(|attempt| format!("{} {}", attempt.key, attempt.fault))
        .collect();
    all.join("; ")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests build their own world")]
pub(super) mod tests;
