//! Keys and signatures that are not, or no longer, good.

use super::*;

#[test]
#[ignore = "needs time"]
fn keys_that_may_not_sign_are_rejected() {
    let sha256 = HashAlgorithm::Sha256;
    let cases = [
        (
            Odd {
                lifetime: 1000,
                ..PLAIN
            },
            Fault::KeyExpired,
        ),
        (
            Odd {
                may_sign: false,
                ..PLAIN
            },
            Fault::KeyUnfit,
        ),
        (
            Odd {
                revoked: Some(RevocationCode::KeyCompromised),
                ..PLAIN
            },
            Fault::KeyRevoked,
        ),
        (
            Odd {
                revoked: Some(RevocationCode::KeyRetired),
                ..PLAIN
            },
            Fault::KeyRevoked,
        ),
        // A new self-signature by SHA-1 does not count.
        (
            Odd {
                hash: HashAlgorithm::Sha1,
                ..RSA
            },
            Fault::KeyUnfit,
        ),
    ];
    for (odd, expected) in cases {
        let (secret, public) = key(odd);
        let message = inline(TEXT, &[(&secret, NOW - 10, sha256)]);
        assert_eq!(
            fault(keyring(&[&public]).verify_inline(message.as_bytes(), NOW.into())),
            expected
        );
    }
    let (secret, public) = key(Odd {
        kind: KindOfKey::Rsa(1024),
        ..PLAIN
    });
    let message = inline(TEXT, &[(&secret, NOW - 10, sha256)]);
    assert_eq!(
        fault(keyring(&[&public]).verify_inline(message.as_bytes(), NOW.into())),
        Fault::WeakKey
    );
    let (secret, public) = key(RSA);
    let message = inline(TEXT, &[(&secret, NOW - 10, sha256)]);
    let verified = keyring(&[&public]).verify_inline(message.as_bytes(), NOW.into());
    assert_eq!(verified.unwrap(), TEXT);
}

#[test]
fn an_expired_key_counts_for_what_it_signed_if_the_suite_has_ended() {
    let (secret, public) = key(Odd {
        lifetime: YEAR - 5000,
        ..PLAIN
    });
    let sign = |created| inline(TEXT, &[(&secret, created, HashAlgorithm::Sha256)]);
    let ended = SignatureRules {
        now: NOW.into(),
        former_keys: true,
    };
    let keys = keyring(&[&public]);
    let before = sign(NOW - 6000);
    assert_eq!(keys.verify_inline(before.as_bytes(), ended).unwrap(), TEXT);
    assert_eq!(
        fault(keys.verify_inline(before.as_bytes(), NOW.into())),
        Fault::KeyExpired
    );
    assert_eq!(
        fault(keys.verify_inline(sign(NOW - 10).as_bytes(), ended)),
        Fault::KeyExpired
    );
    let (secret, public) = key(Odd {
        revoked: Some(RevocationCode::KeyCompromised),
        ..PLAIN
    });
    let before = inline(TEXT, &[(&secret, NOW - 6000, HashAlgorithm::Sha256)]);
    assert_eq!(
        fault(keyring(&[&public]).verify_inline(before.as_bytes(), NOW.into())),
        Fault::KeyRevoked
    );
}

#[test]
#[ignore = "needs time"]
fn signatures_expire() {
    let (secret, public) = key(RSA);
    let verify =
        |message: String| keyring(&[&public]).verify_inline(message.as_bytes(), NOW.into());
    let sign = |created, hash| inline(TEXT, &[(&secret, created, hash)]);
    assert_eq!(verify(sign(NOW + 60, HashAlgorithm::Sha256)).unwrap(), TEXT);
    assert_eq!(
        fault(verify(sign(NOW + 4000, HashAlgorithm::Sha256))),
        Fault::Future
    );
    assert_eq!(
        fault(verify(sign(NOW - 2 * YEAR, HashAlgorithm::Sha256))),
        Fault::KeyUnfit
    );
    for hash in [
        HashAlgorithm::Sha1,
        HashAlgorithm::Ripemd160,
        HashAlgorithm::Sha224,
    ] {
        // A date before SHA-1 was broken does not help: a forger can set it.
        for created in [NOW - 10, 1_300_000_000] {
            assert_eq!(fault(verify(sign(created, hash))), Fault::WeakDigest);
        }
    }
    let mut hashed = subpackets(&secret, NOW - 1000);
    hashed.push(SubpacketData::SignatureExpirationTime(Duration::from_secs(
        10,
    )));
    let expiring = config(&secret, SignatureType::Text, HashAlgorithm::Sha256, hashed);
    let sign = |text: &str| {
        Ok(vec![expiring.sign(
            &secret,
            &Password::empty(),
            text.as_bytes(),
        )?])
    };
    let message = CleartextSignedMessage::new_many(TEXT, sign)
        .unwrap()
        .to_armored_string(ArmorOptions::default())
        .unwrap();
    assert_eq!(fault(verify(message)), Fault::Expired);
}
