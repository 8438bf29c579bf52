//! Files that are keyrings, and files that are not.

use std::fs;

use rbootstrap::testing::ArchiveKey;

use super::{plan, published, small};
use crate::context::outcome;
use crate::table::{self, Row};

/// What a keyring file holds.
#[derive(Clone, Copy)]
enum Content {
    Binary,
    Armored,
    /// Each line ends as DOS ends it.
    ArmoredForDos,
    /// Text before the armor.
    Commented,
    TwoArmored,
    TwoBinary,
    Stranger,
    /// The first bytes, so many, of the binary form.
    CutAt(usize),
    ArmorCut,
    Bytes(&'static [u8]),
    Directory,
    Absent,
}

struct KeyringFile {
    name: &'static str,
    content: Content,
    code: i32,
    says: &'static str,
}

impl Row for KeyringFile {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn run(&self) {
        let (context, _) = published(&small());
        let path = context.path("tested.gpg");
        match self.content {
            Content::Directory => fs::create_dir(&path).unwrap(),
            Content::Absent => {}
            content => fs::write(&path, content.bytes(&context.archive.key)).unwrap(),
        }
        let mut command = context.program();
        command
            .args(["--print-debs", "--variant=essential", "--tries=1"])
            .args(["--keyring", "tested.gpg", "fake", "root"])
            .arg(context.mirror.url());
        outcome(&mut command).fails(self.code).names(&[self.says]);
        context.assert_no_deb_requested();
    }
}

impl Content {
    fn bytes(self, key: &ArchiveKey) -> Vec<u8> {
        let stranger = ArchiveKey::new("Stranger <stranger@example.org>");
        match self {
            Content::Binary => key.binary(),
            Content::Armored => key.armored().into_bytes(),
            Content::ArmoredForDos => key.armored().replace('\n', "\r\n").into_bytes(),
            Content::Commented => format!("# a comment\n\n{}", key.armored()).into_bytes(),
            Content::TwoArmored => (stranger.armored() + &key.armored()).into_bytes(),
            Content::TwoBinary => [stranger.binary(), key.binary()].concat(),
            Content::Stranger => stranger.binary(),
            Content::CutAt(length) => key.binary()[..length].to_vec(),
            Content::ArmorCut => key.armored().as_bytes()[..150].to_vec(),
            Content::Bytes(bytes) => bytes.to_vec(),
            Content::Directory | Content::Absent => unreachable!("it has no content"),
        }
    }
}

#[test]
fn keyring_files() {
    let name = "tested.gpg";
    let keybox = Content::Bytes(b"\x00\x00\x00\x20\x01\x01\x00\x02KBXf\x00\x00\x00\x00");
    let private = Content::Bytes(b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlFgE\n");
    let rows = [
        ("binary", Content::Binary, 0, ""),
        ("armored", Content::Armored, 0, ""),
        (
            "armored, with line ends of DOS",
            Content::ArmoredForDos,
            0,
            "",
        ),
        ("armored, after a comment", Content::Commented, 0, ""),
        ("two armored keys", Content::TwoArmored, 0, ""),
        ("two binary keys", Content::TwoBinary, 0, ""),
        ("another key", Content::Stranger, 3, "is not in the keyring"),
        ("cut after 3 bytes", Content::CutAt(3), 2, name),
        ("cut after 20 bytes", Content::CutAt(20), 2, name),
        ("cut after 90 bytes", Content::CutAt(90), 2, name),
        ("armor that is cut", Content::ArmorCut, 2, name),
        ("a GnuPG keybox", keybox, 2, "hint: export its keys"),
        ("a private key", private, 2, name),
        ("nothing", Content::Bytes(b""), 2, name),
        ("text", Content::Bytes(b"no key\n"), 2, name),
        (
            "a page",
            Content::Bytes(b"<html>log in first</html>"),
            2,
            name,
        ),
        ("zeros", Content::Bytes(&[0; 64]), 2, name),
        ("a directory", Content::Directory, 2, name),
        ("absent", Content::Absent, 2, name),
    ];
    let mut cases = Vec::new();
    for (name, content, code, says) in rows {
        cases.push(KeyringFile {
            name,
            content,
            code,
            says,
        });
    }
    table::run("trust: keyrings", 19, &cases);
}

/// A source whose Signed-By names keys by fingerprint.
struct Selected {
    name: &'static str,
    /// With `FILE` for a keyring, `KEY` for the fingerprint of the key in it.
    signed_by: &'static str,
    code: i32,
    says: &'static str,
}

impl Row for Selected {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn run(&self) {
        let (context, _) = published(&small());
        let signed_by = self
            .signed_by
            .replace("FILE", &context.path("keyring.gpg").display().to_string())
            .replace("KEY", &context.archive.key.fingerprint());
        let url = context.mirror.url();
        let source = format!("--source=deb [signed-by={signed_by}] {url} fake main");
        plan(&context, &[&source])
            .fails(self.code)
            .names(&[self.says]);
    }
}

#[test]
fn fingerprints_select_keys() {
    let unknown = "0123456789ABCDEF0123456789ABCDEF01234567";
    let rows = [
        ("a trusted key", "KEY", 0, ""),
        ("a key in a file", "FILE,KEY", 0, ""),
        (
            "a key and one that is unknown",
            "KEY,0123456789ABCDEF0123456789ABCDEF01234567",
            0,
            "",
        ),
        (
            "a key that is not trusted",
            "0123456789ABCDEF0123456789ABCDEF01234567",
            2,
            "--keyring FILE",
        ),
        (
            "its fingerprint",
            "0123456789ABCDEF0123456789ABCDEF01234567!",
            2,
            unknown,
        ),
        (
            "a key that no file has",
            "FILE,0123456789ABCDEF0123456789ABCDEF01234567",
            2,
            "keyring.gpg has the fingerprint 0123",
        ),
    ];
    let mut cases = Vec::new();
    for (name, signed_by, code, says) in rows {
        cases.push(Selected {
            name,
            signed_by,
            code,
            says,
        });
    }
    table::run("trust: fingerprints", 6, &cases);
}
