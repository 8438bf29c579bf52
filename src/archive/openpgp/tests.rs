mod keyrings;
mod validity;

use std::fs;
use std::process::Command;

use pgp::armor::BlockType;
use pgp::composed::{ArmorOptions, CleartextSignedMessage, KeyType, SignedKeyDetails};
use pgp::packet::{
    KeyFlags, PacketTrait, PubKeyInner, PublicKey, RevocationCode, SecretKey, SignatureConfig,
    Subpacket, SubpacketData, UserId,
};
use pgp::types::{Duration, KeyVersion, Password, SignedUser, Tag};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

/// 2026-01-01; certificates are made a year before.
const NOW: u32 = 1_767_225_600;
const YEAR: u32 = 365 * 86400;
const TEXT: &str = "Origin: Test\nSuite: stable\n- dashed\n-----\n indented\nEnd: yes\n";

/// The properties of a key.
#[derive(Clone, Copy)]
struct Odd {
    kind: KindOfKey,
    hash: HashAlgorithm,
    lifetime: u32,
    revoked: Option<RevocationCode>,
    may_sign: bool,
}

#[derive(Clone, Copy)]
enum KindOfKey {
    Ed25519,
    Rsa(u32),
}

const RSA: Odd = Odd {
    kind: KindOfKey::Rsa(2048),
    ..PLAIN
};
const PLAIN: Odd = Odd {
    kind: KindOfKey::Ed25519,
    hash: HashAlgorithm::Sha256,
    lifetime: 0,
    revoked: None,
    may_sign: true,
};

fn rng() -> StdRng {
    StdRng::seed_from_u64(rand::thread_rng().r#gen())
}

fn key(odd: Odd) -> (SecretKey, SignedPublicKey) {
    let kind = match odd.kind {
        KindOfKey::Ed25519 => KeyType::Ed25519Legacy,
        KindOfKey::Rsa(bits) => KeyType::Rsa(bits),
    };
    let (public, secret) = kind.generate(rng()).unwrap();
    let created = Timestamp::from_secs(NOW - YEAR);
    let public = PublicKey::from_inner(
        PubKeyInner::new(KeyVersion::V4, kind.to_alg(), created, None, public).unwrap(),
    )
    .unwrap();
    let secret = SecretKey::new(public.clone(), secret).unwrap();

    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(odd.may_sign);
    let mut hashed = subpackets(&secret, NOW - YEAR);
    hashed.push(SubpacketData::KeyFlags(flags));
    if odd.lifetime != 0 {
        hashed.push(SubpacketData::KeyExpirationTime(Duration::from_secs(
            odd.lifetime,
        )));
    }
    let user = UserId::from_str(Default::default(), "Test <test@example.org>").unwrap();
    let signature = config(&secret, SignatureType::CertPositive, odd.hash, hashed)
        .sign_certification(&secret, &public, &Password::empty(), Tag::UserId, &user)
        .unwrap();
    let user = SignedUser {
        id: user,
        signatures: vec![signature],
    };

    let revocations = odd.revoked.map(|code| {
        let mut hashed = subpackets(&secret, NOW - 1000);
        hashed.push(SubpacketData::RevocationReason(code, Default::default()));
        let config = config(
            &secret,
            SignatureType::KeyRevocation,
            HashAlgorithm::Sha256,
            hashed,
        );
        config
            .sign_key(&secret, &Password::empty(), &public)
            .unwrap()
    });
    let details = SignedKeyDetails::new(
        revocations.into_iter().collect(),
        Vec::new(),
        vec![user],
        Vec::new(),
    );
    (secret, SignedPublicKey::new(public, details, Vec::new()))
}

fn subpackets(key: &SecretKey, created: u32) -> Vec<SubpacketData> {
    vec![
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(created)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ]
}

fn config(
    key: &SecretKey,
    typ: SignatureType,
    hash: HashAlgorithm,
    hashed: Vec<SubpacketData>,
) -> SignatureConfig {
    let mut config = SignatureConfig::v4(typ, key.algorithm(), hash);
    config.hashed_subpackets = hashed
        .into_iter()
        .map(|data| Subpacket::regular(data).unwrap())
        .collect();
    config.unhashed_subpackets =
        vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id())).unwrap()];
    config
}

