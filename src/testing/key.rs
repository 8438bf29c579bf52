//! OpenPGP keys that sign releases, good and bad, exported as in the keyring of an archive.
//!
//! A [`KeyShape`] says how a key is made, a [`Signing`] how it signs. Times are ages: seconds
//! before now.

use std::collections::BTreeMap;
use std::sync::Mutex;

use pgp::armor::{self, BlockType};
use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, DetachedSignature, DsaKeySize, KeyType, SignedKeyDetails,
    SignedPublicKey, SignedPublicSubKey,
};
pub use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    KeyFlags, PacketTrait as _, PubKeyInner, PublicKey, PublicSubkey, RevocationCode, SecretKey,
    SecretSubkey, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData, UserId,
};
use pgp::ser::Serialize;
use pgp::types::{
    Duration, KeyDetails, KeyVersion, Password, PublicParams, SecretParams, SignedUser, SigningKey,
    Tag, Timestamp,
};

/// A key that signs releases.
#[derive(Debug)]
pub struct ArchiveKey {
    certificate: SignedPublicKey,
    primary: SecretKey,
    subkey: Option<SecretSubkey>,
}

/// How a key is made.
#[derive(Clone, Copy, Debug)]
pub struct KeyShape {
    pub kind: KeyKind,
    pub age: i64,
    /// In seconds from its making; 0 for no end.
    pub lifetime: u32,
    pub revocation: Option<Revocation>,
    pub may_sign: bool,
    /// The digest of its own signatures.
    pub hash: HashAlgorithm,
    /// A subkey that signs instead of the primary key.
    pub subkey: Option<SubkeyShape>,
}

#[derive(Clone, Copy, Debug)]
pub enum KeyKind {
    Ed25519,
    P256,
    /// 1024 bits.
    Dsa,
    /// The size in bits.
    Rsa(u32),
}

#[derive(Clone, Copy, Debug)]
pub struct Revocation {
    pub age: i64,
    /// Whether the key is compromised rather than retired.
    pub is_hard: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct SubkeyShape {
    /// In seconds from its making; 0 for no end.
    pub lifetime: u32,
    pub is_revoked: bool,
    /// Whether the subkey has signed the primary key, as a subkey that signs must.
    pub is_cross_certified: bool,
}

/// How a text is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signing {
    pub age: i64,
    /// In seconds; 0 for no end.
    pub lifetime: u32,
    pub hash: HashAlgorithm,
}

impl Default for KeyShape {
    fn default() -> KeyShape {
        KeyShape {
            kind: KeyKind::Ed25519,
            // A host's clock may be set back between two tests.
            age: 3600,
            lifetime: 0,
            revocation: None,
            may_sign: true,
            hash: HashAlgorithm::Sha256,
            subkey: None,
        }
    }
}

impl Default for SubkeyShape {
    fn default() -> SubkeyShape {
        SubkeyShape {
            lifetime: 0,
            is_revoked: false,
            is_cross_certified: true,
        }
    }
}

impl Default for Signing {
    fn default() -> Signing {
        Signing {
            age: 0,
            lifetime: 0,
            hash: HashAlgorithm::Sha256,
        }
    }
}

impl ArchiveKey {
    /// A key without an end.
    pub fn new(user: &str) -> ArchiveKey {
        ArchiveKey::of(user, KeyShape::default())
    }

    /// A key that was made ten days ago and expired after one day.
    pub fn expired(user: &str) -> ArchiveKey {
        let shape = KeyShape {
            age: 10 * 86_400,
            lifetime: 86_400,
            ..KeyShape::default()
        };
        ArchiveKey::of(user, shape)
    }

    pub fn of(user: &str, shape: KeyShape) -> ArchiveKey {
        let primary = primary_key(shape);
        let public = primary.public_key().clone();
        let mut hashed = own_subpackets(&primary, shape.age);
        hashed.push(flags(shape.may_sign, true));
        hashed.push(SubpacketData::IsPrimary(true));
        hashed.extend(expiration(shape.lifetime));
        let id = UserId::from_str(Default::default(), user).unwrap();
        let certification = config(&primary, SignatureType::CertPositive, shape.hash, hashed)
            .sign_certification(&primary, &public, &Password::empty(), Tag::UserId, &id)
            .unwrap();
        let mut revocations = Vec::new();
        if let Some(revocation) = shape.revocation {
            revocations.push(revoke(&primary, revocation));
        }
        let users = vec![SignedUser::new(id, vec![certification])];
        let details = SignedKeyDetails::new(revocations, Vec::new(), users, Vec::new());
        let subkey = shape.subkey.map(|_| subkey(shape));
        let mut subkeys = Vec::new();
        if let (Some(secret), Some(of)) = (&subkey, shape.subkey) {
            subkeys.push(SignedPublicSubKey {
                key: secret.public_key().clone(),
                signatures: bindings(&primary, secret, shape.age, of),
            });
        }
        ArchiveKey {
            certificate: SignedPublicKey::new(public, details, subkeys),
            primary,
            subkey,
        }
    }

