//! Conffiles: each is unpacked beside its place, and put there by the tree's own dpkg.

use crate::packages::same_as_dpkg;
use crate::world::World;
use crate::world::deb::{Deb, Entry, Kind};

#[test]
fn conffiles_with_and_without_a_target() {
    let deb = Deb::new("conf", "1")
        .conffile("etc/conf/plain", "plain\n")
        .conffile("etc/conf/below/deep", "deep\n")
        .entry(Entry::new("etc/conf/private", Kind::File(b"secret\n".into())).mode(0o600));
    let mut deb = deb.field("Section", "misc");
    deb.conffiles.push("/etc/conf/private".to_owned());
    let Some(world) = same_as_dpkg([deb], &["conf"]) else {
        return;
    };
    assert!(!world.read("var/lib/dpkg/status").contains("newconffile"));
}

#[test]
fn a_conffile_behind_a_symlink() {
    let first = Deb::new("first", "1")
        .directory("etc/real")
        .symlink("etc/alias", "real");
    let second = Deb::new("second", "1")
        .field("Pre-Depends", "first")
        .conffile("etc/alias/setting", "on\n");
    let Some(world) = same_as_dpkg([first, second], &["second"]) else {
        return;
    };
    assert_eq!(world.read("etc/real/setting"), "on\n");
}

#[test]
fn a_conffile_that_a_preinst_put_there() {
    let put =
        |content: &str| format!("mkdir -p /etc/conf; printf '{content}\\n' >/etc/conf/setting");
    let same = Deb::new("same", "1")
        .script("preinst", &put("shipped"))
        .conffile("etc/conf/setting", "shipped\n");
    same_as_dpkg([same], &["same"]);
    // dpkg would ask whose is to stay, and there is nobody to answer: apt fails on it too.
    let other = Deb::new("other", "1")
        .script("preinst", &put("mine"))
        .conffile("etc/conf/setting", "shipped\n");
    let Some(world) = World::new([other]) else {
        return;
    };
    world
        .make(&["--variant=essential", "--include=other"])
        .fails(7)
        .names(&["other", "/etc/conf/setting"]);
    world.assert_nothing_left();
}

#[test]
fn a_conffile_to_remove_on_upgrade() {
    // One is there, since the preinst puts it there, and one is not.
    let mut deb = Deb::new("conf", "1")
        .script("preinst", "mkdir -p /etc; echo old >/etc/conf.old")
        .conffile("etc/conf", "here\n");
    deb.conffiles.extend([
        "remove-on-upgrade /etc/conf.gone".to_owned(),
        "remove-on-upgrade /etc/conf.old".to_owned(),
    ]);
    same_as_dpkg([deb], &["conf"]);
}

#[test]
fn a_conffile_that_is_a_symlink_in_the_tree() {
    let preinst = "mkdir -p /etc/real; ln -s real/setting /etc/setting; ln -s ../../etc/real/none /etc/dangling";
    let deb = Deb::new("conf", "1")
        .script("preinst", preinst)
        .conffile("etc/setting", "on\n")
        .conffile("etc/dangling", "off\n");
    same_as_dpkg([deb], &["conf"]);
}

#[test]
fn conffiles_that_are_hard_links_of_each_other() {
    let mut deb = Deb::new("links", "1")
        .conffile("etc/links/first", "shared\n")
        .hardlink("etc/links/second", "etc/links/first");
    deb.conffiles.push("/etc/links/second".to_owned());
    same_as_dpkg([deb], &["links"]);
}

#[test]
fn a_conffile_that_another_package_takes_over() {
    let own = |name: &str| Deb::new(name, "1").file(&format!("usr/share/{name}"), "x");
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
    let Some(world) = same_as_dpkg([old, after], &["new"]) else {
        return;
    };
    assert!(world.read("var/lib/dpkg/status").contains(" obsolete\n"));
}

#[test]
fn a_hard_link_to_a_conffile() {
    let deb = Deb::new("links", "1")
        .conffile("etc/links/first", "shared\n")
        .hardlink("etc/links/second", "etc/links/first");
    same_as_dpkg([deb], &["links"]);
}