fn signature(key: &SecretKey, data: &str, created: u32, hash: HashAlgorithm) -> Signature {
    let typ = SignatureType::Text;
    config(key, typ, hash, subpackets(key, created))
        .sign(key, &Password::empty(), data.as_bytes())
        .unwrap()
}

fn inline(text: &str, signers: &[(&SecretKey, u32, HashAlgorithm)]) -> String {
    let sign = |text: &str| {
        Ok(signers
            .iter()
            .map(|(key, created, hash)| signature(key, text, *created, *hash))
            .collect())
    };
    CleartextSignedMessage::new_many(text, sign)
        .unwrap()
        .to_armored_string(ArmorOptions::default())
        .unwrap()
}

/// A release signed by a new key in `created` seconds since the epoch, and the keyring that trusts
/// it.
pub(in crate::archive) fn signed(text: &str, created: i64) -> (String, Keyring) {
    let (secret, public) = key(PLAIN);
    (
        inline(
            text,
            &[(
                &secret,
                u32::try_from(created).unwrap(),
                HashAlgorithm::Sha256,
            )],
        ),
        keyring(&[&public]),
    )
}

fn keyring(keys: &[&SignedPublicKey]) -> Keyring {
    let bytes: Vec<u8> = keys
        .iter()
        .flat_map(|key| key.to_bytes().unwrap())
        .collect();
    Keyring::parse(&[("test.gpg", &bytes)]).unwrap()
}

fn fault(result: Result<String, SignatureError>) -> Fault {
    match result.unwrap_err() {
        SignatureError::NoneGood { attempts } => attempts[0].fault,
        other => panic!("{other}"),
    }
}

#[test]
fn a_good_signature_gives_the_signed_text() {
    let (secret, public) = key(PLAIN);
    let message = inline(TEXT, &[(&secret, NOW - 10, HashAlgorithm::Sha256)]);
    // Blanks at the ends of lines and the kind of line end are not signed.
    for form in [
        message.clone(),
        message.replace("stable\n", "stable \t\n"),
        message.replace('\n', "\r\n"),
    ] {
        assert_eq!(
            keyring(&[&public])
                .verify_inline(form.as_bytes(), NOW.into())
                .unwrap(),
            TEXT
        );
    }
}

#[test]
fn one_good_signature_among_others_is_enough() {
    let ((secret, public), (stranger, _)) = (key(PLAIN), key(PLAIN));
    let (weak, weak_public) = key(RSA);
    let good = (&secret, NOW - 10, HashAlgorithm::Sha512);
    let message = inline(
        TEXT,
        &[
            (&stranger, NOW, HashAlgorithm::Sha256),
            (&weak, NOW, HashAlgorithm::Sha1),
            good,
        ],
    );
    let verified = keyring(&[&weak_public, &public]).verify_inline(message.as_bytes(), NOW.into());
    assert_eq!(verified.unwrap(), TEXT);

    let error = keyring(&[&weak_public])
        .verify_inline(message.as_bytes(), NOW.into())
        .unwrap_err();
    let SignatureError::NoneGood { attempts } = &error else {
        panic!("{error}")
    };
    // RSA signatures are tried last.
    assert_eq!(
        attempts.iter().map(|a| a.fault).collect::<Vec<_>>(),
        [Fault::UnknownKey, Fault::UnknownKey, Fault::WeakDigest]
    );
    assert!(
        error
            .to_string()
            .contains(&stranger.fingerprint().to_string().to_uppercase()),
        "{error}"
    );
}

