//! Which package owns a path that two packages ship: by Replaces, by being the same package of
//! another architecture, or neither; and what happens to the package that loses the path.

use rbootstrap::testing::{DebBuilder, host_architecture};

use crate::context::{TestContext, reference, suite};
use crate::packages::{same_as_dpkg, same_as_dpkg_of};

#[test]
#[ignore = "needs root, dpkg, apt"]
fn the_newer_replaces_the_older() {
    let old = DebBuilder::new("old-owner", "1")
        .file("usr/share/thing", "old\n")
        .file("usr/share/old-only", "old\n");
    let new = DebBuilder::new("new-owner", "1")
        .field("Pre-Depends", "old-owner")
        .field("Replaces", "old-owner (<< 2)")
        .file("usr/share/thing", "new\n");
    let context = same_as_dpkg([old, new], &["new-owner"]);
    assert_eq!(context.read("usr/share/thing"), "new\n");
    assert!(
        !context
            .read("var/lib/dpkg/info/old-owner.list")
            .contains("/usr/share/thing")
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn the_older_replaces_the_newer() {
    let old = DebBuilder::new("keeper", "1")
        .field("Replaces", "comer")
        .file("usr/share/thing", "kept\n");
    let new = DebBuilder::new("comer", "1")
        .field("Pre-Depends", "keeper")
        .file("usr/share/thing", "come\n")
        .file("usr/share/comer", "x");
    let context = same_as_dpkg([old, new], &["comer"]);
    assert_eq!(context.read("usr/share/thing"), "kept\n");
    assert!(
        !context
            .read("var/lib/dpkg/info/comer.list")
            .contains("/usr/share/thing")
    );
}

#[test]
#[ignore = "needs root, dpkg"]
fn an_overwrite_without_leave_names_all_three() {
    let first = DebBuilder::new("owner", "1").file("usr/share/disputed", "mine\n");
    let second = DebBuilder::new("taker", "1")
        .field("Pre-Depends", "owner")
        .field("Replaces", "owner (<< 1)")
        .file("usr/share/disputed", "no, mine\n");
    let context = TestContext::new([first, second]);
    context
        .make(&["--variant=essential", "--include=taker"])
        .fails(7)
        .names(&["owner", "taker", "/usr/share/disputed"]);
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg"]
fn an_overwrite_in_one_batch_is_found_too() {
    let debs =
        ["alpha", "beta"].map(|name| DebBuilder::new(name, "1").file("usr/share/disputed", name));
    let context = TestContext::new(debs);
    context
        .make(&["--variant=essential", "--include=alpha,beta"])
        .fails(7)
        .names(&["alpha", "beta", "/usr/share/disputed"]);
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_package_that_is_replaced_completely_disappears() {
    let note = "echo postrm \"$@\" >>/var/lib/note\nenv | grep ^DPKG_MAINT | sort >>/var/lib/note\n\
                dpkg-query -W -f '${Package} ${Status}\\n' ancient modern >>/var/lib/note 2>&1 || \
                true";
    let ancient = DebBuilder::new("ancient", "1")
        .file("usr/share/thing", "old\n")
        .script("postrm", note)
        .script("postinst", "echo configured >>/var/lib/note")
        .triggers("interest-noawait ancient-news");
    let modern = DebBuilder::new("modern", "2:3-1")
        .field("Replaces", "ancient")
        .field("Provides", "ancient")
        .file("usr/share/thing", "new\n");
    // In one batch the old one is never configured; after a Pre-Depends it was.
    let other = DebBuilder::new("other", "1")
        .depends("modern")
        .file("usr/share/other", "x");
    let context = same_as_dpkg(
        [ancient.clone(), modern.clone(), other.clone()],
        &["ancient", "other"],
    );
    assert!(
        context
            .read("var/lib/note")
            .starts_with("postrm disappear modern 2:3-1\n"),
        "{}",
        context.read("var/lib/note")
    );
    assert!(
        !context
            .read("var/lib/dpkg/status")
            .contains("Package: ancient\n")
    );
    let gate = DebBuilder::new("gate", "1")
        .field("Pre-Depends", "ancient")
        .file("usr/share/gate", "x");
    let modern = modern.field("Pre-Depends", "gate");
    let context = same_as_dpkg([ancient, modern, other, gate], &["ancient", "other"]);
    assert!(
        context
            .read("var/lib/note")
            .starts_with("configured\npostrm disappear modern 2:3-1\n"),
        "{}",
        context.read("var/lib/note")
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_replaced_package_that_is_needed_stays() {
    let old = DebBuilder::new("old", "1").file("usr/share/thing", "old\n");
    let user = DebBuilder::new("user", "1")
        .field("Pre-Depends", "old")
        .file("usr/share/user", "x");
    let new = DebBuilder::new("new", "1")
        .field("Replaces", "old")
        .depends("user")
        .file("usr/share/thing", "new\n");
    let context = same_as_dpkg([old.clone(), user, new.clone()], &["new"]);
    assert_eq!(
        context.read("var/lib/dpkg/info/old.list"),
        "/.\n/usr\n/usr/share\n"
    );
    // What has only a Depends counts once it is configured.
    let user = DebBuilder::new("user", "1")
        .depends("old")
        .file("usr/share/user", "x");
    let context = same_as_dpkg([old, user, new.field("Pre-Depends", "user")], &["new"]);
    assert!(
        context
            .read("var/lib/dpkg/status")
            .contains("Package: old\n")
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_package_that_gives_way_is_removed() {
    // The essential set has the older package, which the demand then conflicts with.
    let old = DebBuilder::new("old-tools", "1")
        .field("Provides", "tools")
        .script("prerm", "echo prerm \"$@\" >>/var/lib/note")
        .script("postrm", "echo postrm \"$@\" >>/var/lib/note")
        .file("usr/share/tools/list", "old\n");
    let needs = DebBuilder::new("needs-tools", "1")
        .field("Essential", "yes")
        .field("Priority", "required")
        .field("Depends", "old-tools | tools");
    let new = DebBuilder::new("new-tools", "1")
        .field("Provides", "tools")
        .field("Conflicts", "old-tools")
        .field("Replaces", "old-tools")
        .conffile("etc/tools.conf", "new\n")
        .file("usr/share/tools/list", "new\n");
    // Of the one something is left when dpkg has removed it, of the other nothing.
    for old in [old.clone().conffile("etc/tools.conf", "old\n"), old] {
        let context = TestContext::new([old.clone(), needs.clone(), new.clone()]);
        context
            .make(&["--variant=essential", "--include=new-tools"])
            .ok();
        let expected = context.path("expected");
        reference::tree_with(
            &context,
            &expected,
            &[needs.clone().into(), old.into()],
            &["new-tools"],
        );
        assert_eq!(reference::difference(&expected, &context.root()), "");
        assert_eq!(context.read("usr/share/tools/list"), "new\n");
    }
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn one_package_of_two_architectures() {
    let foreign = if host_architecture() == "amd64" {
        "i386"
    } else {
        "amd64"
    };
    let note = "echo \"$DPKG_MAINTSCRIPT_PACKAGE:$DPKG_MAINTSCRIPT_ARCH of \
                $DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT\" >>/var/lib/note";
    let library = |architecture: &str, own: &str| {
        DebBuilder::new("libtwin", "1")
            .architecture(architecture)
            .field("Multi-Arch", "same")
            .file("usr/share/doc/libtwin/copyright", "free\n")
            .symlink("usr/share/doc/libtwin/changelog", "copyright")
            .conffile("etc/libtwin.conf", "shared\n")
            .file(own, "x")
            .script("preinst", note)
            .triggers("interest-noawait twins")
    };
    let mut shape = suite([
        library(host_architecture(), "usr/lib/native/libtwin.so"),
        library(foreign, "usr/lib/foreign/libtwin.so"),
    ]);
    shape.architectures.push(foreign.to_owned());
    let context = same_as_dpkg_of(&shape, &["libtwin", &format!("libtwin:{foreign}")]);
    assert!(
        context
            .read("var/lib/dpkg/status")
            .matches("Package: libtwin\nStatus: install ok installed\n")
            .count()
            == 2
    );
    // What differs between the two is refused.
    let differing = |architecture: &str| {
        DebBuilder::new("libodd", "1")
            .architecture(architecture)
            .field("Multi-Arch", "same")
            .file("usr/share/doc/libodd/arch", architecture)
    };
    let mut shape = suite([differing(host_architecture()), differing(foreign)]);
    shape.architectures.push(foreign.to_owned());
    let context = TestContext::of(&shape);
    let both = format!("{},{foreign}", host_architecture());
    let outcome = context.make(&[
        "--arch",
        &both,
        "--variant=essential",
        &format!("--include=libodd,libodd:{foreign}"),
    ]);
    outcome
        .fails(7)
        .names(&["libodd", "/usr/share/doc/libodd/arch"]);
    context.assert_nothing_left();
}
