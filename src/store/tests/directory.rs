//! A cache that another user can write to: nothing outside it is removed or written.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make and spoil files of their own"
)]

use std::os::unix::fs::{PermissionsExt, chown, symlink};

use super::*;
use crate::store::directory::UnsafeDirectory;

/// A directory outside the cache, with old files.
fn outside(directory: &Path) -> PathBuf {
    let outside = directory.join("outside");
    let below = outside.join("aa");
    fs::create_dir_all(&below).unwrap();
    for path in [outside.join("file"), below.join("file")] {
        let file = fs::File::create(path).unwrap();
        file.set_len(1 << 30).unwrap();
        let day = Duration::from_secs(24 * 60 * 60);
        let long_ago = std::time::SystemTime::now() - 9 * day;
        file.set_modified(long_ago).unwrap();
    }
    outside
}

fn options(directory: &Path) -> Options {
    Options {
        cache: Some(directory.join("cache")),
        state: Some(directory.join("state")),
        temporary: directory.to_owned(),
        limits: limits(PATIENT),
        tries: 1,
        proxies: Proxies::default(),
        credentials: std::sync::Arc::default(),
    }
}

fn problem(error: &Error) -> UnsafeDirectory {
    match error {
        Error::UnsafeCache { problem, .. } => *problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn symlinks_in_the_cache_are_not_followed() {
    let whole = bytes(1_000);
    let served = whole.clone();
    let server = Server::start(move |_| Reply::of(&served));
    let wanted = wanted(&[server.url("a")], &whole);
    let prefix = wanted.digest.hexadecimal()[..2].to_owned();
    let links = [
        "SHA256".to_owned(),
        format!("SHA256/{prefix}"),
        "derived".to_owned(),
        "derived/package".to_owned(),
        format!("derived/package/{prefix}"),
    ];
    for link in links {
        let directory = tempfile::tempdir().unwrap();
        let outside = outside(directory.path());
        let path = directory.path().join("cache").join(&link);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(&outside, &path).unwrap();
        let store = sealed(directory.path(), "state");
        let fetched = store.file(&wanted, &drop);
        store.put(DerivedKind::Package, &wanted.digest, b"decoded");
        let error = store.trim(0).unwrap_err();
        assert_eq!(problem(&error), UnsafeDirectory::NotDirectory, "{link}");
        if link.starts_with("SHA256") {
            let error = fetched.unwrap_err();
            assert_eq!(problem(&error), UnsafeDirectory::NotDirectory, "{link}");
        } else {
            assert!(content(&fetched.unwrap()) == whole, "{link}");
            let found = store.get(DerivedKind::Package, &wanted.digest);
            assert_eq!(found, None, "{link}");
        }
        assert_eq!(files_below(&outside), ["file", "file"], "{link}");
    }
}

#[test]
fn a_symlink_as_the_directory_of_partial_files_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let outside = outside(directory.path());
    fs::create_dir(directory.path().join("cache")).unwrap();
    symlink(&outside, directory.path().join("cache/partial")).unwrap();
    let error = Store::open(options(directory.path()), Report::silent()).unwrap_err();
    assert_eq!(problem(&error), UnsafeDirectory::NotDirectory);
    assert_eq!(files_below(&outside), ["file", "file"]);
}

#[test]
fn a_cache_that_others_can_write_to_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let open = || Store::open(options(directory.path()), Report::silent());
    open().unwrap();
    for (below, mode) in [("", 0o777), ("", 0o775), ("partial", 0o777)] {
        let path = cache.join(below);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = open().unwrap_err();
        assert_eq!(problem(&error), UnsafeDirectory::Writable(mode));
        assert_eq!(error.class(), crate::failure::Class::Target);
        assert!(error.hint().unwrap().contains("--no-cache"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // In a sticky directory others cannot replace the cache's directories.
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o1777)).unwrap();
    open().unwrap();
}

#[test]
#[ignore = "needs root"]
fn a_cache_of_another_user_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let open = || Store::open(options(directory.path()), Report::silent());
    open().unwrap();
    for below in ["", "partial"] {
        let path = cache.join(below);
        chown(&path, Some(1000), None).unwrap();
        assert_eq!(problem(&open().unwrap_err()), UnsafeDirectory::Owner(1000));
        chown(&path, Some(0), None).unwrap();
    }
}
