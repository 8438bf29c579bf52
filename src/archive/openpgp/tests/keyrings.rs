//! Keyring files of every form.

use super::*;

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
