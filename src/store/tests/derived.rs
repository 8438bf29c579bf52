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
    let index = path(at, "index", &of("a"));
    let other = path(at, "index", &of("b"));
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

#[test]
fn a_file_that_another_run_replaces_is_checked_again() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let store = sealed(at, "state");
    let other = sealed(at, "state");
    store.put(DerivedKind::Package, &of("a"), &bytes(10_000));
    let held = store.derived(DerivedKind::Package, &of("a")).unwrap();
    // The descriptor keeps the first inode in use.
    let first = held.open().unwrap();

    other.put(DerivedKind::Package, &of("a"), &bytes(10_000));
    let mut content = Vec::new();
    let replaced = held.open().unwrap();
    assert_ne!(inode(&first), inode(&replaced));
    replaced
        .take(held.size())
        .read_to_end(&mut content)
        .unwrap();
    assert!(content == bytes(10_000));

    // An intact seal of another package, and of another host.
    other.put(DerivedKind::Package, &of("b"), &bytes(10_000));
    let forged = path(at, "package", &of("b"));
    fs::rename(forged, path(at, "package", &of("a"))).unwrap();
    assert!(held.open().is_err_and(|e| is_changed(&e)));
    sealed(at, "elsewhere").put(DerivedKind::Package, &of("a"), &bytes(10_000));
    assert!(held.open().is_err_and(|e| is_changed(&e)));
}

fn inode(file: &fs::File) -> u64 {
    use std::os::unix::fs::MetadataExt;
    file.metadata().unwrap().ino()
}

#[test]
fn stores_share_a_cold_cache() {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..40).map(|number| format!("{number}")).collect();
    let gate = std::sync::Barrier::new(8);
    let run = || {
        let store = sealed(directory.path(), "state");
        for name in &names {
            gate.wait();
            store.put(DerivedKind::Package, &of(name), name.as_bytes());
            let found = store.derived(DerivedKind::Package, &of(name)).unwrap();
            std::thread::yield_now();
            let mut content = String::new();
            let mut opened = found.open().unwrap().take(found.size());
            opened.read_to_string(&mut content).unwrap();
            assert_eq!(content, *name);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(run);
        }
    });
}
