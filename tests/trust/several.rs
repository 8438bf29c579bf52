//! Releases with several signatures, of which one good one is enough.

use rbootstrap::testing::ArchiveKey;
use rbootstrap::testing::key::{HashAlgorithm, KeyKind, KeyShape, Signing};

use super::keys::{DAY, Signed, check, good};
use crate::table::{self, Row};

/// A release with several signatures.
struct Several {
    name: &'static str,
    /// The keys that sign: the trusted one, or a stranger.
    signers: Vec<(Signer, Signing)>,
    code: i32,
    says: &'static str,
}

#[derive(Clone, Copy)]
enum Signer {
    Trusted,
    Stranger,
}

impl Row for Several {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn run(&self) {
        let rsa = KeyShape {
            kind: KeyKind::Rsa(2048),
            ..good().key
        };
        let trusted = ArchiveKey::of("Trusted <t@example.org>", rsa);
        let stranger = ArchiveKey::of("Stranger <s@example.org>", good().key);
        let mut signers = Vec::new();
        for (signer, signing) in &self.signers {
            let key = match signer {
                Signer::Trusted => &trusted,
                Signer::Stranger => &stranger,
            };
            signers.push((key, *signing));
        }
        let case = Signed {
            code: self.code,
            says: self.says,
            ..good()
        };
        check(&case, &trusted, &signers);
    }
}

type Signatures = Vec<(Signer, Signing)>;

/// A signature of yesterday by the trusted key, by this digest and this old.
fn by_trusted(hash: HashAlgorithm, age: i64) -> (Signer, Signing) {
    let signing = Signing {
        hash,
        age,
        ..good().signing
    };
    (Signer::Trusted, signing)
}

fn rows() -> Vec<(&'static str, Signatures, i32, &'static str)> {
    let stranger = (Signer::Stranger, good().signing);
    let trusted = by_trusted(HashAlgorithm::Sha256, good().signing.age);
    let weak = by_trusted(HashAlgorithm::Sha1, good().signing.age);
    let early = by_trusted(HashAlgorithm::Sha256, 30 * DAY);
    let mut many = vec![stranger; 31];
    many.push(trusted);
    let mut too_many = vec![stranger; 32];
    too_many.push(trusted);
    vec![
        (
            "none that is known",
            vec![stranger],
            3,
            "is not in the keyring",
        ),
        (
            "two strangers",
            vec![stranger; 2],
            3,
            "is not in the keyring",
        ),
        (
            "a stranger, then the right one",
            vec![stranger, trusted],
            0,
            "",
        ),
        (
            "the right one, then a stranger",
            vec![trusted, stranger],
            0,
            "",
        ),
        ("a weak one, then the right one", vec![weak, trusted], 0, ""),
        (
            "an early one, then the right one",
            vec![early, trusted],
            0,
            "",
        ),
        (
            "a stranger's, and an early one",
            vec![stranger, early],
            3,
            "more than a day before",
        ),
        ("31 strangers, then the right one", many, 0, ""),
        (
            "32 strangers, then the right one",
            too_many,
            3,
            "is not in the keyring",
        ),
    ]
}

#[test]
#[ignore = "needs time"]
fn several_signatures() {
    let mut cases = Vec::new();
    for (name, signers, code, says) in rows() {
        cases.push(Several {
            name,
            signers,
            code,
            says,
        });
    }
    table::run("trust: several signatures", 9, &cases);
}
