//! Images that are compared: every form of one tree, layers over layers, platforms, and what cannot
//! be read.

#![expect(
    clippy::disallowed_methods,
    reason = "tests write their images with the standard library"
)]

mod limits;
mod made;
mod refused;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use super::{CompareRequest, DECODED_LIMIT, Error, ImageReader, compare};
use crate::formats::compress::Compression;
use crate::formats::digest::{Algorithm, digest};
use crate::interrupt::Interrupt;
use crate::report::Report;
use crate::testing::tar::{TarEntry, compress, directory, file, hard_link, symlink, tar};
use crate::testing::tree::with_files;
use made::{MadeDocker, MadeLayout, list, status};

/// Where images are made.
struct MadePlace(tempfile::TempDir);

impl MadePlace {
    fn new() -> MadePlace {
        MadePlace(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// The lines of a comparison, of which those of several platforms begin with theirs.
fn lines(old: &Path, new: &Path, architecture: Option<&str>) -> Result<Vec<String>, Error> {
    compared(old, new, architecture, DECODED_LIMIT)
}

/// The same of images that decode to at most so many bytes.
fn compared(
    old: &Path,
    new: &Path,
    architecture: Option<&str>,
    limit: u64,
) -> Result<Vec<String>, Error> {
    let place = MadePlace::new();
    let request = CompareRequest {
        old,
        new,
        architecture,
        temporary: place.0.path(),
    };
    let reader = ImageReader {
        architecture,
        temporary: request.temporary,
        interrupt: &Interrupt::default(),
        report: &Report::silent(),
        left: Cell::new(limit),
    };
    let mut lines = Vec::new();
    for compared in compare(request, &reader)? {
        for change in compared.changes {
            match &compared.platform {
                Some(platform) => lines.push(format!("{platform} {change}")),
                None => lines.push(change.to_string()),
            }
        }
    }
    Ok(lines)
}

/// A tree with dpkg's database, and a package of which only configuration is left.
fn tree() -> Vec<TarEntry> {
    let gone = "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n";
    let status = [
        status("a", "amd64", "1"),
        status("b", "all", "1"),
        gone.into(),
    ];
    vec![
        directory("./"),
        directory("./var/"),
        file("./var/lib/dpkg/status", status.join("\n")),
        file("./var/lib/dpkg/status-old", "Package: x\nVersion: 1\n"),
        file("./manifest.json", "{}"),
    ]
}

/// The same as distroless has it.
fn without_dpkg() -> Vec<TarEntry> {
    let a = "Package: a\nVersion: 1\nArchitecture: amd64\n";
    let b = "Package: b\nVersion: 1\nArchitecture: all\n";
    vec![
        file("var/lib/dpkg/status.d/a", a),
        file("var/lib/dpkg/status.d/a.md5sums", "0  usr/bin/a\n"),
        file("var/lib/dpkg/status.d/b", b),
    ]
}

/// The same with links on the way to the database.
fn with_links() -> Vec<TarEntry> {
    let mut entries = tree();
    entries[2].path = b"./usr/lib/sysimage/dpkg/status".to_vec();
    entries.insert(1, symlink("./var/lib/dpkg", "../../usr/lib/sysimage/dpkg"));
    entries
}

fn with_hard_link() -> Vec<TarEntry> {
    let mut entries = tree();
    entries[2].path = b"./var/lib/dpkg/status-1".to_vec();
    entries.push(hard_link(
        "./var/lib/dpkg/status",
        "./var/lib/dpkg/status-1",
    ));
    entries
}

/// The files that are compared, by what they are.
struct Forms<'a> {
    place: &'a MadePlace,
    files: Vec<(String, PathBuf)>,
}

impl Forms<'_> {
    fn add(&mut self, name: &str, content: &[u8]) {
        let path = self.place.file(&name.replace('/', "-"), content);
        self.files.push((name.to_owned(), path));
    }

    /// Tars and lists.
    fn add_trees(&mut self) {
        let whole = tar(&tree());
        self.add("a tar", &whole);
        self.add("a list", &list(&[("a", "amd64", "1"), ("b", "all", "1")]));
        self.add("without dpkg", &tar(&without_dpkg()));
        let brace = [vec![file("{", "")], tree()].concat();
        self.add("a tar that begins like a list", &tar(&brace));
        self.add("links to the database", &tar(&with_links()));
        self.add("a hard link to the status", &tar(&with_hard_link()));
        for compression in COMPRESSIONS {
            let name = format!("tar.{}", compression.extension());
            self.add(&name, &compress(compression, &whole));
        }
    }

    fn add_docker(&mut self, docker: &MadeDocker) {
        let path = docker.directory(self.place, "docker");
        self.files.push(("docker's directory".into(), path));
        self.add("docker's archive", &docker.archive());
        let linked = docker.linked().archive();
        self.add("docker's archive with linked layers", &linked);
        for compression in COMPRESSIONS {
            let name = format!("docker.tar.{}", compression.extension());
            self.add(&name, &compress(compression, &docker.archive()));
        }
    }

    fn add_layouts(&mut self, layout: &MadeLayout) {
        let path = layout.directory(self.place, "layout");
        self.files.push(("a layout's directory".into(), path));
        for (name, layout) in [
            ("a layout", layout.clone()),
            ("an attestation", layout.clone().attested()),
            ("a signature", layout.clone().signed()),
            ("two compressions", layout.clone().compressed_again()),
            ("two names", layout.clone().twice()),
            ("docker's media types", layout.clone().of_docker()),
            ("a nested index", layout.clone().nested()),
        ] {
            self.add(name, &layout.archive());
        }
        for compression in COMPRESSIONS {
            let ending = compression.extension();
            let packed = compress(compression, &layout.archive());
            self.add(&format!("oci.tar.{ending}"), &packed);
            let packed = layout.clone().layers_in(compression).archive();
            self.add(&format!("layers in {ending}"), &packed);
        }
    }
}

const COMPRESSIONS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Xz,
    Compression::Zstd,
    Compression::Bzip2,
];

