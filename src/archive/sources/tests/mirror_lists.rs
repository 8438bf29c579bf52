//! Lists of mirrors, of a source and of the host.

use super::super::host::host_mirrors;
use super::super::*;
use crate::formats::compress::Compression;

const ENTRY: &str = "deb mirror+file:/etc/apt/mirrors.txt trixie main contrib";

/// The URIs that a source is fetched from with this list.
fn mirrors(list: &str) -> Result<String, BadSource> {
    mirrors_of("mirrors.txt", list.as_bytes())
}

/// The same, for a file of this name.
fn mirrors_of(name: &str, list: &[u8]) -> Result<String, BadSource> {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("etc/apt")).unwrap();
    fs::write(root.path().join("etc/apt").join(name), list).unwrap();
    let entry = ENTRY.replace("mirrors.txt", name);
    let [entry] = &parse("list", &entry).unwrap()[..] else {
        panic!("one entry");
    };
    let keys = SourceKeys {
        trust: crate::archive::Trust::Unchecked,
        tree: crate::archive::TreeKeys::default(),
        packaged: None,
    };
    let source = entry.source(&["amd64".to_owned()], &keys, root.path())?;
    Ok(source.uris.join(" "))
}

#[test]
fn mirrors_are_tried_by_priority_and_by_what_they_serve() {
    let table = [
        ("one", "http://a/debian\n", "http://a/debian"),
        ("in order", "http://b\nhttp://a\n", "http://b http://a"),
        (
            "by priority, the others last",
            "http://c\nhttp://b\tpriority:20\nhttp://a\tpriority:3\n",
            "http://a http://b http://c",
        ),
        (
            "a priority that is no number",
            "http://a\tpriority:x\nhttp://b\tpriority:9\n",
            "http://b http://a",
        ),
        (
            "another architecture",
            "http://a\tarch:arm64 arch:all\nhttp://b\tarch:amd64\tarch:all\n",
            "http://b http://a",
        ),
        (
            "one of the components",
            "http://a\tcomponent:main\nhttp://b\tcomponent:main component:contrib\n",
            "http://b http://a",
        ),
        (
            "indexes alone",
            "http://a\ttype:index priority:1\nhttp://b\ttype:index type:deb priority:2\n",
            "http://b http://a",
        ),
        (
            "a suite or its codename",
            "http://a\tsuite:sid\nhttp://b\tsuite:stable codename:trixie\nhttp://c\tsuite:trixie\n",
            "http://b http://c http://a",
        ),
        (
            "limits and words that are not known",
            "http://a\tlang:de word x:y\n",
            "http://a",
        ),
        (
            "what cannot be fetched",
            "tor+http://a\ncdrom:[x]/\nmirror+file:/x\nhttp://a b\nhttp://a#b\nhttp://a/[x]\nfile:/srv/debian\n",
            "file:/srv/debian",
        ),
    ];
    for (name, list, expected) in table {
        assert_eq!(mirrors(list).unwrap(), expected, "{name}");
    }
}

#[test]
fn lists_that_cannot_be_used_are_named() {
    for list in ["", "# none\n", "tor+http://a\n"] {
        let error = mirrors(list).unwrap_err();
        let expected = "/etc/apt/mirrors.txt names no mirror with http:, https:, file: or copy:";
        assert_eq!(error.to_string(), expected, "{list}");
    }
    for uri in [
        "mirror://a/list",
        "mirror+http://a/list",
        "mirror+https://a/list",
    ] {
        let text = format!("deb {uri} trixie main");
        let entry = &parse("list", &text).unwrap()[0];
        let error = mirror_list::uris(entry, uri, &[], Path::new("/nowhere")).unwrap_err();
        let expected = format!("{uri}: a list of mirrors is only read from a file");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn compressed_lists_are_read_up_to_a_limit() {
    use crate::testing::tar::compress;

    for (name, compression) in [
        ("list.gz", Compression::Gzip),
        ("list.xz", Compression::Xz),
        ("list.zst", Compression::Zstd),
    ] {
        let list = compress(compression, b"http://a\nhttp://b\n");
        assert_eq!(
            mirrors_of(name, &list).unwrap(),
            "http://a http://b",
            "{name}"
        );
        let error = mirrors_of(name, &list[..list.len() - 1]).unwrap_err();
        assert!(matches!(error, BadSource::Unreadable { .. }), "{error}");
        let large = compress(compression, &vec![b'#'; 2 << 20]);
        let error = mirrors_of(name, &large).unwrap_err();
        assert!(matches!(error, BadSource::TooLarge { .. }), "{error}");
    }
}

/// As hosts of a cloud have it.
#[test]
fn a_list_of_the_hosts_is_read() {
    let root = tempfile::tempdir().unwrap();
    let apt = root.path().join("etc/apt");
    fs::create_dir_all(&apt).unwrap();
    fs::write(root.path().join("etc/os-release"), "ID=ubuntu\n").unwrap();
    fs::write(
        apt.join("apt-mirrors.txt"),
        "https://archive.ubuntu.com/ubuntu/\tpriority:2\nhttp://near/ubuntu/\tpriority:1\n\
         http://near/vendor\tpriority:3\n",
    )
    .unwrap();
    let list = "deb mirror+file:/etc/apt/apt-mirrors.txt noble main universe\n\
                deb mirror+file:/etc/apt/apt-mirrors.txt noble-security main\n\
                deb mirror+file:/etc/apt/no-list.txt noble-updates main\n";
    fs::write(apt.join("sources.list"), list).unwrap();
    let found = host_mirrors(root.path(), "ubuntu", &["noble"]);
    let expected = ["http://near/ubuntu", "https://archive.ubuntu.com/ubuntu"];
    assert_eq!(found.main, expected);
    assert_eq!(found.security, expected);
}
