//! Diversions and statoverrides, which scripts make while packages are unpacked: for their own
//! package, for those that follow.

use rbootstrap::testing::DebBuilder;

use crate::packages::same_as_dpkg;

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_preinst_diverts_for_its_own_package() {
    let first = DebBuilder::new("first", "1").program("usr/bin/tool", "#!/bin/sh\necho first\n");
    let preinst =
        "dpkg-divert --package second --add --rename --divert /usr/bin/tool.first /usr/bin/tool";
    let second = DebBuilder::new("second", "1")
        .field("Pre-Depends", "first")
        .script("preinst", preinst)
        .program("usr/bin/tool", "#!/bin/sh\necho second\n");
    let context = same_as_dpkg([first, second], &["second"]);
    assert!(context.read("usr/bin/tool").contains("second"));
    assert!(context.read("usr/bin/tool.first").contains("first"));
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_path_that_an_earlier_package_diverted() {
    let preinst = "dpkg-divert --package first --add --rename --divert \
                   /usr/share/data/list.distrib /usr/share/data/list";
    let first = DebBuilder::new("first", "1")
        .script("preinst", preinst)
        .file("usr/share/data/list", "first\n");
    let second = DebBuilder::new("second", "1")
        .field("Pre-Depends", "first")
        .file("usr/share/data/list", "second\n")
        .hard_link("usr/share/data/again", "usr/share/data/list");
    let context = same_as_dpkg([first, second], &["second"]);
    assert_eq!(context.read("usr/share/data/list.distrib"), "second\n");
    assert!(
        context
            .read("var/lib/dpkg/info/second.list")
            .contains("/usr/share/data/list\n")
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_local_diversion() {
    let first = DebBuilder::new("first", "1").script(
        "preinst",
        "dpkg-divert --local --add --rename --divert /usr/share/x.off /usr/share/x",
    );
    let second = DebBuilder::new("second", "1")
        .field("Pre-Depends", "first")
        .file("usr/share/x", "x\n");
    let context = same_as_dpkg([first, second], &["second"]);
    assert_eq!(context.read("usr/share/x.off"), "x\n");
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_statoverride_in_preinst() {
    let first = DebBuilder::new("first", "1").script(
        "preinst",
        "dpkg-statoverride --add man shadow 2750 /usr/bin/guarded\n\
         dpkg-statoverride --add root man 0770 /var/lib/guarded",
    );
    let second = DebBuilder::new("second", "1")
        .field("Pre-Depends", "first")
        .program("usr/bin/guarded", "x")
        .directory("var/lib/guarded");
    let context = same_as_dpkg([first, second], &["second"]);
    assert!(
        context.line("usr/bin/guarded").starts_with("f 2750 6:42"),
        "{}",
        context.line("usr/bin/guarded")
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_diversion_within_one_batch() {
    // Neither waits for the other to be configured: the diverting preinst runs between the two that
    // ship the path, and after them.
    let preinst = "dpkg-divert --package m-divert --add --rename --divert \
                   /usr/share/data/list.old /usr/share/data/list\n\
                   dpkg-divert --package m-divert --add --rename --divert \
                   /usr/share/data/late.old /usr/share/data/late";
    let early = DebBuilder::new("a-early", "1").file("usr/share/data/list", "early\n");
    let divert = DebBuilder::new("m-divert", "1")
        .script("preinst", preinst)
        .file("usr/share/data/list", "diverting\n");
    let late = DebBuilder::new("z-late", "1")
        .file("usr/share/data/late", "late\n")
        .symlink("usr/share/data/link", "late");
    same_as_dpkg([early, divert, late], &["a-early", "m-divert", "z-late"]);
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_diverted_conffile() {
    let preinst =
        "dpkg-divert --package first --add --rename --divert /etc/setting.distrib /etc/setting";
    let first = DebBuilder::new("first", "1")
        .script("preinst", preinst)
        .file("etc/setting", "first\n");
    let second = DebBuilder::new("second", "1")
        .field("Pre-Depends", "first")
        .conffile("etc/setting", "second\n");
    let context = same_as_dpkg([first, second], &["second"]);
    assert_eq!(context.read("etc/setting.distrib"), "second\n");
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_symlink_and_a_hard_link_that_are_diverted() {
    let preinst = "for name in link first second; do\n\
                   \x20 dpkg-divert --package by --add --divert /usr/share/$name.off \
                   /usr/share/$name\ndone";
    let by = DebBuilder::new("by", "1").script("preinst", preinst);
    let deb = DebBuilder::new("links", "1")
        .field("Pre-Depends", "by")
        .file("usr/share/first", "1\n")
        .hard_link("usr/share/second", "usr/share/first");
    let context = same_as_dpkg([by, deb.symlink("usr/share/link", "first")], &["links"]);
    assert_eq!(context.read("usr/share/second.off"), "1\n");
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_statoverride_for_its_own_package_comes_too_late() {
    let preinst = "echo 'svc:*:101:101::/:/bin/sh' >>/etc/passwd\necho 'svc:*:101:' >>/etc/group\n\
                   dpkg-statoverride --add svc svc 4710 /usr/bin/own\n\
                   dpkg-statoverride --add '#7' '#8' 0600 /etc/own.conf";
    let deb = DebBuilder::new("own", "1")
        .script("preinst", preinst)
        .program("usr/bin/own", "x")
        .conffile("etc/own.conf", "secret\n");
    let context = same_as_dpkg([deb], &["own"]);
    // dpkg reads statoverrides when it is called: those of the package's own preinst come too late
    // for it.
    assert!(
        context.line("usr/bin/own").starts_with("f 0755 0:0"),
        "{}",
        context.line("usr/bin/own")
    );
    assert!(
        context.line("etc/own.conf").starts_with("f 0644 0:0"),
        "{}",
        context.line("etc/own.conf")
    );
}