#[test]
fn every_form_of_an_image_has_the_same_packages() {
    let place = MadePlace::new();
    let layers = [tree()];
    let directory = with_files(&[
        ("var/lib/dpkg/status", &status("a", "amd64", "1")),
        ("var/lib/dpkg/status.d/b", &status("b", "all", "1")),
    ]);
    let mut forms = Forms {
        place: &place,
        files: vec![("a tree".into(), directory.path().to_owned())],
    };
    forms.add_trees();
    forms.add_docker(&MadeDocker::of(&[("amd64", &layers)]));
    forms.add_layouts(&MadeLayout::of(&[("amd64", &layers)]));
    let newer = place.file("newer", &list(&[("a", "amd64", "2"), ("c", "all", "1")]));
    let expected = ["upgraded a:amd64 1 → 2", "removed b:all 1", "added c:all 1"];
    for (name, path) in &forms.files {
        let found = lines(path, &newer, None).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(found, expected, "{name}");
        let same = lines(path, directory.path(), None).unwrap();
        assert!(same.is_empty(), "{name}: {same:?}");
    }
    #[expect(clippy::print_stdout, reason = "the number of cases")]
    {
        println!("{} forms", forms.files.len());
    }
}

/// Images by their layers, the lowest first, each a list of entries: `=a` a status with the package
/// `a`, `PATH=a` such a file elsewhere, `+a` its stanza in status.d, `PATH/` a directory,
/// `PATH>TARGET` a symlink, `PATH` an empty file. Then the packages that there are.
const LAYERS: [(&str, &[&str], &str); 17] = [
    ("replaced", &["=a", "=b"], "b"),
    ("untouched", &["=a", "etc/x"], "a"),
    ("two places", &["=a", "+b"], "a b"),
    ("a whiteout", &["=a", "var/lib/dpkg/.wh.status +b"], "b"),
    ("a whiteout above", &["=a", "var/.wh.lib +b"], "b"),
    ("a whiteout of the old", &["=a", "=b var/lib/.wh.dpkg"], "b"),
    ("opaque", &["=a", "+b var/lib/dpkg/.wh..wh..opq"], "b"),
    ("an opaque root", &["=a", "./.wh..wh..opq +b"], "b"),
    (
        "opaque, with the same in its layer",
        &[
            "+a +c",
            "+b var/.wh..wh..opq var/lib/.wh..wh..opq var/.wh..wh..opq",
        ],
        "b",
    ),
    (
        "a name that begins as a hidden one",
        &[
            "var/lib/dpkg>/srv srv/status=a srv-2/x",
            "srv/.wh.statu .wh.srv-2",
        ],
        "a",
    ),
    (
        "no names",
        &[
            "=a",
            "var/lib/dpkg/.wh. var/lib/dpkg/.wh... var/lib/dpkg/.wh.. var/.wh..wh.lib",
        ],
        "a",
    ),
    ("another name", &["=a", "var/lib/dpkg/.wh.status-old"], "a"),
    ("a directory again", &["=a", "var/lib/dpkg/"], "a"),
    ("a file for a directory", &["=a", "var/lib", "+b"], "b"),
    (
        "a link for a directory",
        &["=a srv/status=b", "var/lib/dpkg>/srv"],
        "b",
    ),
    (
        "a link that is replaced",
        &["var/lib/dpkg>/srv srv/status=a", "var/lib/dpkg/ =b"],
        "b",
    ),
    (
        "one of status.d",
        &["+a +b +c", "var/lib/dpkg/status.d/.wh.b"],
        "a c",
    ),
];

