//! Several names for an image, some of which fail, and the file that lists those that got it.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::*;

/// Two images of one tree, `a.oci.tar` and `b.oci.tar`, and the first as a directory `layout`.
fn images() -> TestContext {
    let context = TestContext::bare();
    fs::create_dir(context.path("place")).unwrap();
    for (architecture, output) in [
        ("amd64", &["a.oci.tar"][..]),
        ("s390x", &["b.oci.tar"]),
        ("amd64", &["--format=oci", "layout"]),
    ] {
        let mut pack = context.program();
        pack.args(["pack", "--arch", architecture, "place"]);
        outcome(pack.args(output)).ok();
    }
    context
}

/// The program with these words, of which `GOOD`, `BAD` and `CLOSED` stand for names in registries.
fn command(context: &TestContext, words: &str, hosts: &[(&str, &FakeRegistry)]) -> Command {
    let mut command = context.program();
    for word in words.split(' ') {
        let mut word = word.to_owned();
        for (name, registry) in hosts {
            word = word.replace(name, &format!("{}/team/fake", registry.host()));
        }
        command.arg(word);
    }
    command
}

/// It takes blobs, but no manifest.
fn without_manifests() -> FakeRegistry {
    FakeRegistry::start(Asks::Nothing, |asked, _| {
        (asked.method == "PUT" && asked.target.contains("/manifests/"))
            .then(|| refusal(400, "MANIFEST_INVALID", "no such media type"))
    })
}

fn puts(registry: &FakeRegistry) -> usize {
    let changes = registry.changes();
    changes.iter().filter(|c| c.starts_with("PUT")).count()
}

#[test]
#[ignore = "needs root"]
fn references_replace_no_image_and_no_document() {
    let context = images();
    symlink("a.oci.tar", context.path("link.oci.tar")).unwrap();
    let table = [
        ("an archive", "", "push a.oci.tar GOOD:1 --refs a.oci.tar"),
        ("a link", "", "push link.oci.tar GOOD:1 --refs ./a.oci.tar"),
        (
            "a directory",
            "",
            "push layout GOOD:1 --refs layout/index.json",
        ),
        ("here", "layout", "push . GOOD:1 --refs index.json"),
        (
            "an input of join",
            "",
            "join c.oci.tar a.oci.tar b.oci.tar --push GOOD:1 --refs b.oci.tar",
        ),
        (
            "a directory to join",
            "",
            "join c.oci.tar layout b.oci.tar --push GOOD:1 --refs layout/oci-layout",
        ),
        (
            "the output of join",
            "",
            "join c.oci.tar a.oci.tar b.oci.tar --push GOOD:1 --refs c.oci.tar",
        ),
        (
            "the output of pack",
            "",
            "pack --arch=amd64 place c.oci.tar --push GOOD:1 --refs c.oci.tar",
        ),
        (
            "a document",
            "",
            "pack --arch=amd64 place --manifest m --push GOOD:1 --refs m",
        ),
    ];
    let files = [
        "a.oci.tar",
        "b.oci.tar",
        "layout/index.json",
        "layout/oci-layout",
    ];
    let read = |name: &str| fs::read(context.path(name)).unwrap();
    let before = files.map(read);
    for (name, directory, words) in table {
        let registry = FakeRegistry::open();
        let mut command = command(&context, words, &[("GOOD", &registry)]);
        let failed = outcome(command.current_dir(context.path(directory))).fails(2);
        assert!(
            failed.stderr.contains("are the same, or one is inside"),
            "{name}: {}",
            failed.stderr
        );
        assert_eq!(registry.changes(), Vec::<String>::new(), "{name}");
        assert!(files.map(read) == before, "{name}");
        for absent in ["c.oci.tar", "m"] {
            assert!(!context.path(absent).exists(), "{name}");
        }
    }
    println!("{} places", table.len());
}

