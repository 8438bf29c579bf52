//! OpenPGP keys that sign releases, valid or expired, exported as in the keyring of an archive.

use std::io::Write as _;

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, DetachedSignature, KeyType, SecretKeyParamsBuilder,
    SignedKeyDetails, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, SignatureConfig, SignatureType, Subpacket, SubpacketData, UserId};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails as _, Password, SignedUser, Tag, Timestamp};

/// A key that can sign releases.
#[derive(Debug)]
pub struct ArchiveKey(SignedSecretKey);

impl ArchiveKey {
    /// A key without an end.
    pub fn new(user: &str) -> ArchiveKey {
        let mut params = SecretKeyParamsBuilder::default();
        params
            .key_type(KeyType::Ed25519Legacy)
            .can_sign(true)
            .can_certify(true)
            .primary_user_id(user.to_owned());
        // A little in the past: a host's clock may be set back between two tests.
        params.created_at(Timestamp::from_secs(Timestamp::now().as_secs() - 3600));
        ArchiveKey(
            params
                .build()
                .unwrap()
                .generate(rand::thread_rng())
                .unwrap(),
        )
    }

    /// A key that was made ten days ago and expired after one day.
    pub fn expired(user: &str) -> ArchiveKey {
        let made = Timestamp::from_secs(Timestamp::now().as_secs() - 10 * 86_400);
        let mut params = SecretKeyParamsBuilder::default();
        params
            .key_type(KeyType::Ed25519Legacy)
            .can_sign(true)
            .can_certify(true)
            .primary_user_id(user.to_owned())
            .created_at(made);
        let fresh = params
            .build()
            .unwrap()
            .generate(rand::thread_rng())
            .unwrap();
        let mut flags = KeyFlags::default();
        flags.set_sign(true);
        flags.set_certify(true);
        let subpackets = [
            SubpacketData::SignatureCreationTime(made),
            SubpacketData::IssuerFingerprint(fresh.primary_key.fingerprint()),
            SubpacketData::KeyFlags(flags),
            SubpacketData::KeyExpirationTime(Duration::from_secs(86_400)),
            SubpacketData::IsPrimary(true),
        ];
        let mut config = SignatureConfig::v4(
            SignatureType::CertPositive,
            fresh.primary_key.algorithm(),
            HashAlgorithm::Sha256,
        );
        config.hashed_subpackets = subpackets
            .into_iter()
            .map(|data| Subpacket::regular(data).unwrap())
            .collect();
        let id = UserId::from_str(Default::default(), user).unwrap();
        let primary = fresh.primary_key;
        let signature = config
            .sign_certification(
                &primary,
                primary.public_key(),
                &Password::empty(),
                Tag::UserId,
                &id,
            )
            .unwrap();
        let details = SignedKeyDetails::new(
            vec![],
            vec![],
            vec![SignedUser::new(id, vec![signature])],
            vec![],
        );
        ArchiveKey(SignedSecretKey::new(primary, details, vec![], vec![]))
    }

    /// The certificate in binary, as in a `.gpg` file.
    pub fn binary(&self) -> Vec<u8> {
        self.0.to_public_key().to_bytes().unwrap()
    }

    /// The certificate in armor, as in an `.asc` file.
    pub fn armored(&self) -> String {
        self.0
            .to_public_key()
            .to_armored_string(ArmorOptions::default())
            .unwrap()
    }

    /// `text` as InRelease has it.
    pub fn clearsign(&self, text: &str) -> String {
        let message = CleartextSignedMessage::sign(
            rand::thread_rng(),
            text,
            &self.0.primary_key,
            &Password::empty(),
        )
        .unwrap();
        message.to_armored_string(ArmorOptions::default()).unwrap()
    }

    /// What Release.gpg has for `bytes`.
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let none = Password::empty();
        let signature = DetachedSignature::sign_binary_data(
            rand::thread_rng(),
            &self.0.primary_key,
            &none,
            HashAlgorithm::Sha256,
            bytes,
        )
        .unwrap();
        let mut out = Vec::new();
        write!(
            out,
            "{}",
            signature
                .to_armored_string(ArmorOptions::default())
                .unwrap()
        )
        .unwrap();
        out
    }
}
