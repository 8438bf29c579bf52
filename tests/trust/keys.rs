//! Which keys may sign, when, and with which digests.

use std::fs;

use rbootstrap::testing::archive::now;
use rbootstrap::testing::key::{
    HashAlgorithm, KeyKind, KeyShape, Revocation, Signing, SubkeyShape, clearsign,
};
use rbootstrap::testing::{ArchiveKey, FakeSuite};

use super::{published, quick_plan_of, small};
use crate::table::{self, Row};

const HOUR: i64 = 3600;
pub(super) const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// A release that one key signed.
#[derive(Clone)]
pub(super) struct Signed {
    pub(super) name: &'static str,
    /// `buster` has ended, `fake` is in no suite file.
    pub(super) suite: &'static str,
    pub(super) key: KeyShape,
    pub(super) signing: Signing,
    /// How long ago the release was made, by its Date.
    pub(super) date_age: i64,
    pub(super) code: i32,
    pub(super) says: &'static str,
}

impl Row for Signed {
    fn name(&self) -> String {
        format!("{}, {}", self.suite, self.name)
    }

    fn run(&self) {
        let key = ArchiveKey::of("The key <key@example.org>", self.key);
        check(self, &key, &[(&key, self.signing)]);
    }
}

/// Publishes the case's suite signed by `signers`, and expects the outcome with `trusted` as
/// keyring.
pub(super) fn check(case: &Signed, trusted: &ArchiveKey, signers: &[(&ArchiveKey, Signing)]) {
    let (context, directory) = published(&FakeSuite {
        date: now() - case.date_age,
        name: case.suite.to_owned(),
        suite: case.suite.to_owned(),
        codename: case.suite.to_owned(),
        ..small()
    });
    let directory = directory.with_file_name(case.suite);
    let text = fs::read_to_string(directory.join("Release")).unwrap();
    fs::write(directory.join("InRelease"), clearsign(&text, signers)).unwrap();
    fs::write(context.path("keyring.gpg"), trusted.binary()).unwrap();
    let outcome = quick_plan_of(&context, case.suite, &[]);
    outcome.fails(case.code).names(&[case.says]);
    context.assert_no_deb_requested();
}

/// A release of yesterday by a key of a year ago, signed a minute after its Date.
pub(super) fn good() -> Signed {
    Signed {
        name: "a good key",
        suite: "fake",
        key: KeyShape {
            age: YEAR,
            ..KeyShape::default()
        },
        signing: Signing {
            age: DAY - 60,
            ..Signing::default()
        },
        date_age: DAY,
        code: 0,
        says: "",
    }
}

fn with_kind(name: &'static str, kind: KeyKind, code: i32, says: &'static str) -> Signed {
    let key = KeyShape { kind, ..good().key };
    Signed {
        name,
        key,
        code,
        says,
        ..good()
    }
}

fn with_hash(name: &'static str, hash: HashAlgorithm, code: i32) -> Signed {
    let signing = Signing {
        hash,
        ..good().signing
    };
    Signed {
        name,
        // The other kinds cannot sign digests that are shorter than theirs.
        key: KeyShape {
            kind: KeyKind::Rsa(2048),
            ..good().key
        },
        signing,
        code,
        says: if code == 0 {
            ""
        } else {
            "too weak (SHA-1 or older)"
        },
        ..good()
    }
}

/// A signature of this age, over a Date of that age.
fn with_ages(name: &'static str, ages: [i64; 2], code: i32, says: &'static str) -> Signed {
    let [signed, date_age] = ages;
    let signing = Signing {
        age: signed,
        ..good().signing
    };
    Signed {
        name,
        signing,
        date_age,
        code,
        says,
        ..good()
    }
}

fn with_subkey(name: &'static str, subkey: SubkeyShape, code: i32, says: &'static str) -> Signed {
    let key = KeyShape {
        may_sign: false,
        subkey: Some(subkey),
        ..good().key
    };
    Signed {
        name,
        key,
        code,
        says,
        ..good()
    }
}

/// A key that ended an hour ago, after it signed: by its lifetime or by a revocation.
fn former(name: &'static str, end: End, suite: &'static str, code: i32) -> Signed {
    let mut key = good().key;
    let mut says = if code == 0 { "" } else { "is revoked" };
    match end {
        End::Expired => {
            key.lifetime = u32::try_from(YEAR - HOUR).unwrap();
            says = if code == 0 { "" } else { "has expired" };
        }
        End::Retired => key.revocation = Some(revocation(HOUR, false)),
        End::Compromised => key.revocation = Some(revocation(HOUR, true)),
    }
    Signed {
        name,
        suite,
        key,
        code,
        says,
        ..good()
    }
}

#[derive(Clone, Copy)]
enum End {
    Expired,
    Retired,
    Compromised,
}

fn revocation(age: i64, is_hard: bool) -> Revocation {
    Revocation { age, is_hard }
}

/// The same, ended before it signed.
fn ended_before(mut case: Signed) -> Signed {
    if case.key.lifetime != 0 {
        case.key.lifetime = u32::try_from(YEAR - 2 * DAY).unwrap();
    }
    if let Some(revocation) = &mut case.key.revocation {
        revocation.age = 2 * DAY;
    }
    case
}

/// The same with today's Date, which the key could not have signed.
fn dated_back(mut case: Signed) -> Signed {
    case.signing.age = 30 * DAY;
    case.date_age = 60;
    if case.key.lifetime != 0 {
        case.key.lifetime = u32::try_from(YEAR - 20 * DAY).unwrap();
    }
    if let Some(revocation) = &mut case.key.revocation {
        revocation.age = 20 * DAY;
    }
    case
}

