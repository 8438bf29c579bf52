//! Conffiles: each is unpacked beside its place, and put there by the tree's own dpkg.

use std::fs;
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tar::file;

use crate::context::{TestContext, outcome, reference};
use crate::packages::same_as_dpkg;

#[test]
#[ignore = "needs root, dpkg, apt"]
fn conffiles_with_and_without_a_target() {
    let deb = DebBuilder::new("conf", "1")
        .conffile("etc/conf/plain", "plain\n")
        .conffile("etc/conf/below/deep", "deep\n")
        .entry(file("etc/conf/private", "secret\n").mode(0o600));
    let mut deb = deb.field("Section", "misc");
    deb.conffiles.push("/etc/conf/private".to_owned());
    let context = same_as_dpkg([deb], &["conf"]);
    assert!(!context.read("var/lib/dpkg/status").contains("newconffile"));
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_conffile_behind_a_symlink() {
    let first = DebBuilder::new("first", "1")
        .directory("etc/real")
        .symlink("etc/alias", "real");
    let second = DebBuilder::new("second", "1")
        .field("Pre-Depends", "first")
        .conffile("etc/alias/setting", "on\n");
    let context = same_as_dpkg([first, second], &["second"]);
    assert_eq!(context.read("etc/real/setting"), "on\n");
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_conffile_that_a_preinst_put_there() {
    let put =
        |content: &str| format!("mkdir -p /etc/conf; printf '{content}\\n' >/etc/conf/setting");
    let same = DebBuilder::new("same", "1")
        .script("preinst", &put("shipped"))
        .conffile("etc/conf/setting", "shipped\n");
    same_as_dpkg([same], &["same"]);
    // dpkg would ask which version to keep, and there is no terminal: apt fails on it too.
    let other = DebBuilder::new("other", "1")
        .script("preinst", &put("mine"))
        .conffile("etc/conf/setting", "shipped\n");
    let context = TestContext::new([other]);
    context
        .make(&["--variant=essential", "--include=other"])
        .fails(7)
        .names(&["other", "/etc/conf/setting"]);
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_conffile_to_remove_on_upgrade() {
    // One is there, since the preinst puts it there, and one is not.
    let mut deb = DebBuilder::new("conf", "1")
        .script("preinst", "mkdir -p /etc; echo old >/etc/conf.old")
        .conffile("etc/conf", "here\n");
    deb.conffiles.extend([
        "remove-on-upgrade /etc/conf.gone".to_owned(),
        "remove-on-upgrade /etc/conf.old".to_owned(),
    ]);
    same_as_dpkg([deb], &["conf"]);
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_conffile_that_is_a_symlink_in_the_tree() {
    let preinst = "mkdir -p /etc/real; ln -s real/setting /etc/setting; ln -s ../../etc/real/none \
                   /etc/dangling";
    let deb = DebBuilder::new("conf", "1")
        .script("preinst", preinst)
        .conffile("etc/setting", "on\n")
        .conffile("etc/dangling", "off\n");
    same_as_dpkg([deb], &["conf"]);
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn conffiles_that_are_hard_links_of_each_other() {
    let mut deb = DebBuilder::new("links", "1")
        .conffile("etc/links/first", "shared\n")
        .hard_link("etc/links/second", "etc/links/first");
    deb.conffiles.push("/etc/links/second".to_owned());
    same_as_dpkg([deb], &["links"]);
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_conffile_that_another_package_takes_over() {
    let own = |name: &str| DebBuilder::new(name, "1").file(&format!("usr/share/{name}"), "x");
    let old = own("old")
        .conffile("etc/shared/setting", "old\n")
        .conffile("etc/shared/plain", "old\n");
    let new = own("new")
        .field("Replaces", "old")
        .conffile("etc/shared/setting", "new\n")
        .file("etc/shared/plain", "new\n");
    let after = new.clone().field("Pre-Depends", "old");
    // In one batch, where the old one's wait as .dpkg-new, and after the old one is configured.
    same_as_dpkg([old.clone(), new], &["old", "new"]);
    let context = same_as_dpkg([old, after], &["new"]);
    assert!(context.read("var/lib/dpkg/status").contains(" obsolete\n"));
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_hard_link_to_a_conffile() {
    let deb = DebBuilder::new("links", "1")
        .conffile("etc/links/first", "shared\n")
        .hard_link("etc/links/second", "etc/links/first");
    same_as_dpkg([deb], &["links"]);
}

/// Files that are in the tree before any package: apt's sources, preferences, fstab, and what keeps
/// services from starting. A package that ships one is treated as by dpkg with `--force-confold`:
/// of a conffile the file that is there stays, and a plain file is replaced. Its scripts, and those
/// of packages configured with it, see that option only where a conffile is there.
#[test]
#[ignore = "needs root, dpkg, apt"]
fn conffiles_and_files_that_are_there_before() {
    // What is there before; None for what the tree has only while scripts run.
    let paths = [
        ("etc/apt/sources.list", true),
        ("etc/apt/preferences.d/pinned-sources.pref", true),
        ("etc/dpkg/dpkg.cfg.d/rbootstrap-paths", true),
        ("etc/fstab", true),
        ("etc/resolv.conf", false),
        ("usr/sbin/policy-rc.d", false),
    ];
    let mut ran = 0;
    for is_conffile in [true, false] {
        let mut deb =
            DebBuilder::new("own", "1").script("postinst", "echo \"$DPKG_FORCE\" >/var/lib/forced");
        for (path, _) in paths {
            deb = match is_conffile {
                true => deb.conffile(path, "# shipped\n"),
                false => deb.file(path, "# shipped\n"),
            };
        }
        let context = TestContext::new([deb.clone()]);
        let key = context.path("keyring.gpg").display().to_string();
        let pinned = format!(
            "deb [signed-by={key} pin-priority=400] file:{} fake main",
            context.archive.root.display()
        );
        let options = [
            "--variant=essential",
            "--include=own",
            "--path-exclude=/usr/share/none/*",
            "--source",
            &pinned,
        ];
        context.make(&options).ok();
        let expected = expected_by_dpkg(&context, &deb, &paths);
        let mut made = Vec::new();
        for (path, _) in paths {
            made.extend(state_of(&context.root(), path));
            ran += 1;
        }
        made.extend(stanza_of(&context.root()));
        assert_eq!(made, expected, "conffile: {is_conffile}");
        let forced = context.read("var/lib/forced");
        assert!(forced.contains("security-mac"), "{forced}");
        assert_eq!(forced.contains("confold"), is_conffile, "{forced}");
    }
    println!("files that are there before: {ran} cases");
    assert_eq!(ran, 12);
}

/// A stand-in with the content of the package's file is the package's in the end.
#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_file_like_a_stand_in_stays() {
    let deb = DebBuilder::new("own", "1")
        .conffile("etc/resolv.conf", "")
        .entry(file("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n").mode(0o755));
    let context = TestContext::new([deb]);
    let options = ["--variant=essential", "--include=own"];
    context.make(&options).ok();
    assert_eq!(context.read("etc/resolv.conf"), "");
    assert!(context.read("usr/sbin/policy-rc.d").contains("exit 101"));
}

/// What dpkg makes of the package in a tree that has the files before.
fn expected_by_dpkg(
    context: &TestContext,
    deb: &DebBuilder,
    paths: &[(&str, bool)],
) -> Vec<String> {
    let root = context.path("expected");
    reference::tree(context, &root, &[]);
    for (path, stays) in paths {
        let from = context.root().join(path);
        let to = root.join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&to);
        // Of a conffile what was there has stayed; of a plain file anything is replaced.
        if *stays {
            fs::copy(from, to).unwrap();
        }
    }
    fs::write(root.join("own.deb"), deb.build()).unwrap();
    let mut install = Command::new("chroot");
    install.arg(&root);
    install.args(["dpkg", "--force-confold", "--install", "/own.deb"]);
    install.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    outcome(&mut install).ok();
    let mut found = Vec::new();
    for (path, _) in paths {
        found.extend(state_of(&root, path));
    }
    found.extend(stanza_of(&root));
    found
}

/// A path and what dpkg puts beside it, with their contents.
fn state_of(root: &Path, path: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for suffix in ["", ".dpkg-dist", ".dpkg-new", ".dpkg-old"] {
        let name = format!("{path}{suffix}");
        if let Ok(content) = fs::read_to_string(root.join(&name)) {
            lines.push(format!("{name}: {content}"));
        }
    }
    lines
}

/// The package's stanza in dpkg's status.
fn stanza_of(root: &Path) -> Vec<String> {
    let status = fs::read_to_string(root.join("var/lib/dpkg/status")).unwrap();
    let mut stanzas = status.split("\n\n");
    let own = stanzas.find(|stanza| stanza.starts_with("Package: own\n"));
    own.unwrap().lines().map(str::to_owned).collect()
}
