//! The cache, the files without names that replace it, and `file:` URLs.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make and spoil files of their own"
)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::Instant;

use super::*;

#[test]
fn a_cached_file_is_verified_and_not_requested() {
    let whole = bytes(200_000);
    let served = whole.clone();
    let server = Server::start(move |_| Reply::of(&served));
    let wanted = wanted(&[server.url("a")], &whole);
    let test = TestStore::cached();
    let name = wanted.digest.hexadecimal();
    let path = test.cache().join("SHA256").join(&name[..2]).join(&name);
    let first = test.store.file(&wanted, &drop).unwrap();
    assert!(test.file(&wanted).unwrap() == whole);
    assert_eq!(server.asked().len(), 1);

    let mut wrong = whole.clone();
    wrong[100_000] ^= 1;
    let spoil: [&dyn Fn(); 4] = [
        &|| fs::write(&path, &wrong).unwrap(),
        &|| fs::write(&path, b"short").unwrap(),
        &|| {
            fs::rename(&path, test.directory.path().join("elsewhere")).unwrap();
            std::os::unix::fs::symlink(test.directory.path().join("elsewhere"), &path).unwrap();
        },
        &|| {
            fs::remove_file(&path).unwrap();
            assert!(
                Command::new("mkfifo")
                    .arg(&path)
                    .status()
                    .unwrap()
                    .success()
            );
        },
    ];
    for (at, spoil) in spoil.iter().enumerate() {
        spoil();
        // A file that changed is not handed out.
        assert!(first.open().is_err_and(|e| is_changed(&e)), "{at}");
        assert!(test.file(&wanted).unwrap() == whole, "{at}");
        assert_eq!(server.asked().len(), at + 2, "{at}");
        assert_eq!(
            test.events
                .lock()
                .unwrap()
                .iter()
                .filter(|s| s.starts_with("Warning"))
                .count(),
            at + 1
        );
        // An equal file is handed out.
        assert!(fs::read(&path).unwrap() == whole, "{at}");
        assert!(content(&first) == whole, "{at}");
    }

    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    // Others could change it while it is read.
    assert!(first.open().is_err_and(|e| is_changed(&e)));
    let copy = test.store.file(&wanted, &drop).unwrap();
    fs::write(&path, &wrong).unwrap();
    assert!(content(&copy) == whole, "so it is copied");
    assert_eq!(server.asked().len(), spoil.len() + 1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(test.file(&wanted).unwrap() == whole, "a damaged one is not");
    assert_eq!(server.asked().len(), spoil.len() + 2);
}

#[test]
fn the_cache_is_trimmed_by_last_use() {
    let server = Server::start(|asked| Reply::of(asked.target.as_bytes()));
    let test = TestStore::cached();
    let mut names = Vec::new();
    for (path, days) in [("oldest", 3), ("newer", 2), ("newest", 0)] {
        let wanted = wanted(&[server.url(path)], format!("/{path}").as_bytes());
        test.file(&wanted).unwrap();
        let name = wanted.digest.hexadecimal();
        let path = test.cache().join("SHA256").join(&name[..2]).join(&name);
        let used = std::time::SystemTime::now() - Duration::from_secs(days * 86_400);
        fs::File::open(path).unwrap().set_modified(used).unwrap();
        names.push((name, wanted));
    }
    assert_eq!(test.store.trim(1000).unwrap(), 0);
    // Using the oldest makes it the newest.
    test.file(&names[0].1).unwrap();
    assert_eq!(test.store.trim(14).unwrap(), 6);
    assert!(!test.files().contains(&names[1].0));

    let other = open(test.directory.path(), true, PATIENT, Report::silent());
    assert_eq!(
        test.store.trim(0).unwrap(),
        0,
        "another run may be using them"
    );
    drop(other);
    // A child that another test starts at this moment has the lock, too, until it executes its
    // program.
    let started = Instant::now();
    let mut freed = 0;
    while freed == 0 && started.elapsed() < Duration::from_secs(20) {
        freed = test.store.trim(0).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(freed, 14);
    assert_eq!(TestStore::uncached().store.trim(0).unwrap(), 0);
}

#[test]
fn runs_share_a_cache() {
    let whole = bytes(400_000);
    let served = whole.clone();
    let gate = std::sync::Barrier::new(4);
    let server = Server::start(move |_| {
        // No request is answered before all have arrived.
        gate.wait();
        Reply::of(&served)
    });
    let directory = tempfile::tempdir().unwrap();
    let wanted = wanted(&[server.url("a")], &whole);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = open(directory.path(), true, PATIENT, Report::silent());
                assert!(content(&store.file(&wanted, &drop).unwrap()) == whole);
            });
        }
    });
    assert_eq!(server.asked().len(), 4);
    assert_eq!(files_below(directory.path()), [wanted.digest.hexadecimal()]);
}