fn layer_entry(word: &str) -> TarEntry {
    if let Some(package) = word.strip_prefix('+') {
        let stanza = format!("Package: {package}\nVersion: 1\nArchitecture: all\n");
        return file(format!("var/lib/dpkg/status.d/{package}"), stanza);
    }
    if let Some((path, package)) = word.split_once('=') {
        let path = if path.is_empty() {
            "var/lib/dpkg/status"
        } else {
            path
        };
        return file(path, status(package, "all", "1"));
    }
    match word.split_once('>') {
        Some((path, target)) => symlink(path, target),
        None if word.ends_with('/') => directory(word),
        None => file(word, ""),
    }
}

#[test]
fn layers_hide_what_is_below() {
    let place = MadePlace::new();
    let nothing = place.file("nothing", &list(&[]));
    for (name, words, expected) in LAYERS {
        let mut layers = Vec::new();
        for layer in words {
            layers.push(layer.split(' ').map(layer_entry).collect::<Vec<_>>());
        }
        for (form, image) in [
            ("layout", MadeLayout::of(&[("amd64", &layers)]).archive()),
            ("docker", MadeDocker::of(&[("amd64", &layers)]).archive()),
        ] {
            let found = lines(&nothing, &place.file("image", &image), None);
            let found = found.unwrap_or_else(|error| panic!("{name}, {form}: {error:?}"));
            let mut lines = Vec::new();
            for package in expected.split(' ') {
                lines.push(format!("added {package}:all 1"));
            }
            assert_eq!(found, lines, "{name}, {form}");
        }
    }
    #[expect(clippy::print_stdout, reason = "the number of cases")]
    {
        println!("{} cases", LAYERS.len());
    }
}

fn one(architecture: &str, version: &str) -> [Vec<TarEntry>; 1] {
    let stanza = status("a", architecture, version);
    [vec![file("var/lib/dpkg/status", stanza)]]
}

#[test]
fn images_of_several_platforms_are_compared_platform_by_platform() {
    let place = MadePlace::new();
    let [amd64, arm64, armhf] = ["amd64", "arm64", "armhf"].map(|name| one(name, "1"));
    let newer = one("arm64", "2");
    let old = MadeLayout::of(&[("amd64", &amd64), ("arm64", &arm64), ("arm", &armhf)]);
    let old = place.file("old", &old.archive());
    // Another program leaves the usual variant out.
    let new = MadeLayout::of(&[("arm64/v8", &newer), ("amd64", &amd64)]);
    let new = place.file("new", &new.nested().archive());
    let single = place.file("single", &MadeLayout::of(&[("arm64", &newer)]).archive());
    let tree = place.file("tree", &tar(&newer[0]));
    let upgraded = ["upgraded a:arm64 1 → 2"];
    let found = lines(&old, &new, None).unwrap();
    assert_eq!(
        found,
        [
            "linux/arm removed a:armhf 1",
            "linux/arm64/v8 upgraded a:arm64 1 → 2"
        ]
    );
    assert!(lines(&old, &old, None).unwrap().is_empty());
    for other in [&new, &single, &tree] {
        assert_eq!(lines(&old, other, Some("arm64")).unwrap(), upgraded);
    }
    // What is not compared need not be there.
    let mut broken = MadeLayout::of(&[("amd64", &amd64), ("arm64", &newer)]);
    let layer = format!(
        "sha256/{}",
        digest(Algorithm::Sha256, &tar(&amd64[0])).hexadecimal()
    );
    broken.files.remove(&format!("blobs/{layer}")).unwrap();
    let broken = place.file("broken", &broken.archive());
    assert_eq!(lines(&old, &broken, Some("arm64")).unwrap(), upgraded);
    lines(&old, &broken, None).unwrap_err();
    for (old, new) in [(&old, &single), (&single, &old)] {
        let error = lines(old, new, None).unwrap_err();
        let text = error.to_string();
        for part in [
            "old has images for",
            "linux/amd64, linux/arm64",
            "single is one",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(error.hint().unwrap().contains("--arch"));
    }
    let error = lines(&old, &new, Some("riscv64")).unwrap_err();
    assert!(error.to_string().ends_with("old has no image for riscv64"));
    let found = "it has linux/amd64, linux/arm64, linux/arm";
    assert_eq!(error.hint().unwrap(), found);
    let error = lines(&single, &new, Some("amd64")).unwrap_err();
    assert!(error.to_string().ends_with("single has no image for amd64"));
}
