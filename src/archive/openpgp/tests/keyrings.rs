//! Keyring files of every form.

use super::*;
use crate::testing::archive::now;
use crate::testing::key::{ArchiveKey, KeyShape, SubkeyShape};

#[test]
fn keyrings_of_every_form() {
    let keys = [key(PLAIN).1, key(PLAIN).1];
    let armored = keys
        .each_ref()
        .map(|key| key.to_armored_bytes(ArmorOptions::default()).unwrap());
    let binary = keys.each_ref().map(|key| key.to_bytes().unwrap());
    let comment = [b"# comment\n\n", armored[0].as_slice()].concat();
    for file in [
        binary.concat(),
        armored.concat(),
        armored.join(&b"\n\n"[..]),
    ] {
        assert_eq!(Keyring::parse(&[("k", &file)]).unwrap().len(), 2);
    }
    assert_eq!(
        Keyring::parse(&[("a", &comment), ("b", &binary[1])])
            .unwrap()
            .len(),
        2
    );
    let named = Keyring::parse(&[("k", &binary.concat())])
        .unwrap()
        .only(&[keys[0].fingerprint().to_string().to_uppercase() + "!"]);
    assert_eq!(named.len(), 1);

    let keybox = b"\x00\x00\x00\x20\x01\x01\x00\x02KBXf\x00\x00\x00\x00";
    assert!(matches!(
        Keyring::parse(&[("pubring.kbx", keybox)]),
        Err(KeyringError::Keybox { .. })
    ));
    for empty in [&b""[..], b"hello\n"] {
        assert!(matches!(
            Keyring::parse(&[("k", empty)]),
            Err(KeyringError::Empty { .. })
        ));
    }
    let damaged = &binary[0][..40];
    assert!(matches!(
        Keyring::parse(&[("k", damaged)]),
        Err(KeyringError::Unreadable { .. })
    ));
    assert_eq!(Keyring::parse(&[]).unwrap().len(), 0);
}

#[test]
fn built_in_keyrings_are_read() {
    for suite in crate::formats::suite::Suites::load(&[]).unwrap().all() {
        let files: Vec<(&str, &[u8])> = suite
            .keyrings
            .iter()
            .map(|keyring| (keyring.name.as_str(), &*keyring.bytes))
            .collect();
        let keyring = Keyring::parse(&files).unwrap();
        let expected = match suite.distribution.as_str() {
            "debian" if suite.codename == "buster" => 12,
            "debian" => 9,
            _ => 3,
        };
        assert_eq!(keyring.len(), expected, "{}", suite.codename);
        // GnuPG's trust packets in Ubuntu's stand between names and signatures; none of these must
        // be lost.
        assert!(keyring.certificates.iter().all(|c| {
            c.certificate()
                .details
                .users
                .iter()
                .all(|user| !user.signatures.is_empty())
        }));
        assert!(
            keyring
                .certificates
                .iter()
                .all(|c| !c.certificate().details.users.is_empty()),
            "{}",
            suite.codename
        );
    }
}

/// As apt does it, a primary key's fingerprint stands for its subkeys too unless it has a `!`, and
/// a subkey's for no other.
#[test]
fn fingerprints_restrict_a_certificate_to_its_keys() {
    let by_subkey = ArchiveKey::of(
        "k",
        KeyShape {
            subkey: Some(SubkeyShape::default()),
            ..KeyShape::default()
        },
    );
    let by_primary = by_subkey.without_subkey();
    let whole = Keyring::parse(&[("k", &by_subkey.binary())]).unwrap();
    let certificate = whole.certificates[0].certificate();
    let primary = certificate.primary_key.fingerprint().to_string();
    let subkey = certificate.public_subkeys[0].key.fingerprint().to_string();
    let rules = SignatureRules {
        now: now(),
        former_keys: false,
    };
    let texts = [by_primary.clearsign(TEXT), by_subkey.clearsign(TEXT)];
    let mark = |fingerprint: &str| format!("{fingerprint}!");
    let rows: [(&str, &[String], [bool; 2]); 6] = [
        (
            "the primary key",
            std::slice::from_ref(&primary),
            [true, true],
        ),
        ("the primary key alone", &[mark(&primary)], [true, false]),
        ("a subkey", std::slice::from_ref(&subkey), [false, true]),
        ("a subkey alone", &[mark(&subkey)], [false, true]),
        ("each key", &[mark(&primary), subkey.clone()], [true, true]),
        ("no key", &["0".repeat(40)], [false, false]),
    ];
    for (name, fingerprints, expected) in rows {
        let keyring = whole.only(fingerprints);
        let found = texts
            .each_ref()
            .map(|text| keyring.verify_inline(text.as_bytes(), rules).is_ok());
        assert_eq!(found, expected, "{name}");
    }
    // A selection of a selection admits what both do.
    let again = whole.only(&[subkey]).only(std::slice::from_ref(&primary));
    assert!(again.verify_inline(texts[0].as_bytes(), rules).is_err());
    assert!(again.verify_inline(texts[1].as_bytes(), rules).is_ok());
    let none = whole.only(&[mark(&primary)]).only(&[primary]);
    assert!(none.verify_inline(texts[1].as_bytes(), rules).is_err());
}
