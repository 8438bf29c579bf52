//! Names of files that a URL cannot hold as they are.

use std::collections::BTreeMap;
use std::fs;

use rbootstrap::testing::{DebBuilder, FakeArchive, archive, host_architecture};

use crate::context::{TestContext, suite};

#[test]
fn a_mirror_may_have_a_path_and_versions_odd_characters() {
    let odd = DebBuilder::new("odd", "1:2.0+dfsg~rc1-1").file("usr/share/odd", "odd\n");
    let context = TestContext::bare();
    let archive = FakeArchive {
        root: context.archive.root.join("ubuntu-ports"),
        key: context.archive.key.clone(),
    };
    archive.publish(&suite([odd]));
    let url = format!("{}/ubuntu-ports/", context.mirror.url());
    let options = ["--download-only", "--variant=custom", "--include=odd"];
    context
        .run(options.iter().chain(&["fake", "root", &url]))
        .ok();
    assert_eq!(context.mirror.debs().len(), 1);
    for path in context.mirror.paths() {
        assert!(
            path.starts_with("/ubuntu-ports/dists/") || path.starts_with("/ubuntu-ports/pool/"),
            "{path}"
        );
    }
}

/// File names of an index, and the paths by which apt asks a server for them (`%`, `+`, `~` and
/// spaces are encoded; we encode `?` and `#` as well, for which apt asks in vain).
const ODD_NAMES: [(&str, &str); 8] = [
    ("pool/odd_1%3a2_all.deb", "pool/odd_1%253a2_all.deb"),
    ("pool/100%.deb", "pool/100%25.deb"),
    ("pool/with space.deb", "pool/with%20space.deb"),
    ("pool/a+b~c.deb", "pool/a%2bb%7ec.deb"),
    ("pool/what?.deb", "pool/what%3f.deb"),
    ("pool/no#1.deb", "pool/no%231.deb"),
    ("pool/\u{e4}.deb", "pool/%c3%a4.deb"),
    ("./in/place.deb", "in/place.deb"),
];

/// What the indexes say of a package `oddN` for each of [`ODD_NAMES`], whose files are in the pool.
fn odd_packages(context: &TestContext) -> String {
    let mut text = String::new();
    for (number, (name, _)) in ODD_NAMES.iter().enumerate() {
        let deb = DebBuilder::new(&format!("odd{number}"), "1");
        text += &deb.stanza();
        text += &context.archive.place(name, &archive::built(&deb.into()));
        text += "\n";
    }
    text
}

/// Downloads the odd packages from a source, given as the arguments after the options, into an
/// empty cache.
fn download_odd_packages(context: &TestContext, source: &[&str]) {
    let names: Vec<String> = (0..ODD_NAMES.len()).map(|n| format!("odd{n}")).collect();
    let include = format!("--include={}", names.join(","));
    let options = ["--download-only", "--variant=custom", &include];
    let _ = fs::remove_dir_all(context.path("cache"));
    context.run(options.iter().chain(source)).ok();
}

#[test]
fn file_names_are_encoded_as_apt_encodes_them() {
    let context = TestContext::bare();
    let index = format!("main/binary-{}/Packages", host_architecture());
    let text = odd_packages(&context);
    context.archive.publish_text(&suite([]), &index, &text);
    download_odd_packages(&context, &["fake", "root", &context.mirror.url()]);
    let paths = context.mirror.paths();
    for (name, asked) in ODD_NAMES {
        assert!(paths.contains(&format!("/{asked}")), "{name}: {paths:#?}");
    }
    // A local file has exactly the name that the index gives it.
    let local = format!("file:{}", context.archive.root.display());
    download_odd_packages(&context, &["fake", "root", &local]);
    assert_eq!(context.mirror.paths(), paths);
}

#[test]
fn file_names_of_flat_archives_are_encoded() {
    let context = TestContext::bare();
    context.archive.publish(&suite([]));
    let flat = context.archive.root.join("flat+1");
    fs::create_dir(&flat).unwrap();
    fs::write(flat.join("Packages"), odd_packages(&context)).unwrap();
    let text = fs::read(flat.join("Packages")).unwrap();
    let files = BTreeMap::from([("Packages".to_owned(), text)]);
    let shape = suite([]);
    context
        .archive
        .sign(&shape, &flat, &archive::release(&shape, &files));
    for (base, is_served) in [
        (context.mirror.url(), true),
        (format!("file:{}", context.archive.root.display()), false),
    ] {
        context.mirror.clear_log();
        let line = format!(
            "deb [signed-by={}] {base} flat+1/",
            context.path("keyring.gpg").display()
        );
        let url = format!("file:{}", context.archive.root.display());
        download_odd_packages(&context, &["--source", &line, "fake", "root", &url]);
        let paths = context.mirror.paths();
        let asked = context.mirror.debs().len();
        let expected = if is_served { ODD_NAMES.len() } else { 0 };
        assert_eq!(asked, expected, "{base}: {paths:#?}");
        assert_eq!(
            is_served,
            paths.iter().any(|path| path == "/flat%2b1/InRelease")
        );
    }
}
