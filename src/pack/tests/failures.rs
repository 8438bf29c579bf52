//! What ends a pack: a file that changes, a full disk, a name that is no image.

use super::*;
use crate::failure::{Class, with_causes};
use crate::mark;
use crate::tree::listed::{ContentFile, ContentRange, ListedEntry, ListedKind, ListedTree};

#[test]
fn a_file_that_changes_is_an_error_that_names_it() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("log"), b"12345").unwrap();
    let root = Rootfs::open(place.path()).unwrap();
    for (change, size) in [(1, "shorter"), (9, "longer")] {
        let entries = listing::list(&root, &Report::silent()).unwrap();
        File::options()
            .write(true)
            .open(place.path().join("log"))
            .unwrap()
            .set_len(change)
            .unwrap();
        let (mut chunks, _filled) = chunks();
        let error = entries
            .iter()
            .try_for_each(|entry| entry::write((&root).into(), entry, None, &mut chunks))
            .unwrap_err();
        assert!(
            matches!(&error, Error::Changed { path } if path.ends_with("log")),
            "{size}: {error:?}"
        );
    }
}

/// A tree of the cache that has one file, whose content is `size` bytes of `content`.
fn of_the_cache(content: &Path, size: u64) -> ListedTree {
    let mut entries = Vec::new();
    let range = ContentRange {
        within: 0,
        at: 0,
        size,
    };
    for (path, kind) in [
        ("", ListedKind::Directory),
        ("usr", ListedKind::Directory),
        ("usr/os-release", ListedKind::File(range)),
    ] {
        entries.push(ListedEntry {
            path: RootPath::parse(path).unwrap(),
            kind,
            uid: 0,
            gid: 0,
            mode: 0o755,
            modified: 0,
            attributes: Vec::new(),
            file: None,
        });
    }
    let file = ContentFile {
        file: File::open(content).unwrap(),
        path: content.to_owned(),
        package: Some("base-files:amd64 13".into()),
    };
    ListedTree::new(Path::new("/no/tree"), entries, vec![file])
}

#[test]
fn content_that_the_cache_has_lost_is_named() {
    let place = tempfile::tempdir().unwrap();
    let decoded = place.path().join("decoded");
    fs::write(&decoded, b"ID=debian\n").unwrap();
    let whole = of_the_cache(&decoded, 10);
    let lost = of_the_cache(&decoded, 11);
    let options = options(Compression::None);
    let packed = |tree| {
        tar(
            ReadableTree::Listed(tree),
            Vec::new(),
            &options,
            &Report::silent(),
        )
    };
    assert!(packed(&whole).is_ok());
    let error = packed(&lost).unwrap_err();
    let text = with_causes(&error);
    let decoded = decoded.to_str().unwrap();
    for part in [decoded, "base-files:amd64 13", "/usr/os-release"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("/no/tree"), "{text}");
    assert_eq!(error.class(), Class::Target);
    assert!(error.hint().unwrap().contains("--snapshots none"));
    // The same for what is read to describe the image.
    let path = RootPath::known("usr/os-release");
    let error = ReadableTree::Listed(&lost).read(&path).unwrap_err();
    let text = with_causes(&error);
    assert!(text.contains(decoded), "{text}");
}

#[test]
fn a_tree_without_end_is_refused() {
    let tree = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("a"), b"x").unwrap();
    let sparse = File::create(tree.path().join("sparse")).unwrap();
    let root = Rootfs::open(tree.path()).unwrap();
    sparse.set_len(listing::CONTENT_LIMIT - 1).unwrap();
    listing::list(&root, &Report::silent()).unwrap();
    sparse.set_len(listing::CONTENT_LIMIT).unwrap();
    let path = place.path().join("x.tar.gz");
    let options = options(Compression::Gzip);
    let error = to_named_file(&root, &path, &options, &Report::silent()).unwrap_err();
    let text = error.to_string();
    let named = tree.path().join("sparse");
    assert!(text.starts_with(named.to_str().unwrap()), "{text}");
    assert_eq!(error.class(), Class::Target);
    assert!(matches!(error, Error::TooLarge { .. }));
    assert_eq!(place.path().read_dir().unwrap().count(), 0);
}