#[test]
#[ignore = "needs root"]
fn if_one_name_fails_the_others_still_get_the_image() {
    let context = images();
    let table = [
        ("the first", "push a.oci.tar BAD:1 GOOD:1", 1),
        ("the last", "push a.oci.tar GOOD:1 BAD:1", 1),
        ("two of three", "push a.oci.tar BAD:1 GOOD:1 BAD:2", 2),
        (
            "of pack",
            "pack --arch=amd64 place --push BAD:1 --push GOOD:1",
            1,
        ),
        (
            "of join",
            "join c.oci.tar a.oci.tar b.oci.tar --push BAD:1 --push GOOD:1",
            1,
        ),
    ];
    for (name, words, failures) in table {
        let registries = [FakeRegistry::open(), without_manifests()];
        let [good, bad] = &registries;
        let mut command = command(&context, words, &[("GOOD", good), ("BAD", bad)]);
        let failed = outcome(command.arg("--refs=refs")).fails(5);
        let told = failed.stderr.matches("cannot push ").count();
        assert_eq!(told, failures, "{name}: {}", failed.stderr);
        let messages = failed.stderr.matches("MANIFEST_INVALID").count();
        assert_eq!(messages, failures, "{name}: {}", failed.stderr);
        let manifest = good.stored().manifests["team/fake:1"].content.clone();
        let expected = format!("{}/team/fake@{}", good.host(), digest(&manifest));
        assert_eq!(refs(&context, "refs"), [expected], "{name}");
        fs::remove_file(context.path("refs")).unwrap();
    }
    println!("{} pushes", table.len());
}

#[test]
#[ignore = "needs root"]
fn a_push_tries_out_its_places_before_it_sends() {
    let context = images();
    let table = [
        (
            "an absent directory",
            "push a.oci.tar GOOD:1 --refs absent/refs",
            6,
        ),
        (
            "a directory in the way",
            "push a.oci.tar GOOD:1 --refs place",
            6,
        ),
        (
            "a registry",
            "push a.oci.tar GOOD:1 CLOSED:1 --refs refs",
            5,
        ),
    ];
    for (name, words, code) in table {
        let good = FakeRegistry::open();
        let closed = FakeRegistry::start(Asks::Nothing, |asked, _| {
            (asked.method == "POST").then(|| refusal(403, "DENIED", "read only"))
        });
        let mut command = command(&context, words, &[("GOOD", &good), ("CLOSED", &closed)]);
        outcome(&mut command).fails(code);
        assert_eq!(puts(&good), 0, "{name}");
        assert!(!context.path("refs").exists(), "{name}");
    }
    println!("{} places", table.len());
}

/// What stays is not said to be undone: an image in a registry, a document.
#[test]
#[ignore = "needs root"]
fn an_interrupt_says_whether_something_stays() {
    let context = TestContext::bare();
    fs::create_dir(context.path("place")).unwrap();
    let table = [
        ("nothing", "--push HANGING:1", true),
        (
            "an image in a registry",
            "--push GOOD:1 --push HANGING:1",
            false,
        ),
        ("a document", "--manifest m --push HANGING:1", false),
    ];
    for (name, words, is_undone) in table {
        let good = FakeRegistry::open();
        let hanging = FakeRegistry::start(Asks::Nothing, |asked, _| {
            (asked.method == "PUT").then(|| Reply::raw("HTTP/1.1 2", b"").cut(0, Then::Hang))
        });
        let hosts = [("GOOD", &good), ("HANGING", &hanging)];
        let mut command = command(
            &context,
            &format!("pack --arch=amd64 place {words}"),
            &hosts,
        );
        let child = start(&mut command);
        assert!(within_a_minute(|| puts(&hanging) > 0), "{name}");
        let stderr = interrupted(child, Signal::INT);
        assert_eq!(
            stderr.contains("everything is undone"),
            is_undone,
            "{name}: {stderr}"
        );
        let has_document = Path::new(&context.path("m")).exists();
        assert_eq!(has_document, words.contains(" m "), "{name}");
        assert_eq!(puts(&good) > 0, words.contains("GOOD"), "{name}");
    }
    println!("{} pushes", table.len());
}
