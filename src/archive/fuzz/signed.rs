//! Signed texts and keyrings. One key has signed three texts, which are among the seeds: no other
//! text is ever accepted, and no keyring without that key accepts them.

use std::sync::LazyLock;

use crate::archive::openpgp::{Keyring, SignatureRules, unchecked_text};

const KEYRING: &[u8] = include_bytes!("../../../fuzz/seeds/keyring/binary.pgp");
const FINGERPRINT: &str = include_str!("../../../fuzz/seeds/keyring/fingerprint");
const RELEASE: &[u8] = include_bytes!("../../../fuzz/seeds/clearsigned/release");
const DASHES: &[u8] = include_bytes!("../../../fuzz/seeds/clearsigned/dashes");
/// A text, and a detached signature after it.
const DETACHED: &[u8] = include_bytes!("../../../fuzz/seeds/clearsigned/detached");

const BEGIN_SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";

/// A year after the signatures were made.
const RULES: SignatureRules = SignatureRules {
    now: 1_827_000_000,
    former_keys: false,
};

/// The key's keyring and the texts that it has signed.
struct Signed {
    keyring: Keyring,
    texts: [String; 3],
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let keyring = Keyring::parse(&[("binary.pgp", KEYRING)]).unwrap();
    let (text, signature) = split_detached(DETACHED).unwrap();
    let texts = [
        keyring.verify_inline(RELEASE, RULES).unwrap(),
        keyring.verify_inline(DASHES, RULES).unwrap(),
        keyring.verify_detached(text, signature, RULES).unwrap(),
    ];
    Signed { keyring, texts }
});

/// The text before a detached signature, and the signature.
fn split_detached(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memmem::find(data, BEGIN_SIGNATURE)?;
    Some(data.split_at(at))
}

/// An InRelease file, or a Release file with its detached signature after it.
pub(crate) fn clearsigned(data: &[u8]) {
    let signed = &*SIGNED;
    if let Ok(text) = signed.keyring.verify_inline(data, RULES) {
        assert!(signed.texts[..2].contains(&text), "not signed: {text:?}");
        // Whoever does not check the signature reads the same.
        assert_eq!(unchecked_text(data).unwrap(), text);
        assert!(Keyring::default().verify_inline(data, RULES).is_err());
    }
    let _ = unchecked_text(data);
    if let Some((text, signature)) = split_detached(data)
        && let Ok(text) = signed.keyring.verify_detached(text, signature, RULES)
    {
        // A clearsigned text's own signature is never good for its framing.
        assert_eq!(text, signed.texts[2], "not signed");
    }
}

/// A keyring file: it accepts a text only if it has the key that signed the text.
pub(crate) fn keyring(data: &[u8]) {
    let Ok(keyring) = Keyring::parse(&[("fuzz", data)]) else {
        return;
    };
    let fingerprint = FINGERPRINT.trim().to_owned();
    if let Ok(text) = keyring.verify_inline(RELEASE, RULES) {
        assert_eq!(text, SIGNED.texts[0]);
        let only = keyring.only(&[fingerprint]);
        assert_eq!(only.verify_inline(RELEASE, RULES).unwrap(), text);
    }
    let none = keyring.only(&["0123456789ABCDEF0123456789ABCDEF01234567".to_owned()]);
    assert!(none.verify_inline(RELEASE, RULES).is_err());
}