/// Takes some bytes, and then no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
#[ignore = "needs time"]
fn a_full_disk_ends_it() {
    let tree = tempfile::tempdir().unwrap();
    // Zeros are short where they are compressed, and text that a counter makes is not.
    let noise: Vec<u8> = (0..1_u64 << 19)
        .flat_map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 29).to_le_bytes())
        .collect();
    fs::write(tree.path().join("noise"), noise).unwrap();
    let root = Rootfs::open(tree.path()).unwrap();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        for room in [0, 5, 1 << 20] {
            let error = tar(
                (&root).into(),
                Full(room),
                &options(compression),
                &Report::silent(),
            )
            .map(drop)
            .unwrap_err();
            let Error::Write { source } = &error else {
                panic!("{error:?}");
            };
            assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        }
    }
}

#[test]
fn a_file_is_complete_or_not_there() {
    let tree = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("file"), b"x").unwrap();
    let root = Rootfs::open(tree.path()).unwrap();
    let path = place.path().join("x.tar");
    let refused = to_named_file(
        &root,
        &path,
        &options(Compression::Bzip2),
        &Report::silent(),
    )
    .unwrap_err();
    assert!(matches!(refused, Error::Output { .. }));
    assert_eq!(place.path().read_dir().unwrap().count(), 0);

    fs::write(&path, b"the old one").unwrap();
    symlink("x.tar", place.path().join("link.tar")).unwrap();
    to_named_file(
        &root,
        &place.path().join("link.tar"),
        &options(Compression::None),
        &Report::silent(),
    )
    .unwrap();
    assert_eq!(
        fs::read(&path).unwrap(),
        pack(tree.path(), &options(Compression::None))
    );
    assert!(
        fs::symlink_metadata(place.path().join("link.tar"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o111, 0);
    assert_eq!(place.path().read_dir().unwrap().count(), 2);

    to_named_file(
        &root,
        Path::new("/dev/null"),
        &options(Compression::None),
        &Report::silent(),
    )
    .unwrap();
    assert!(
        fs::metadata("/dev/null")
            .unwrap()
            .file_type()
            .is_char_device()
    );
    let inside = to_named_file(
        &root,
        &tree.path().join("x.tar"),
        &options(Compression::None),
        &Report::silent(),
    )
    .unwrap_err();
    assert!(matches!(inside, Error::Inside { .. }));
    let nowhere = to_named_file(
        &root,
        &place.path().join("no/such/x.tar"),
        &options(Compression::None),
        &Report::silent(),
    )
    .unwrap_err();
    assert!(matches!(nowhere, Error::Output { .. }));
}

/// A document in this place, complete but for its name.
fn document(path: &Path) -> WrittenDocument {
    WrittenDocument::write(path, b"new", None).unwrap()
}

#[test]
fn outputs_get_their_names_all_or_none() {
    let place = tempfile::tempdir().unwrap();
    let [absent, present, taken] =
        ["absent", "present", "taken"].map(|name| place.path().join(name));
    fs::write(&present, b"old").unwrap();
    let linked = place.path().join("linked");
    fs::hard_link(&present, &linked).unwrap();
    for is_refused in [true, false] {
        let mut publication = Publication::default();
        publication.add([&absent, &present, &taken].map(|path| document(path)));
        if is_refused {
            fs::create_dir(&taken).unwrap();
        }
        let published = publication.publish(&Interrupt::default());
        let _ = fs::remove_dir(&taken);
        match published {
            Ok(published) if !is_refused => published.keep(),
            Ok(_) => panic!("a directory was replaced"),
            Err(error) => assert!(is_refused, "{error}"),
        }
        let names = place.path().read_dir().unwrap().count();
        let content = |path: &Path| fs::read(path).ok();
        let expected = match is_refused {
            true => (2, None, Some(b"old".to_vec())),
            false => (4, Some(b"new".to_vec()), Some(b"new".to_vec())),
        };
        assert_eq!((names, content(&absent), content(&present)), expected);
        assert_eq!(content(&linked).unwrap(), b"old");
        assert!(mark::find(File::open(&linked).unwrap()).is_none());
    }
    // An interrupt that comes before the names leaves nothing.
    fs::remove_file(&absent).unwrap();
    let interrupt = Interrupt::default();
    interrupt.raise(15);
    let mut publication = Publication::default();
    publication.add([document(&absent)]);
    publication.publish(&interrupt).unwrap_err();
    assert!(!absent.exists());
}
