//! Files that do not match their checksums.

use std::fs;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;

/// A complete image in a directory.
#[expect(
    clippy::disallowed_methods,
    reason = "the files of a test are in no tree"
)]
fn image(directory: &Path) -> ImageFiles {
    let files = ImageFiles {
        image: directory.join("a.tar"),
        lock: directory.join("a.lock"),
        documents: vec![directory.join("a.manifest.json")],
        refs: Some(directory.join("a.refs")),
        checksums: directory.join("a.sha256"),
    };
    let mut sums = Checksums::new();
    for path in files.summed() {
        fs::write(&path, name(&path)).unwrap();
        sums.insert(name(&path), checksum(&path, &Interrupt::default()).unwrap());
    }
    let written = files.written(&sums).unwrap();
    files.publish(vec![written], &Interrupt::default()).unwrap();
    files
}

/// What is done to a complete image.
type Damage = (&'static str, fn(&ImageFiles));

#[expect(
    clippy::disallowed_methods,
    reason = "the files of a test are in no tree"
)]
#[test]
fn damaged_files_are_found() {
    fn fifo(path: &Path) {
        fs::remove_file(path).unwrap();
        mkfifo(path, Mode::S_IRWXU).unwrap();
    }
    let rows: [Damage; 9] = [
        ("an emptied image", |files| {
            fs::write(&files.image, "").unwrap()
        }),
        ("a damaged image", |files| {
            fs::write(&files.image, "a.taR").unwrap()
        }),
        ("no manifest", |files| {
            fs::remove_file(&files.documents[0]).unwrap()
        }),
        ("no refs", |files| {
            fs::remove_file(files.refs.as_ref().unwrap()).unwrap()
        }),
        ("no checksums", |files| {
            fs::remove_file(&files.checksums).unwrap()
        }),
        ("empty checksums", |files| {
            fs::write(&files.checksums, "").unwrap()
        }),
        ("endless checksums", |files| {
            let text = fs::read_to_string(&files.checksums).unwrap();
            let more = "x".repeat(usize::try_from(LIMIT).unwrap());
            fs::write(&files.checksums, text + &more).unwrap();
        }),
        ("a FIFO for checksums", |files| fifo(&files.checksums)),
        ("a FIFO for the lock", |files| fifo(&files.lock)),
    ];
    let interrupt = Interrupt::default();
    for (case, damage) in rows {
        let directory = tempfile::tempdir().unwrap();
        let files = image(directory.path());
        assert!(files.are_intact(&interrupt).unwrap(), "{case}");
        files.require_regular().unwrap();
        damage(&files);
        // What cannot be read is not taken for absent.
        match files.are_intact(&interrupt) {
            Ok(is_intact) => assert!(!is_intact && !case.contains("FIFO"), "{case}"),
            Err(error) => {
                assert!(case.contains("FIFO"), "{case}: {error}");
                let directory = directory.path().to_str().unwrap();
                assert!(error.to_string().contains(directory), "{case}: {error}");
            }
        }
        let is_refused = files.require_regular().is_err();
        assert_eq!(is_refused, case.starts_with("a FIFO"), "{case}");
    }
}

#[test]
fn a_replaced_lock_has_its_checksum() {
    let directory = tempfile::tempdir().unwrap();
    let files = image(directory.path());
    let interrupt = Interrupt::default();
    files.replace_lock("other", &interrupt).unwrap();
    assert!(files.are_intact(&interrupt).unwrap());
    assert_eq!(fs::read_to_string(&files.lock).unwrap(), "other");
}
