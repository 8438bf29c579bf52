//! What packages ship: compressions, kinds of entries, owners and modes, links, names; and what
//! must not be believed of them.

use std::fs;
use std::os::unix::fs::MetadataExt;

use rbootstrap::testing::tar::{device, directory, fifo, file};
use rbootstrap::testing::{Compression, Damage, DebBuilder, base};

use crate::context::{TestContext, suite};
use crate::packages::same_as_dpkg;

#[test]
#[ignore = "needs root, dpkg, apt"]
fn the_base() {
    same_as_dpkg([], &[]);
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_package_with_a_dependency() {
    let context = same_as_dpkg([], &["hello"]);
    // The conffile's digest is in the status, and nothing says newconffile any more.
    let status = context.read("var/lib/dpkg/status");
    assert!(
        status.contains(" /etc/hello.conf 5fcff1ba4282cd9ba55a13ff3fdca6f5")
            || status.contains(" /etc/hello.conf "),
        "{status}"
    );
    assert!(!status.contains("newconffile"), "{status}");
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn everything_of_the_base_distribution() {
    same_as_dpkg(
        [],
        &["apt", "build-essential", "hello", "manual-pages", "netbase"],
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn every_compression() {
    let all = [
        Compression::None,
        Compression::Gzip,
        Compression::Xz,
        Compression::Zstd,
    ];
    let debs = all.map(|compression| {
        let name = format!(
            "in-{}",
            if compression.extension().is_empty() {
                "tar"
            } else {
                compression.extension()
            }
        );
        DebBuilder::new(&name, "1")
            .compressed(compression, compression)
            .file(&format!("usr/share/{name}"), "text\n".repeat(5000))
    });
    same_as_dpkg(debs, &["in-gz", "in-tar", "in-xz", "in-zst"]);
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn old_compressions_of_data() {
    let debs = [Compression::Bzip2, Compression::Lzma].map(|compression| {
        let name = format!("in-{}", compression.extension());
        DebBuilder::new(&name, "1")
            .compressed(Compression::Gzip, compression)
            .file(&format!("usr/share/{name}"), "text\n".repeat(5000))
    });
    same_as_dpkg(debs, &["in-bz2", "in-lzma"]);
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn modes_owners_and_times() {
    let deb = DebBuilder::new("modes", "1")
        .entry(file("usr/bin/setuid", "x").mode(0o4755))
        .entry(
            file("usr/bin/setgid", "x")
                .mode(0o2755)
                .owner("root", "utmp")
                .ids(0, 43),
        )
        .entry(directory("var/spool/sticky").mode(0o1777))
        .entry(
            directory("var/spool/private")
                .mode(0o700)
                .owner("man", "man")
                .ids(6, 12),
        )
        .entry(
            file("var/spool/private/by-name", "x")
                .mode(0o640)
                .owner("man", "shadow")
                .ids(999, 999),
        )
        .entry(
            file("var/spool/private/by-number", "x")
                .owner("no-such-user", "no-such-group")
                .ids(777, 778),
        )
        .entry(file("usr/share/modes/old", "x").modified(86_400))
        .entry(file("usr/share/modes/unreadable", "x").mode(0))
        .entry(file("usr/share/modes/empty", ""));
    let context = same_as_dpkg([deb], &["modes"]);
    assert_eq!(&context.line("usr/bin/setuid")[..10], "f 4755 0:0");
    assert_eq!(
        &context.line("var/spool/private/by-name")[..11],
        "f 0640 6:42"
    );
    assert_eq!(
        fs::metadata(context.root().join("usr/share/modes/old"))
            .unwrap()
            .mtime(),
        86_400
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn devices_and_pipes() {
    let deb = DebBuilder::new("nodes", "1")
        .entry(device("usr/lib/nodes/null", 1, 3))
        .entry(fifo("usr/lib/nodes/pipe", 0o600));
    same_as_dpkg([deb], &["nodes"]);
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn hard_links() {
    let deb = DebBuilder::new("links", "1")
        .file("usr/lib/links/first", "shared\n")
        .hard_link("usr/lib/links/second", "usr/lib/links/first")
        .hard_link("usr/share/links/across", "usr/lib/links/first")
        .symlink("usr/share/links/soft", "../../lib/links/first");
    let context = same_as_dpkg([deb], &["links"]);
    assert_eq!(
        fs::metadata(context.root().join("usr/share/links/across"))
            .unwrap()
            .nlink(),
        3
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn long_names_and_names_of_no_encoding() {
    let long = format!("usr/share/{}/{}", "directory".repeat(9), "name".repeat(40));
    let deb = DebBuilder::new("names", "1")
        .file(&long, "long\n")
        .symlink("usr/share/names/link", &format!("/{long}"))
        .entry(file(b"usr/share/names/caf\xe9", "latin\n"))
        .file("usr/share/names/naïve €", "utf-8\n")
        .file("usr/share/names/with space", "space\n")
        .file("usr/share/names/-dash", "dash\n")
        .file("usr/share/names/back\\slash", "slash\n")
        .file(&format!("usr/share/names/{}", "x".repeat(246)), "longest\n");
    same_as_dpkg([deb], &["names"]);
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_directory_behind_another_packages_symlink() {
    let target = DebBuilder::new("target", "1")
        .directory("usr/lib/real")
        .symlink("usr/lib/alias", "real");
    let through = DebBuilder::new("through", "1")
        .field("Pre-Depends", "target")
        .file("usr/lib/alias/inside", "here\n")
        .directory("usr/lib/alias/below");
    let context = same_as_dpkg([target, through], &["through"]);
    assert_eq!(context.read("usr/lib/real/inside"), "here\n");
    assert_eq!(
        context.line("usr/lib/alias"),
        "l 0777 0:0 ->real /usr/lib/alias"
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn paths_by_their_old_names() {
    let deb = DebBuilder::new("aliased", "1")
        .program("bin/old-place", "x")
        .file("lib/aliased/module", "x")
        .program("sbin/tool", "x");
    let context = same_as_dpkg([deb], &["aliased"]);
    assert!(context.root().join("usr/lib/aliased/module").exists());
    assert!(
        context
            .read("var/lib/dpkg/info/aliased.list")
            .contains("/lib/aliased/module\n")
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_directory_of_two_packages() {
    let first = DebBuilder::new("first", "1")
        .entry(directory("var/lib/shared").mode(0o750))
        .file("var/lib/shared/first", "1");
    let second = DebBuilder::new("second", "1")
        .field("Pre-Depends", "first")
        .entry(directory("var/lib/shared").mode(0o711))
        .file("var/lib/shared/second", "2");
    let context = same_as_dpkg([first, second], &["second"]);
    assert!(context.line("var/lib/shared").starts_with("d 0750"));
}

#[test]
#[ignore = "needs root, dpkg, apt, setcap"]
fn capabilities_set_in_postinst_are_in_the_tar() {
    let mut setcap = base::program("setcap").expect("setcap of libcap2-bin");
    setcap.path = b"usr/sbin/setcap".into();
    let mut deb = DebBuilder::new("capable", "1")
        .program("usr/bin/ping", "x")
        .script("postinst", "setcap cap_net_raw+ep /usr/bin/ping")
        .entry(setcap);
    deb.entries.extend(
        base::libraries(&["setcap"])
            .into_iter()
            .filter(|entry| !base_has(&entry.path)),
    );
    let context = same_as_dpkg([deb], &["capable"]);
    assert!(
        context
            .line("usr/bin/ping")
            .contains("security.capability="),
        "{}",
        context.line("usr/bin/ping")
    );
    let tar = context
        .run([
            "--variant=essential",
            "--include=capable",
            "fake",
            "-",
            &context.mirror.url(),
        ])
        .ok()
        .stdout;
    let mut archive = tar::Archive::new(&tar[..]);
    let found = archive.entries().unwrap().any(|entry| {
        let mut entry = entry.unwrap();
        let here = entry.path_bytes().ends_with(b"usr/bin/ping");
        let extensions = entry.pax_extensions().unwrap();
        here && extensions.is_some_and(|mut all| {
            all.any(|one| one.unwrap().key() == Ok("SCHILY.xattr.security.capability"))
        })
    });
    assert!(found, "the tar has no capability on usr/bin/ping");
}

fn base_has(path: &[u8]) -> bool {
    base::base()
        .iter()
        .any(|deb| deb.entries.iter().any(|entry| entry.path == path))
}

#[test]
#[ignore = "needs root, dpkg"]
fn damaged_packages_are_named() {
    for damage in [
        Damage::Truncated,
        Damage::StreamCut,
        Damage::Trailing,
        Damage::NoData,
        Damage::Junk,
    ] {
        for compression in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
            let deb = DebBuilder::new("damaged", "1")
                .compressed(compression, compression)
                .file("usr/share/damaged", "text\n".repeat(3000))
                .damaged(damage);
            let context = TestContext::new([deb]);
            let outcome = context.make(&["--variant=essential", "--include=damaged"]);
            // dpkg ignores what follows a stream, too.
            if damage == Damage::Trailing && compression != Compression::Zstd {
                outcome.ok();
                continue;
            }
            assert_eq!(
                outcome.code,
                Some(3),
                "{damage:?} {compression:?}: {}",
                outcome.stderr
            );
            outcome.names(&["damaged"]);
            context.assert_nothing_left();
        }
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_package_that_is_another_than_its_index_says_is_refused() {
    let context = TestContext::bare();
    let claimed = DebBuilder::new("claimed", "1").file("usr/share/claimed", "x");
    let other = DebBuilder::new("other", "1").file("usr/share/other", "x");
    context.archive.publish(&suite([claimed.clone()]));
    // The pool's file is another package, and the index has that one's digest.
    let stanza = claimed.stanza()
        + &context
            .archive
            .place("pool/main/c/claimed.deb", &other.build())
        + "\n";
    context.archive.publish_appended(&suite([]), &stanza);
    let outcome = context.make(&["--variant=essential", "--include=claimed"]);
    outcome.fails(3).names(&["claimed"]);
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn no_md5sums_member() {
    let mut deb = DebBuilder::new("sumless", "1")
        .file("usr/share/sumless/a", "a\n")
        .hard_link("usr/share/sumless/b", "usr/share/sumless/a")
        .conffile("etc/sumless", "c\n");
    deb.md5sums = false;
    let context = same_as_dpkg([deb], &["sumless"]);
    assert!(
        context
            .read("var/lib/dpkg/info/sumless.md5sums")
            .contains("60b725f10c9c85c70d97880dfe8191b3  usr/share/sumless/a")
    );
}