#[test]
fn abandoned_files_are_removed_at_once_or_by_age_if_another_run_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let partial = directory.path().join("cache/partial");
    fs::create_dir_all(&partial).unwrap();
    for (name, hours) in [("old", 25), ("new", 23)] {
        let file = fs::File::create(partial.join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(hours * 3600))
            .unwrap();
    }
    let other = fs::File::open(directory.path().join("cache")).unwrap();
    other.lock_shared().unwrap();
    let test = TestStore::at(directory, true);
    assert_eq!(test.files(), ["new"]);
    // The last run to end is alone.
    drop(other);
    test.store.trim(u64::MAX).unwrap();
    assert_eq!(test.files(), Vec::<String>::new());
    fs::write(test.cache().join("partial/x"), "x").unwrap();
    let TestStore {
        store, directory, ..
    } = test;
    drop(store);
    let again = TestStore::at(directory, true);
    assert_eq!(again.files(), Vec::<String>::new());
}

#[test]
fn without_a_cache_files_have_no_names() {
    let server = Server::start(|asked| Reply::of(asked.target.as_bytes()));
    let test = TestStore::uncached();
    let mut all = Vec::new();
    for number in 0..400 {
        let path = format!("{number}");
        let wanted = wanted(&[server.url(&path)], format!("/{path}").as_bytes());
        all.push(test.store.file(&wanted, &drop).unwrap());
        if number == 200 {
            assert_eq!(test.files(), Vec::<String>::new());
        }
    }
    assert!(test.files().len() < 200);
    for (number, verified) in all.iter().enumerate() {
        let mut one = verified.open().unwrap();
        let mut two = verified.open().unwrap();
        let mut found = String::new();
        one.read_to_string(&mut found).unwrap();
        two.read_to_string(&mut found).unwrap();
        assert_eq!(
            found,
            format!("/{number}/{number}"),
            "readers have offsets of their own"
        );
    }
    drop(all);
    assert_eq!(test.files(), Vec::<String>::new());
}

#[test]
fn files_of_file_urls_are_verified_in_place() {
    let test = TestStore::cached();
    let whole = bytes(100_000);
    let path = test.directory.path().join("a~b c");
    fs::write(&path, &whole).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let url = format!("file://{}", path.display()).replace(' ', "%20");
    let good = wanted(std::slice::from_ref(&url), &whole);
    let verified = test.store.file(&good, &drop).unwrap();
    assert!(content(&verified) == whole);
    assert_eq!(test.files(), ["a~b c"], "no copy is made");
    fs::write(&path, b"changed").unwrap();
    assert!(verified.open().is_err_and(|e| is_changed(&e)));
    assert!(matches!(test.file(&good), Err(Error::SizeMismatch { .. })));
    fs::write(&path, vec![0; whole.len()]).unwrap();
    assert!(matches!(
        test.file(&good),
        Err(Error::DigestMismatch { .. })
    ));

    fs::write(&path, &whole).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let copied = test.store.file(&good, &drop).unwrap();
    fs::write(&path, b"changed").unwrap();
    assert!(
        content(&copied) == whole,
        "what others can change is copied"
    );

    assert_eq!(test.store.read(&[url], 10).unwrap().content, b"changed");
    let missing = ["file:///no/such/file".to_owned()];
    assert!(matches!(
        test.store.read(&missing, 10),
        Err(Error::Missing { .. })
    ));
    assert!(matches!(
        test.file(&wanted(&missing, b"x")),
        Err(Error::Missing { .. })
    ));
    assert!(matches!(
        test.store.read(&["file:///dev/zero".to_owned()], 10),
        Err(Error::Unreadable { .. })
    ));
}

#[test]
#[ignore = "needs root"]
fn the_error_of_a_full_disk_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        Command::new(arguments[0])
            .args(&arguments[1..])
            .arg(directory.path())
            .status()
            .unwrap()
            .success()
    };
    assert!(mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "none"]));
    let whole = bytes(1_000_000);
    let served = whole.clone();
    let server = Server::start(move |_| Reply::of(&served));
    let store = open(directory.path(), true, PATIENT, Report::silent());
    let error = store
        .file(&wanted(&[server.url("a"), server.url("b")], &whole), &drop)
        .unwrap_err();
    let left = files_below(directory.path());
    drop(store);
    // A process that another test has just started may still hold a directory there.
    assert!(mount(&["umount", "-l"]));
    assert!(
        error.class() == crate::failure::Class::Target
            && with_causes(&error).contains("No space left on device"),
        "{}",
        with_causes(&error)
    );
    assert_eq!((server.asked().len(), left), (1, Vec::new()));
}
