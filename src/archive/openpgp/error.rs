//! The reasons why a keyring or a signature is not accepted.

use std::fmt;

use crate::failure::Class;

/// Why a keyring file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    /// The file is a GnuPG keybox.
    #[error("keyring {file} is a GnuPG keybox")]
    Keybox { file: String },
    /// The file has no certificate.
    #[error("keyring {file} holds no OpenPGP certificate")]
    Empty { file: String },
    /// The file has secret keys.
    #[error("keyring {file} holds a secret key and no certificate")]
    Secret { file: String },
    /// The file is damaged.
    #[error("keyring {file} cannot be read: {reason}")]
    Unreadable { file: String, reason: String },
}

impl KeyringError {
    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            KeyringError::Keybox { .. }
            | KeyringError::Empty { .. }
            | KeyringError::Secret { .. }
            | KeyringError::Unreadable { .. } => Class::Usage,
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            KeyringError::Keybox { file } => Some(format!(
                "export its keys: gpg --no-default-keyring --keyring {file} --export >FILE"
            )),
            KeyringError::Secret { .. } => Some(
                "export the public key, and keep the secret one: gpg --export KEY >FILE".into(),
            ),
            KeyringError::Empty { .. } | KeyringError::Unreadable { .. } => {
                Some("a keyring has OpenPGP certificates, binary or in ASCII armor".into())
            }
        }
    }
}

/// Why a release's signature is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignatureError {
    /// There is no signature.
    #[error("it has no signature")]
    Unsigned,
    /// The OpenPGP framing is damaged, or there is text before or after the signed message.
    #[error("its signature cannot be read: {reason}")]
    Malformed { reason: String },
    /// It is not UTF-8 text.
    #[error("it is not text")]
    NotText,
    /// No signature is good.
    #[error("no good signature by a trusted key: {}", shown(attempts))]
    NoneGood {
        /// The signatures that were tried.
        attempts: Vec<BadSignature>,
    },
}

impl SignatureError {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            SignatureError::NoneGood { attempts } => {
                let expired = |attempt: &BadSignature| attempt.fault == Fault::KeyExpired;
                attempts.iter().any(expired).then(|| {
                    "keys that have expired count only for suites whose suite file says `ended = \
                     true`"
                        .into()
                })
            }
            SignatureError::Unsigned
            | SignatureError::Malformed { .. }
            | SignatureError::NotText => None,
        }
    }

    /// Whether the same mirror may have a good signature a moment later: a login page was in the
    /// way, or the release was replaced between reading it and its signature.
    pub(in crate::archive) fn may_pass(&self) -> bool {
        match self {
            SignatureError::Unsigned
            | SignatureError::Malformed { .. }
            | SignatureError::NotText => true,
            SignatureError::NoneGood { attempts } => {
                attempts.iter().any(|attempt| attempt.fault == Fault::Bad)
            }
        }
    }
}

/// One signature that is not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadSignature {
    /// Fingerprint or ID of the key that the signature names, in hexadecimal.
    pub(crate) key: String,
    pub(crate) fault: Fault,
}

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No certificate of the keyring holds the key.
    UnknownKey,
    /// The text is not what was signed.
    Bad,
    /// The key has expired; for a suite that has ended: before the signature was made.
    KeyExpired,
    /// The key is revoked; for a suite that has ended: it was, or it was compromised.
    KeyRevoked,
    /// The key may not sign, or no accepted signature binds it to its certificate.
    KeyUnfit,
    /// The key is of an algorithm or a curve that is not implemented.
    Unsupported,
    /// RSA below 2048 bits, or DSA.
    WeakKey,
    /// SHA-1 or older.
    WeakDigest,
    /// The signature has expired.
    Expired,
    /// The signature's time is in the future.
    Future,
    /// The signature was made more than a day before the Date that it signs.
    BeforeDate,
    /// The signature's format, version or type cannot sign a text.
    Unreadable,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::UnknownKey => "is not in the keyring",
            Fault::Bad => "did not sign this text (bad signature)",
            Fault::KeyExpired => "has expired",
            Fault::KeyRevoked => "is revoked",
            Fault::KeyUnfit => "may not sign",
            Fault::Unsupported => "is of an algorithm or a curve that is not supported",
            Fault::WeakKey => "is too weak (RSA below 2048 bits, or DSA)",
            Fault::WeakDigest => "signed a digest that is too weak (SHA-1 or older)",
            Fault::Expired => "made a signature that has expired",
            Fault::Future => "signed in the future; is the clock right?",
            Fault::BeforeDate => {
                "signed more than a day before the release's own date, which cannot be"
            }
            Fault::Unreadable => "made a signature of an unknown kind",
        })
    }
}

fn shown(attempts: &[BadSignature]) -> String {
    let mut all = Vec::with_capacity(attempts.len());
    for BadSignature { key, fault } in attempts {
        all.push(format!("{key} {fault}"));
    }
    all.join("; ")
}