    /// The certificate in binary, as in a `.gpg` file.
    pub fn binary(&self) -> Vec<u8> {
        self.certificate.to_bytes().unwrap()
    }

    /// The certificate in armor, as in an `.asc` file.
    pub fn armored(&self) -> String {
        let armored = self.certificate.to_armored_string(ArmorOptions::default());
        armored.unwrap()
    }

    /// The fingerprint of the primary key, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        self.primary.fingerprint().to_string()
    }

    /// The same certificate, whose primary key signs in place of its subkey.
    pub fn without_subkey(&self) -> ArchiveKey {
        ArchiveKey {
            certificate: self.certificate.clone(),
            primary: self.primary.clone(),
            subkey: None,
        }
    }

    /// `text` as InRelease has it.
    pub fn clearsign(&self, text: &str) -> String {
        clearsign(text, &[(self, Signing::default())])
    }

    /// What Release.gpg has for `bytes`.
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let signature = self.signature(SignatureType::Binary, bytes, Signing::default());
        let mut armored = Vec::new();
        let signature = DetachedSignature::new(signature);
        armor::write(&signature, BlockType::Signature, &mut armored, None, true).unwrap();
        armored
    }

    /// What Release.gpg has for `bytes`, without armor.
    pub fn sign_binary(&self, bytes: &[u8]) -> Vec<u8> {
        let signature = self.signature(SignatureType::Binary, bytes, Signing::default());
        let mut binary = Vec::new();
        signature.to_writer_with_header(&mut binary).unwrap();
        binary
    }

    fn signature(&self, kind: SignatureType, bytes: &[u8], signing: Signing) -> Signature {
        match &self.subkey {
            Some(subkey) => sign_with(subkey, kind, bytes, signing),
            None => sign_with(&self.primary, kind, bytes, signing),
        }
    }
}

/// `text` as InRelease has it, signed by each of these keys.
pub fn clearsign(text: &str, signers: &[(&ArchiveKey, Signing)]) -> String {
    let sign = |text: &str| {
        let mut signatures = Vec::new();
        for (key, signing) in signers {
            signatures.push(key.signature(SignatureType::Text, text.as_bytes(), *signing));
        }
        Ok(signatures)
    };
    let message = CleartextSignedMessage::new_many(text, sign).unwrap();
    message.to_armored_string(ArmorOptions::default()).unwrap()
}

fn sign_with(
    key: &impl SigningKey,
    kind: SignatureType,
    bytes: &[u8],
    signing: Signing,
) -> Signature {
    let mut hashed = own_subpackets(key, signing.age);
    if signing.lifetime != 0 {
        let lifetime = Duration::from_secs(signing.lifetime);
        hashed.push(SubpacketData::SignatureExpirationTime(lifetime));
    }
    let signature = config(key, kind, signing.hash, hashed);
    signature.sign(key, &Password::empty(), bytes).unwrap()
}

fn primary_key(shape: KeyShape) -> SecretKey {
    let (public, secret) = shape.kind.material();
    let algorithm = shape.kind.key_type().to_alg();
    let made = time(shape.age);
    let inner = PubKeyInner::new(KeyVersion::V4, algorithm, made, None, public).unwrap();
    SecretKey::new(PublicKey::from_inner(inner).unwrap(), secret).unwrap()
}

fn subkey(shape: KeyShape) -> SecretSubkey {
    let kind = shape.kind.key_type();
    let (public, secret) = kind.generate(rand::thread_rng()).unwrap();
    let made = time(shape.age);
    let inner = PubKeyInner::new(KeyVersion::V4, kind.to_alg(), made, None, public).unwrap();
    SecretSubkey::new(PublicSubkey::from_inner(inner).unwrap(), secret).unwrap()
}