#[test]
fn changed_and_added_text_is_rejected() {
    let (secret, public) = key(PLAIN);
    let message = inline(TEXT, &[(&secret, NOW - 10, HashAlgorithm::Sha256)]);
    let verify = |text: &str| keyring(&[&public]).verify_inline(text.as_bytes(), NOW.into());
    assert_eq!(verify(&message).unwrap(), TEXT);
    assert_eq!(
        fault(verify(&message.replace("stable", "sneaky"))),
        Fault::Bad
    );
    let other = ["Suite: evil\n\n", "-----BEGIN PGP MESSAGE-----\n\n"]
        .map(|added| format!("{added}{message}"));
    let header = message.replacen("Hash: SHA256\n", "Hash: SHA256\nSuite: evil\n", 1);
    let twice = format!("{message}{message}");
    let end = format!("{message}\nSuite: evil\n");
    // A carriage return within a line would hide a field in the line before it.
    let merged = message.replace("Test\nSuite", "Test\rSuite");
    let dash = message.replace("- - dashed", "- dashed\n-dashed");
    let blank = message.replacen("SHA256\n\n", "SHA256\n \nSuite: evil\n\n", 1);
    for added in [
        &other[0], &other[1], &header, &twice, &end, &merged, &dash, &blank,
    ] {
        assert!(
            matches!(verify(added), Err(SignatureError::Malformed { .. })),
            "{added}"
        );
    }
    let cut_off = &message[..message.find("-----BEGIN PGP SIGNATURE").unwrap()];
    assert!(matches!(
        verify(cut_off),
        Err(SignatureError::Malformed { .. })
    ));
    assert!(matches!(
        verify("<html>log in first</html>"),
        Err(SignatureError::Unsigned)
    ));
    assert!(matches!(
        keyring(&[&public]).verify_inline(b"\xff\xfe", 0.into()),
        Err(SignatureError::NotText)
    ));
}

#[test]
fn detached_signatures() {
    let ((secret, public), (stranger, _)) = (key(PLAIN), key(PLAIN));
    let armored = |signer: &SecretKey| {
        let mut out = Vec::new();
        let signature = pgp::composed::DetachedSignature::new(signature(
            signer,
            TEXT,
            NOW - 10,
            HashAlgorithm::Sha256,
        ));
        pgp::armor::write(&signature, BlockType::Signature, &mut out, None, true).unwrap();
        out
    };
    let keyring = keyring(&[&public]);
    let two_blocks = [armored(&stranger), armored(&secret)].concat();
    let mut binary = Vec::new();
    signature(&secret, TEXT, NOW - 10, HashAlgorithm::Sha256)
        .to_writer_with_header(&mut binary)
        .unwrap();
    for good in [&armored(&secret), &two_blocks, &binary] {
        assert_eq!(
            keyring
                .verify_detached(TEXT.as_bytes(), good, NOW.into())
                .unwrap(),
            TEXT
        );
    }
    assert_eq!(
        fault(keyring.verify_detached(b"Suite: evil\n", &armored(&secret), NOW.into())),
        Fault::Bad
    );
    assert_eq!(
        fault(keyring.verify_detached(TEXT.as_bytes(), &armored(&stranger), NOW.into())),
        Fault::UnknownKey
    );
    for none in [&b""[..], b"<html>"] {
        assert!(matches!(
            keyring.verify_detached(TEXT.as_bytes(), none, NOW.into()),
            Err(SignatureError::Unsigned)
        ));
    }
}

/// A mirror that changes any byte cannot change the text.
#[test]
fn no_flipped_bit_changes_the_text() {
    let (secret, public) = key(PLAIN);
    let message = inline(TEXT, &[(&secret, NOW - 10, HashAlgorithm::Sha256)]).into_bytes();
    let keyring = keyring(&[&public]);
    for at in 0..message.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut changed = message.clone();
            changed[at] ^= bit;
            if let Ok(text) = keyring.verify_inline(&changed, NOW.into()) {
                assert_eq!(text, TEXT, "byte {at}, bit {bit}");
            }
        }
    }
}

/// gpgv accepts what is accepted here.
#[test]
#[ignore = "needs gpgv"]
fn gpgv_agrees() {
    let (secret, public) = key(RSA);
    let directory = tempfile::tempdir().unwrap();
    let ring = directory.path().join("ring.gpg");
    fs::write(&ring, public.to_bytes().unwrap()).unwrap();
    let message = directory.path().join("InRelease");
    let signed = inline(TEXT, &[(&secret, NOW - 10, HashAlgorithm::Sha256)]);
    fs::write(&message, signed).unwrap();
    let mut gpgv = Command::new("gpgv");
    gpgv.arg("--keyring").arg(&ring).arg(&message);
    let output = gpgv.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
