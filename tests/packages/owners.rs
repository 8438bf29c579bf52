//! Who owns a path that two packages ship: by Replaces, by being the same package of another architecture, or nobody; and what becomes of
//! who loses it.

use crate::packages::{same_as_dpkg, same_as_dpkg_of};
use crate::world::deb::Deb;
use crate::world::{World, host_architecture, reference, suite};

#[test]
fn the_newer_replaces_the_older() {
    let old = Deb::new("old-owner", "1")
        .file("usr/share/thing", "old\n")
        .file("usr/share/old-only", "old\n");
    let new = Deb::new("new-owner", "1")
        .field("Pre-Depends", "old-owner")
        .field("Replaces", "old-owner (<< 2)")
        .file("usr/share/thing", "new\n");
    let Some(world) = same_as_dpkg([old, new], &["new-owner"]) else {
        return;
    };
    assert_eq!(world.read("usr/share/thing"), "new\n");
    assert!(
        !world
            .read("var/lib/dpkg/info/old-owner.list")
            .contains("/usr/share/thing")
    );
}

#[test]
fn the_older_replaces_the_newer() {
    let old = Deb::new("keeper", "1")
        .field("Replaces", "comer")
        .file("usr/share/thing", "kept\n");
    let new = Deb::new("comer", "1")
        .field("Pre-Depends", "keeper")
        .file("usr/share/thing", "come\n")
        .file("usr/share/comer", "x");
    let Some(world) = same_as_dpkg([old, new], &["comer"]) else {
        return;
    };
    assert_eq!(world.read("usr/share/thing"), "kept\n");
    assert!(
        !world
            .read("var/lib/dpkg/info/comer.list")
            .contains("/usr/share/thing")
    );
}

#[test]
fn an_overwrite_without_leave_names_all_three() {
    let first = Deb::new("owner", "1").file("usr/share/disputed", "mine\n");
    let second = Deb::new("taker", "1")
        .field("Pre-Depends", "owner")
        .field("Replaces", "owner (<< 1)")
        .file("usr/share/disputed", "no, mine\n");
    let Some(world) = World::new([first, second]) else {
        return;
    };
    world
        .make(&["--variant=essential", "--include=taker"])
        .fails(7)
        .names(&["owner", "taker", "/usr/share/disputed"]);
    world.assert_nothing_left();
}

#[test]
fn an_overwrite_in_one_batch_is_found_too() {
    let debs = ["alpha", "beta"].map(|name| Deb::new(name, "1").file("usr/share/disputed", name));
    let Some(world) = World::new(debs) else {
        return;
    };
    world
        .make(&["--variant=essential", "--include=alpha,beta"])
        .fails(7)
        .names(&["alpha", "beta", "/usr/share/disputed"]);
    world.assert_nothing_left();
}

#[test]
fn a_package_that_is_replaced_completely_disappears() {
    let note = "echo postrm \"$@\" >>/var/lib/note\nenv | grep ^DPKG_MAINT | sort >>/var/lib/note\n\
                dpkg-query -W -f '${Package} ${Status}\\n' ancient modern >>/var/lib/note 2>&1 || true";
    let ancient = Deb::new("ancient", "1")
        .file("usr/share/thing", "old\n")
        .script("postrm", note)
        .script("postinst", "echo configured >>/var/lib/note")
        .triggers("interest-noawait ancient-news");
    let modern = Deb::new("modern", "2:3-1")
        .field("Replaces", "ancient")
        .field("Provides", "ancient")
        .file("usr/share/thing", "new\n");
    // In one batch the old one is never configured; after a Pre-Depends it was.
    let other = Deb::new("other", "1")
        .depends("modern")
        .file("usr/share/other", "x");
    let Some(world) = same_as_dpkg(
        [ancient.clone(), modern.clone(), other.clone()],
        &["ancient", "other"],
    ) else {
        return;
    };
    assert!(
        world
            .read("var/lib/note")
            .starts_with("postrm disappear modern 2:3-1\n"),
        "{}",
        world.read("var/lib/note")
    );
    assert!(
        !world
            .read("var/lib/dpkg/status")
            .contains("Package: ancient\n")
    );
    let gate = Deb::new("gate", "1")
        .field("Pre-Depends", "ancient")
        .file("usr/share/gate", "x");
    let modern = modern.field("Pre-Depends", "gate");
    let Some(world) = same_as_dpkg([ancient, modern, other, gate], &["ancient", "other"]) else {
        return;
    };
    assert!(
        world
            .read("var/lib/note")
            .starts_with("configured\npostrm disappear modern 2:3-1\n"),
        "{}",
        world.read("var/lib/note")
    );
}