/// The signatures by which a primary key binds its subkey, and revokes it.
fn bindings(
    primary: &SecretKey,
    subkey: &SecretSubkey,
    age: i64,
    shape: SubkeyShape,
) -> Vec<Signature> {
    let sha256 = HashAlgorithm::Sha256;
    let none = Password::empty();
    let mut hashed = own_subpackets(primary, age);
    hashed.push(flags(true, false));
    hashed.extend(expiration(shape.lifetime));
    if shape.is_cross_certified {
        let own = own_subpackets(subkey, age);
        let back = config(subkey, SignatureType::KeyBinding, sha256, own)
            .sign_primary_key_binding(subkey, subkey.public_key(), &none, primary.public_key())
            .unwrap();
        hashed.push(SubpacketData::EmbeddedSignature(Box::new(back)));
    }
    let public = subkey.public_key();
    let binding = config(primary, SignatureType::SubkeyBinding, sha256, hashed)
        .sign_subkey_binding(primary, primary.public_key(), &none, public)
        .unwrap();
    let mut signatures = vec![binding];
    if shape.is_revoked {
        let mut hashed = own_subpackets(primary, age / 2);
        let reason = RevocationCode::KeyRetired;
        hashed.push(SubpacketData::RevocationReason(reason, Default::default()));
        let revocation = config(primary, SignatureType::SubkeyRevocation, sha256, hashed)
            .sign_subkey_binding(primary, primary.public_key(), &none, public)
            .unwrap();
        signatures.push(revocation);
    }
    signatures
}

fn revoke(key: &SecretKey, revocation: Revocation) -> Signature {
    let reason = match revocation.is_hard {
        true => RevocationCode::KeyCompromised,
        false => RevocationCode::KeyRetired,
    };
    let mut hashed = own_subpackets(key, revocation.age);
    hashed.push(SubpacketData::RevocationReason(reason, Default::default()));
    let kind = SignatureType::KeyRevocation;
    config(key, kind, HashAlgorithm::Sha256, hashed)
        .sign_key(key, &Password::empty(), key.public_key())
        .unwrap()
}

fn config(
    key: &impl KeyDetails,
    kind: SignatureType,
    hash: HashAlgorithm,
    hashed: Vec<SubpacketData>,
) -> SignatureConfig {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), hash);
    for data in hashed {
        let subpacket = Subpacket::regular(data).unwrap();
        config.hashed_subpackets.push(subpacket);
    }
    let id = SubpacketData::IssuerKeyId(key.legacy_key_id());
    config.unhashed_subpackets = vec![Subpacket::regular(id).unwrap()];
    config
}

fn own_subpackets(key: &impl KeyDetails, age: i64) -> Vec<SubpacketData> {
    vec![
        SubpacketData::SignatureCreationTime(time(age)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ]
}

fn flags(may_sign: bool, may_certify: bool) -> SubpacketData {
    let mut flags = KeyFlags::default();
    flags.set_sign(may_sign);
    flags.set_certify(may_certify);
    SubpacketData::KeyFlags(flags)
}

fn expiration(lifetime: u32) -> Option<SubpacketData> {
    let lifetime = Some(lifetime).filter(|seconds| *seconds != 0)?;
    Some(SubpacketData::KeyExpirationTime(Duration::from_secs(
        lifetime,
    )))
}

fn time(age: i64) -> Timestamp {
    let now = i64::from(Timestamp::now().as_secs());
    Timestamp::from_secs(u32::try_from(now - age).unwrap())
}

impl KeyKind {
    fn key_type(self) -> KeyType {
        match self {
            KeyKind::Ed25519 => KeyType::Ed25519Legacy,
            KeyKind::P256 => KeyType::ECDSA(pgp::crypto::ecc_curve::ECCCurve::P256),
            KeyKind::Dsa => KeyType::Dsa(DsaKeySize::B1024),
            KeyKind::Rsa(bits) => KeyType::Rsa(bits),
        }
    }

    /// The numbers of a new key. RSA's take a second, so all RSA keys of a size share theirs.
    fn material(self) -> (PublicParams, SecretParams) {
        static RSA: Mutex<BTreeMap<u32, (PublicParams, SecretParams)>> =
            Mutex::new(BTreeMap::new());
        let new = || self.key_type().generate(rand::thread_rng()).unwrap();
        match self {
            KeyKind::Rsa(bits) => RSA.lock().unwrap().entry(bits).or_insert_with(new).clone(),
            KeyKind::Ed25519 | KeyKind::P256 | KeyKind::Dsa => new(),
        }
    }
}
