//! Archives that helpers unpack in a tree: nothing lands outside, and what is not known is refused.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use rbootstrap::testing::tar::{
    TarEntry, device, directory, entry, file, hard_link, symlink as link, tar,
};
use rbootstrap::testing::tree::names;

use super::helpers::helper;
use crate::context::{Outcome, TestContext};

/// A directory of the host that the tree's symlinks lead to, from the host's root.
fn outside(context: &TestContext) -> String {
    let outside = context.path("home/outside");
    fs::create_dir_all(&outside).unwrap();
    outside.to_str().unwrap().to_owned()
}

/// Unpacks an archive in a new tree with symlinks that lead outside from the host's root.
fn unpack(context: &TestContext, archive: &[u8]) -> Outcome {
    let outside = outside(context);
    let root = context.root();
    if root.exists() {
        fs::remove_dir_all(&root).unwrap();
    }
    fs::create_dir_all(root.join("srv")).unwrap();
    fs::create_dir(root.join("var")).unwrap();
    symlink(&outside, root.join("srv/away")).unwrap();
    let up = format!("../../../../../../../../..{outside}");
    symlink(up, root.join("srv/up")).unwrap();
    symlink("away", root.join("srv/chain")).unwrap();
    symlink("/var", root.join("srv/near")).unwrap();
    fs::write(context.path("place"), archive).unwrap();
    helper(context, &["tar-in", "place", "/"])
}

/// A pax record, which begins with its own length.
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    if rest + length.to_string().len() > length {
        length += 1;
    }
    format!("{length} {key}={value}\n")
}

fn pax(flag: u8, key: &str, value: &str) -> TarEntry {
    TarEntry {
        content: record(key, value).into_bytes(),
        ..entry("pax", flag, 0o644)
    }
}

fn large_attribute(name: &str) -> TarEntry {
    pax(b'x', &format!("SCHILY.xattr.{name}"), &"x".repeat(700_000))
}

fn sized(one: TarEntry, size: u64) -> TarEntry {
    TarEntry {
        declared_size: Some(size),
        ..one
    }
}

/// An archive, and what unpacking it says.
struct Case {
    name: &'static str,
    entries: Vec<TarEntry>,
    says: &'static str,
}

fn refused(name: &'static str, entries: Vec<TarEntry>, says: &'static str) -> Case {
    Case {
        name,
        entries,
        says,
    }
}

