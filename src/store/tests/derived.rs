//! Derived files: found only by the host and the program that made them, and with an intact seal.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make and spoil files of their own"
)]

use std::os::unix::fs::PermissionsExt;

use super::*;

fn of(name: &str) -> Digest {
    digest(Algorithm::Sha256, name.as_bytes())
}

fn path(directory: &Path, kind: &str, of: &Digest) -> PathBuf {
    let name = of.hexadecimal();
    directory
        .join("cache/derived")
        .join(kind)
        .join(&name[..2])
        .join(&name)
}

#[test]
fn a_derived_file_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = sealed(directory.path(), "state");
    let whole = bytes(700_000);
    assert!(store.get(DerivedKind::Index, &of("a")).is_none());
    store.put(DerivedKind::Index, &of("a"), &whole);
    store.put(DerivedKind::Plan, &of("a"), b"");
    let again = sealed(directory.path(), "state");
    for store in [&store, &again] {
        assert!(store.get(DerivedKind::Index, &of("a")).unwrap() == whole);
        assert_eq!(store.get(DerivedKind::Plan, &of("a")).unwrap(), b"");
        assert!(
            store.get(DerivedKind::Index, &of("b")).is_none()
                && store.get(DerivedKind::Package, &of("a")).is_none()
        );
    }
    assert_eq!(store.size().unwrap(), (2, 700_000 + 2 * 32));
    assert_eq!(
        files_below(&directory.path().join("cache/partial")),
        [""; 0]
    );
}

#[test]
fn a_file_with_a_wrong_seal_is_absent() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let store = sealed(at, "state");
    let (index, other) = (path(at, "index", &of("a")), path(at, "index", &of("b")));
    let spoil: [(&str, &dyn Fn()); 6] = [
        ("changed", &|| {
            let mut content = fs::read(&index).unwrap();
            content[1_000] ^= 1;
            fs::write(&index, content).unwrap();
        }),
        ("short", &|| {
            fs::write(&index, &fs::read(&index).unwrap()[..5_000]).unwrap()
        }),
        ("shorter than a seal", &|| {
            fs::write(&index, b"short").unwrap()
        }),
        ("longer", &|| {
            fs::write(&index, [&fs::read(&index).unwrap()[..], b"x"].concat()).unwrap()
        }),
        ("another's", &|| {
            assert!(fs::copy(&other, &index).unwrap() > 0)
        }),
        ("writable by all", &|| {
            fs::set_permissions(&index, fs::Permissions::from_mode(0o666)).unwrap()
        }),
    ];
    store.put(DerivedKind::Index, &of("b"), b"another");
    for (how, spoil) in spoil {
        store.put(DerivedKind::Index, &of("a"), &bytes(10_000));
        let held = store.derived(DerivedKind::Index, &of("a")).unwrap();
        spoil();
        assert!(store.get(DerivedKind::Index, &of("a")).is_none(), "{how}");
        // A file that changed since it was found is not read.
        assert!(held.open().is_err_and(|e| is_changed(&e)), "{how}");
    }
    store.put(DerivedKind::Index, &of("a"), b"good");
    assert_eq!(store.get(DerivedKind::Index, &of("a")).unwrap(), b"good");
    // Another host has another key.
    assert!(
        sealed(at, "elsewhere")
            .get(DerivedKind::Index, &of("a"))
            .is_none()
    );
}

#[test]
fn without_a_private_key_no_derived_file_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    sealed(at, "state").put(DerivedKind::Index, &of("a"), b"good");
    let key = at.join("state/cache.key");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let rows: [(&str, &dyn Fn()); 3] = [
        ("state", &|| {
            fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap()
        }),
        ("state", &|| fs::write(&key, b"short").unwrap()),
        ("a-file", &|| fs::write(at.join("a-file"), b"").unwrap()),
    ];
    for (state, spoil) in rows {
        spoil();
        let store = sealed(at, state);
        store.put(DerivedKind::Index, &of("b"), b"x");
        assert!(
            store.get(DerivedKind::Index, &of("a")).is_none()
                && store.get(DerivedKind::Index, &of("b")).is_none()
        );
    }
    assert_eq!(files_below(&at.join("cache/derived")).len(), 1);
}

#[test]
fn derived_files_are_counted_and_trimmed_by_last_use() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let store = sealed(at, "state");
    let day = Duration::from_secs(24 * 60 * 60);
    for (age, name) in [(1, "new"), (3, "old"), (2, "middling")] {
        store.put(DerivedKind::Package, &of(name), &bytes(1_000));
        let then = std::time::SystemTime::now() - day * age;
        fs::File::open(path(at, "package", &of(name)))
            .unwrap()
            .set_modified(then)
            .unwrap();
    }
    assert!(
        store.get(DerivedKind::Package, &of("old")).is_some(),
        "which makes it the newest"
    );
    assert_eq!(store.trim(2_500).unwrap(), 1_032);
    let there = |name: &str| store.get(DerivedKind::Package, &of(name)).is_some();
    assert_eq!(
        [there("new"), there("old"), there("middling")],
        [true, true, false]
    );
}
