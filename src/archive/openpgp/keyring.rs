//! Keyrings: files of OpenPGP certificates, selections of them by fingerprint, and both as the
//! files that apt reads.
//!
//! Whether a certificate's keys can sign is decided by `openpgp` when a signature is checked.

use std::io::Read;

use pgp::armor::{self, BlockType, Dearmor, DearmorOptions};
use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::packet::{Packet, Signature};
use pgp::ser::Serialize;
use pgp::types::KeyDetails;

use super::error::KeyringError;
use super::is_issuer;
use super::message::{blocks, cut, is_binary, packets};

/// OpenPGP certificates that may sign a release.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keyring {
    pub(super) certificates: Vec<Trusted>,
}

/// A certificate, and which of its keys may sign.
#[derive(Clone, Debug)]
pub(super) struct Trusted {
    certificate: SignedPublicKey,
    /// The fingerprints of the only keys of it that count; none if all do.
    only: Vec<String>,
}

impl Keyring {
    /// Reads keyring files, given by name and content: binary or armored, each with any number of
    /// certificates and armor blocks. GnuPG's keybox files (`.kbx`) are rejected, and so is a file
    /// without a certificate.
    pub(crate) fn parse(files: &[(&str, &[u8])]) -> Result<Keyring, KeyringError> {
        let mut all = Vec::new();
        for &(file, content) in files {
            for certificate in certificates_of(file, content)? {
                all.push(Trusted {
                    certificate,
                    only: Vec::new(),
                });
            }
        }
        Ok(Keyring { certificates: all })
    }

    /// The certificates that hold a key with one of these fingerprints, in hexadecimal. As for
    /// apt, the fingerprint of a primary key without a `!` after it stands for all keys of the
    /// certificate, and any other fingerprint for one key.
    pub(crate) fn only(&self, fingerprints: &[String]) -> Keyring {
        let mut selected = Vec::new();
        for trusted in &self.certificates {
            selected.extend(trusted.restricted(fingerprints));
        }
        Keyring {
            certificates: selected,
        }
    }

    /// The certificates as a binary keyring file.
    pub(crate) fn to_binary(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for Trusted { certificate, .. } in &self.certificates {
            // Nothing that was parsed fails to be written to memory.
            let _ = certificate.to_writer(&mut bytes);
        }
        bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// The number of certificates.
    #[cfg(test)]
    pub(in crate::archive) fn len(&self) -> usize {
        self.certificates.len()
    }
}

impl Trusted {
    pub(super) fn certificate(&self) -> &SignedPublicKey {
        &self.certificate
    }

    /// The certificate with no other keys than these. None if it has none of them.
    fn restricted(&self, fingerprints: &[String]) -> Option<Trusted> {
        let certificate = &self.certificate;
        let mut is_whole = false;
        let mut only = Vec::new();
        for fingerprint in fingerprints {
            let name = fingerprint.trim_end_matches('!');
            let has_mark = name.len() < fingerprint.len();
            is_whole |= !has_mark && is_named(&certificate.primary_key, name);
            if self.admits(name) && holds(certificate, &|key| is_named(key, name)) {
                only.push(name.to_owned());
            }
        }
        if is_whole {
            only.clone_from(&self.only);
        } else if only.is_empty() {
            return None;
        }
        Some(Trusted {
            certificate: certificate.clone(),
            only,
        })
    }

    fn admits(&self, fingerprint: &str) -> bool {
        let mut only = self.only.iter();
        self.only.is_empty() || only.any(|one| one.eq_ignore_ascii_case(fingerprint))
    }

    /// Whether a key that may sign made the signature, as it says itself.
    pub(super) fn holds_issuer(&self, signature: &Signature) -> bool {
        let may_sign = |key: &dyn KeyDetails| {
            self.only.is_empty() || self.only.iter().any(|f| is_named(key, f))
        };
        let primary = &self.certificate.primary_key;
        let mut subkeys = self.certificate.public_subkeys.iter();
        (is_issuer(primary, signature) && may_sign(primary))
            || subkeys.any(|subkey| is_issuer(&subkey.key, signature) && may_sign(&subkey.key))
    }
}

/// A keyring file without its armor, which old versions of apt want in a `.gpg` file. A file that
/// cannot be read is returned as it is.
pub(in crate::archive) fn binary(content: &[u8]) -> Vec<u8> {
    if is_binary(content) {
        return content.to_vec();
    }
    let mut bytes = Vec::new();
    for block in blocks(content) {
        let options = DearmorOptions::new().set_limit(block.len());
        let mut dearmored = Dearmor::with_options(block, options);
        if dearmored.read_to_end(&mut bytes).is_err() {
            return content.to_vec();
        }
    }
    bytes
}

/// A keyring file in armor, which old versions of apt want in an `.asc` file.
pub(in crate::archive) fn armored(content: &[u8]) -> Vec<u8> {
    if !is_binary(content) {
        return content.to_vec();
    }
    let mut bytes = Vec::new();
    let source = Packets(content);
    match armor::write(&source, BlockType::PublicKey, &mut bytes, None, true) {
        Ok(()) => bytes,
        Err(_) => content.to_vec(),
    }
}

/// Packets as they are.
struct Packets<'a>(&'a [u8]);

impl Serialize for Packets<'_> {
    fn to_writer<W: std::io::Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
        writer.write_all(self.0)?;
        Ok(())
    }

    fn write_len(&self) -> usize {
        self.0.len()
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
    let mut has_secret = false;
    for block in blocks(content) {
        let packets = packets(block).map_err(unreadable)?;
        has_secret |= packets
            .iter()
            .any(|packet| matches!(packet, Packet::SecretKey(_)));
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
        _ if has_secret => Err(KeyringError::Secret { file: file.into() }),
        Some(fault) => Err(unreadable(fault)),
        None => Err(KeyringError::Empty { file: file.into() }),
    }
}

/// Whether a key of the certificate is wanted.
fn holds(certificate: &SignedPublicKey, is_wanted: &dyn Fn(&dyn KeyDetails) -> bool) -> bool {
    let mut subkeys = certificate.public_subkeys.iter();
    is_wanted(&certificate.primary_key) || subkeys.any(|subkey| is_wanted(&subkey.key))
}

fn is_named(key: &dyn KeyDetails, fingerprint: &str) -> bool {
    key.fingerprint()
        .to_string()
        .eq_ignore_ascii_case(fingerprint)
}
