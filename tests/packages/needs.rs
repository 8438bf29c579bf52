//! What packages need of each other, and the order of scripts that follows from it.

use rbootstrap::testing::DebBuilder;

use crate::context::TestContext;
use crate::packages::same_as_dpkg;

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_versioned_provides() {
    let provider = DebBuilder::new("provider", "9")
        .field("Provides", "feature (= 2.5), other-feature")
        .file("usr/share/provider", "x");
    let user = DebBuilder::new("user", "1")
        .depends("feature (>= 2)")
        .file("usr/share/user", "x");
    same_as_dpkg([provider, user], &["user"]);
}

#[test]
fn an_unversioned_provides_satisfies_no_version() {
    let provider = DebBuilder::new("provider", "9").field("Provides", "feature");
    let user = DebBuilder::new("user", "1").depends("feature (>= 1)");
    TestContext::new([provider, user])
        .print_debs(&["--include=user"])
        .fails(4)
        .names(&["user", "feature"]);
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn dependencies_that_go_round_in_a_circle() {
    let debs = [
        ("ring-a", "ring-b"),
        ("ring-b", "ring-c"),
        ("ring-c", "ring-a"),
    ]
    .map(|(name, needs)| {
        DebBuilder::new(name, "1")
            .depends(needs)
            .file(&format!("usr/share/{name}"), "x")
            .script("postinst", "true")
    });
    same_as_dpkg(debs, &["ring-b"]);
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn preinsts_run_in_apts_order_before_their_own_files() {
    let chain = ["third", "second", "first"];
    let mut debs = Vec::new();
    for (at, name) in chain.iter().enumerate() {
        let mut deb = DebBuilder::new(name, "1").file(&format!("usr/share/{name}"), "x");
        deb = deb.script(
            "preinst",
            &format!(
                "{{ echo {name}; ls /usr/share | grep -xE \
                 'first|second|third' || true; }} >>/var/lib/order"
            ),
        );
        deb = deb.script(
            "postinst",
            &format!("echo {name} configured >>/var/lib/order"),
        );
        if let Some(needed) = chain.get(at + 1) {
            deb = deb.field("Pre-Depends", needed);
        }
        debs.push(deb);
    }
    let context = same_as_dpkg(debs, &["third"]);
    let order = context.read("var/lib/order");
    assert_eq!(
        order.lines().collect::<Vec<_>>(),
        [
            "first",
            "first configured",
            "second",
            "first",
            "second configured",
            "third",
            "first",
            "second",
            "third configured"
        ]
    );
}
