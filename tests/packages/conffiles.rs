//! Conffiles: each is unpacked beside its place, and put there by the tree's own dpkg.

use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tar::file;

use crate::context::TestContext;
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