#[test]
fn a_replaced_package_that_is_needed_stays() {
    let old = Deb::new("old", "1").file("usr/share/thing", "old\n");
    let user = Deb::new("user", "1")
        .field("Pre-Depends", "old")
        .file("usr/share/user", "x");
    let new = Deb::new("new", "1")
        .field("Replaces", "old")
        .depends("user")
        .file("usr/share/thing", "new\n");
    let Some(world) = same_as_dpkg([old.clone(), user, new.clone()], &["new"]) else {
        return;
    };
    assert_eq!(
        world.read("var/lib/dpkg/info/old.list"),
        "/.\n/usr\n/usr/share\n"
    );
    // What has only a Depends counts once it is configured.
    let user = Deb::new("user", "1")
        .depends("old")
        .file("usr/share/user", "x");
    let Some(world) = same_as_dpkg([old, user, new.field("Pre-Depends", "user")], &["new"]) else {
        return;
    };
    assert!(world.read("var/lib/dpkg/status").contains("Package: old\n"));
}

#[test]
fn a_package_that_gives_way_is_removed() {
    // The essential set has the older package, which the demand then conflicts with.
    let old = Deb::new("old-tools", "1")
        .field("Provides", "tools")
        .script("prerm", "echo prerm \"$@\" >>/var/lib/note")
        .script("postrm", "echo postrm \"$@\" >>/var/lib/note")
        .file("usr/share/tools/list", "old\n");
    let needs = Deb::new("needs-tools", "1")
        .field("Essential", "yes")
        .field("Priority", "required")
        .field("Depends", "old-tools | tools");
    let new = Deb::new("new-tools", "1")
        .field("Provides", "tools")
        .field("Conflicts", "old-tools")
        .field("Replaces", "old-tools")
        .conffile("etc/tools.conf", "new\n")
        .file("usr/share/tools/list", "new\n");
    // Of the one something is left when dpkg has removed it, of the other nothing.
    for old in [old.clone().conffile("etc/tools.conf", "old\n"), old] {
        let Some(world) = World::new([old.clone(), needs.clone(), new.clone()]) else {
            return;
        };
        world
            .make(&["--variant=essential", "--include=new-tools"])
            .ok();
        let expected = world.path("expected");
        reference::tree_with(
            &world,
            &expected,
            &[needs.clone().into(), old.into()],
            &["new-tools"],
        );
        assert_eq!(reference::difference(&expected, &world.root()), "");
        assert_eq!(world.read("usr/share/tools/list"), "new\n");
    }
}

#[test]
fn one_package_of_two_architectures() {
    let foreign = if host_architecture() == "amd64" {
        "i386"
    } else {
        "amd64"
    };
    let note = "echo \"$DPKG_MAINTSCRIPT_PACKAGE:$DPKG_MAINTSCRIPT_ARCH of $DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT\" >>/var/lib/note";
    let library = |architecture: &str, own: &str| {
        Deb::new("libtwin", "1")
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
    let Some(world) = same_as_dpkg_of(&shape, &["libtwin", &format!("libtwin:{foreign}")]) else {
        return;
    };
    assert!(
        world
            .read("var/lib/dpkg/status")
            .matches("Package: libtwin\nStatus: install ok installed\n")
            .count()
            == 2
    );
    // What differs between the two is refused.
    let differing = |architecture: &str| {
        Deb::new("libodd", "1")
            .architecture(architecture)
            .field("Multi-Arch", "same")
            .file("usr/share/doc/libodd/arch", architecture)
    };
    let mut shape = suite([differing(host_architecture()), differing(foreign)]);
    shape.architectures.push(foreign.to_owned());
    let Some(world) = World::of(&shape) else {
        return;
    };
    let both = format!("{},{foreign}", host_architecture());
    let outcome = world.make(&[
        "--arch",
        &both,
        "--variant=essential",
        &format!("--include=libodd,libodd:{foreign}"),
    ]);
    outcome
        .fails(7)
        .names(&["libodd", "/usr/share/doc/libodd/arch"]);
    world.assert_nothing_left();
}