/// Archives that would write outside of the tree, or that two readers read in two ways.
fn hostile(outside: &str) -> Vec<Case> {
    let x = || file("x", "x\n");
    let exists = "File exists";
    // What another reader takes for the content of the entry before it.
    let hidden = || {
        let inner = tar(&[file("srv/away/file", "x\n")]);
        inner[..1024].to_vec()
    };
    let covering = |one: TarEntry| TarEntry {
        content: hidden(),
        ..one
    };
    vec![
        refused(
            "an absolute symlink",
            vec![file("srv/away/file", "x")],
            exists,
        ),
        refused("many ..", vec![file("srv/up/file", "x")], exists),
        refused(
            "a chain of symlinks",
            vec![file("srv/chain/file", "x")],
            exists,
        ),
        refused(
            "a long name",
            vec![file(format!("srv/away/{}", "x".repeat(120)), "x")],
            exists,
        ),
        refused(
            "a symlink of the archive",
            vec![link("a", outside), file("a/file", "x")],
            exists,
        ),
        refused(
            "a symlink of the archive to one of the tree",
            vec![link("a", "srv/away"), file("a/file", "x")],
            exists,
        ),
        refused(
            "a directory behind a symlink",
            vec![directory("srv/away/new/")],
            exists,
        ),
        refused("..", vec![file("../x", "x")], "`../x` leads out of"),
        refused(
            "a hard link to ..",
            vec![hard_link("x", "../x")],
            "`../x` leads out",
        ),
        refused(
            "a hard link to a file outside",
            vec![hard_link("x", "srv/away/secret")],
            "No such file",
        ),
        refused(
            "a hard link to no file",
            vec![hard_link("x", "secret")],
            "cannot make `x` a hard link to `secret`: No such file",
        ),
        refused(
            "a name for all",
            vec![pax(b'g', "path", "srv/away/file"), x()],
            "no valid global pax record",
        ),
        refused(
            "attributes for all",
            vec![pax(b'g', "SCHILY.xattr.user.x", "y"), x()],
            "no valid global pax record",
        ),
        refused(
            "more attributes than a header has room for",
            vec![large_attribute("user.a"), large_attribute("user.b"), x()],
            "more bytes of extended attributes in an entry",
        ),
        refused(
            "a name in Solaris's header",
            vec![pax(b'X', "path", "srv/away/file"), x()],
            exists,
        ),
        refused(
            "a name of a sparse file",
            vec![pax(b'x', "GNU.sparse.name", "srv/away/file"), x()],
            "a GNU sparse file",
        ),
        refused(
            "a hard link with content",
            vec![x(), covering(hard_link("y", "x"))],
            "no valid size",
        ),
        refused(
            "a directory with content",
            vec![covering(directory("y/"))],
            "no valid size",
        ),
        refused(
            "a symlink with content",
            vec![covering(link("y", "x"))],
            "no valid size",
        ),
        refused(
            "a device with content",
            vec![covering(device("y", 1, 3))],
            "no valid size",
        ),
        refused(
            "an unknown type",
            vec![entry("y", b'Z', 0o644)],
            "of the type `Z`",
        ),
        refused(
            "a volume's rest",
            vec![entry("y", b'M', 0o644)],
            "of the type `M`",
        ),
        refused(
            "an incremental one",
            vec![entry("y", b'D', 0o755)],
            "of the type `D`",
        ),
        refused(
            "a record that is cut off",
            vec![sized(pax(b'x', "path", "y"), 7), x()],
            "pax record",
        ),
        refused(
            "half a file",
            vec![sized(file("y", "x"), 1 << 20)],
            "ends within an entry",
        ),
        refused(
            "a directory with files in the way",
            vec![file("d/x", "x"), file("d", "x")],
            "not empty",
        ),
    ]
}

#[test]
#[ignore = "needs root"]
fn nothing_is_unpacked_outside_of_the_tree() {
    let context = TestContext::bare();
    let outside = outside(&context);
    let secret = Path::new(&outside).join("secret");
    fs::write(&secret, "secret").unwrap();
    let cases = hostile(&outside);
    for case in &cases {
        let made = unpack(&context, &tar(&case.entries));
        let said = &made.stderr;
        assert_eq!(
            names(Path::new(&outside)),
            ["secret"],
            "{}: {said}",
            case.name
        );
        assert_eq!(fs::metadata(&secret).unwrap().nlink(), 1, "{}", case.name);
        assert_eq!(made.code, Some(1), "{}: {said}", case.name);
        assert!(said.contains("tar-in: "), "{}: {said}", case.name);
        assert!(said.contains(case.says), "{}: {said}", case.name);
    }
    for text in ["no archive".repeat(99), "short".to_owned()] {
        let made = unpack(&context, text.as_bytes());
        made.fails(1).names(&["not an uncompressed tar archive"]);
    }
    println!("{} cases", cases.len() + 2);
}