fn kinds_and_digests() -> Vec<Signed> {
    let weak = "too weak (RSA below 2048 bits";
    let sha1 = KeyShape {
        kind: KeyKind::Rsa(2048),
        hash: HashAlgorithm::Sha1,
        ..good().key
    };
    vec![
        good(),
        with_kind("NIST P-256", KeyKind::P256, 0, ""),
        with_kind("RSA of 2048 bits", KeyKind::Rsa(2048), 0, ""),
        with_kind("RSA of 1024 bits", KeyKind::Rsa(1024), 3, weak),
        with_kind("RSA of 1536 bits", KeyKind::Rsa(1536), 3, weak),
        with_kind("DSA", KeyKind::Dsa, 3, weak),
        with_hash("SHA-512", HashAlgorithm::Sha512, 0),
        with_hash("SHA-384", HashAlgorithm::Sha384, 0),
        with_hash("SHA-224", HashAlgorithm::Sha224, 3),
        with_hash("SHA-1", HashAlgorithm::Sha1, 3),
        with_hash("RIPEMD-160", HashAlgorithm::Ripemd160, 3),
        with_hash("MD5", HashAlgorithm::Md5, 3),
        Signed {
            name: "a new self-signature by SHA-1",
            key: sha1,
            code: 3,
            says: "may not sign",
            ..good()
        },
        Signed {
            name: "a key that may not sign",
            key: KeyShape {
                may_sign: false,
                ..good().key
            },
            code: 3,
            says: "may not sign",
            ..good()
        },
    ]
}

fn times() -> Vec<Signed> {
    let before = "more than a day before the release's own date";
    vec![
        with_ages(
            "signed 2 hours from now",
            [-2 * HOUR, HOUR],
            3,
            "in the future",
        ),
        with_ages("signed 4 minutes from now", [-240, HOUR], 0, ""),
        with_ages("signed 23 hours before its Date", [23 * HOUR, 0], 0, ""),
        with_ages("signed 25 hours before its Date", [25 * HOUR, 0], 3, before),
        with_ages("signed 200 days before its Date", [200 * DAY, 0], 3, before),
        with_ages("signed 200 days after its Date", [0, 200 * DAY], 0, ""),
        with_ages(
            "signed before the key was made",
            [2 * YEAR, 2 * YEAR],
            3,
            "may not sign",
        ),
        Signed {
            name: "a key from the future",
            key: KeyShape {
                age: -2 * HOUR,
                ..good().key
            },
            signing: Signing::default(),
            code: 3,
            says: "may not sign",
            ..good()
        },
        Signed {
            name: "a signature that has expired",
            signing: Signing {
                lifetime: 3600,
                ..good().signing
            },
            code: 3,
            says: "made a signature that has expired",
            ..good()
        },
        Signed {
            name: "a signature that will expire",
            signing: Signing {
                lifetime: 2 * 86_400,
                ..good().signing
            },
            ..good()
        },
        Signed {
            name: "a key that will expire",
            key: KeyShape {
                lifetime: u32::try_from(YEAR + DAY).unwrap(),
                ..good().key
            },
            ..good()
        },
    ]
}

fn subkeys() -> Vec<Signed> {
    let sound = SubkeyShape::default();
    let expired = SubkeyShape {
        lifetime: 86_400,
        ..sound
    };
    let revoked = SubkeyShape {
        is_revoked: true,
        ..sound
    };
    let unbound = SubkeyShape {
        is_cross_certified: false,
        ..sound
    };
    vec![
        with_subkey("a subkey", sound, 0, ""),
        with_subkey("an expired subkey", expired, 3, "has expired"),
        with_subkey("a revoked subkey", revoked, 3, "is revoked"),
        with_subkey(
            "a subkey that another certificate took",
            unbound,
            3,
            "may not sign",
        ),
    ]
}

/// Keys that ended after they signed, or before, in a suite that is alive and in one that has
/// ended.
fn former_keys() -> Vec<Signed> {
    let mut rows = vec![
        former("expired since", End::Expired, "fake", 3),
        former("retired since", End::Retired, "fake", 3),
        former("compromised since", End::Compromised, "fake", 3),
        former("expired since", End::Expired, "trixie", 3),
        former("expired since", End::Expired, "buster", 0),
        former("expired since", End::Expired, "bullseye", 0),
        former("retired since", End::Retired, "buster", 0),
        former("compromised since", End::Compromised, "buster", 3),
    ];
    for suite in ["fake", "buster"] {
        let expired = former("expired before", End::Expired, suite, 3);
        rows.push(ended_before(expired));
        let retired = former("retired before", End::Retired, suite, 3);
        rows.push(ended_before(retired));
        // What a thief of an old key would do.
        let expired = former("expired, and dated back", End::Expired, suite, 3);
        rows.push(dated_back(expired));
        let retired = former("retired, and dated back", End::Retired, suite, 3);
        rows.push(dated_back(retired));
    }
    for row in &mut rows {
        if row.suite == "buster" && row.name.contains("dated back") {
            row.says = "more than a day before the release's own date";
        }
    }
    rows
}

#[test]
#[ignore = "needs time"]
fn keys_and_signatures() {
    let mut rows = kinds_and_digests();
    rows.extend(times());
    rows.extend(subkeys());
    rows.extend(former_keys());
    table::run("trust: keys", 45, &rows);
}