#[test]
#[ignore = "needs root"]
fn names_and_sizes_of_pax_headers_count() {
    let context = TestContext::bare();
    let cases: Vec<(&str, Vec<TarEntry>, &str)> = vec![
        ("a plain file", vec![file("x", "x\n")], "x"),
        (
            "a name",
            vec![pax(b'x', "path", "d/y"), file("x", "x\n")],
            "d/y",
        ),
        (
            "a name with a line",
            vec![pax(b'x', "path", "a\nb"), file("x", "x\n")],
            "a\nb",
        ),
        (
            "a name that is removed again",
            vec![
                pax(b'x', "path", "d/y"),
                pax(b'x', "path", ""),
                file("x", "x\n"),
            ],
            "x",
        ),
        (
            "times and owners that are removed again",
            vec![
                pax(b'g', "uid", "7"),
                pax(b'g', "mtime", "7"),
                pax(b'x', "uid", ""),
                pax(b'x', "mtime", ""),
                pax(b'x', "size", ""),
                file("x", "x\n"),
            ],
            "x",
        ),
        (
            "an attribute that is set again and again",
            vec![
                large_attribute("user.x"),
                large_attribute("user.x"),
                pax(b'x', "SCHILY.xattr.user.x", "1"),
                file("x", "x\n"),
            ],
            "x",
        ),
        // As for a file whose size the header's field has no room for.
        (
            "a size",
            vec![pax(b'x', "size", "2"), sized(file("x", "x\n"), 0)],
            "x",
        ),
        (
            "a comment for all",
            vec![pax(b'g', "comment", "y"), file("x", "x\n")],
            "x",
        ),
        (
            "a volume's name",
            vec![entry("v", b'V', 0), file("x", "x\n")],
            "x",
        ),
        ("a symlink inside", vec![file("srv/near/x", "x\n")], "var/x"),
        (
            "new directories",
            vec![file("srv/new/directory/x", "x\n")],
            "srv/new/directory/x",
        ),
        (
            "a hard link",
            vec![file("y", "x\n"), hard_link("x", "./y")],
            "x",
        ),
        (
            "a hard link to itself",
            vec![file("x", "x\n"), hard_link("x", "x")],
            "x",
        ),
        (
            "a file for a symlink",
            vec![link("x", "/y"), file("x", "x\n")],
            "x",
        ),
        (
            "a file for a directory",
            vec![directory("x/"), file("x", "x\n")],
            "x",
        ),
        (
            "a directory for a symlink",
            vec![link("d", "/y"), directory("d/"), file("d/x", "x\n")],
            "d/x",
        ),
    ];
    for (name, entries, path) in &cases {
        let made = unpack(&context, &tar(entries));
        assert_eq!(made.code, Some(0), "{name}: {}", made.stderr);
        let read = fs::read(context.root().join(path));
        assert_eq!(read.ok().as_deref(), Some(&b"x\n"[..]), "{name}");
    }
    println!("{} cases", cases.len());
}

#[test]
#[ignore = "needs root"]
fn lists_and_labels_that_are_ignored_are_named_once() {
    let context = TestContext::bare();
    let key = "SCHILY.acl.access";
    let mut entries = Vec::new();
    for name in ["x", "y"] {
        entries.push(pax(b'x', key, "user::rw-"));
        entries.push(file(name, "x\n"));
    }
    let made = unpack(&context, &tar(&entries)).ok();
    assert_eq!(made.stderr.matches(key).count(), 1, "{}", made.stderr);
}

/// What a file system cannot store, GNU tar warns of. The mark of a run is no attribute of a file.
#[test]
#[ignore = "needs root"]
fn attributes_that_cannot_be_set_are_named() {
    let context = TestContext::bare();
    let mut entries = Vec::new();
    for name in ["trusted.rbootstrap.run", "user.rbootstrap.run"] {
        entries.push(pax(b'x', &format!("SCHILY.xattr.{name}"), "1 2"));
    }
    let long = "user.".to_owned() + &"x".repeat(300);
    entries.push(pax(b'x', &format!("SCHILY.xattr.{long}"), "y"));
    entries.push(file("x", "x\n"));
    let made = unpack(&context, &tar(&entries)).ok();
    let warning = format!("W: cannot set the extended attribute `{long}` of `x`: ");
    assert!(made.stderr.contains(&warning), "{}", made.stderr);
    let mut names = vec![0; 1024];
    let length = rustix::fs::listxattr(context.root().join("x"), &mut names).unwrap();
    let listed = String::from_utf8_lossy(&names[..length]).into_owned();
    assert!(!listed.contains("rbootstrap"), "{listed}");
}
