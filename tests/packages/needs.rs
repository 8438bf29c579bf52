//! What packages need of each other, and the order of scripts that follows from it.

use crate::packages::same_as_dpkg;
use crate::world::World;
use crate::world::deb::Deb;

#[test]
fn a_versioned_provides() {
    let provider = Deb::new("provider", "9")
        .field("Provides", "feature (= 2.5), other-feature")
        .file("usr/share/provider", "x");
    let user = Deb::new("user", "1")
        .depends("feature (>= 2)")
        .file("usr/share/user", "x");
    same_as_dpkg([provider, user], &["user"]);
    let [provider, greedy] = [
        Deb::new("provider", "9").field("Provides", "feature (= 2.5), other-feature"),
        Deb::new("greedy", "1").depends("other-feature (>= 1)"),
    ];
    let Some(world) = World::new([provider, greedy]) else {
        return;
    };
    world
        .make(&["--include=greedy"])
        .fails(4)
        .names(&["greedy", "other-feature"]);
}

#[test]
fn dependencies_that_go_round_in_a_circle() {
    let debs = [
        ("ring-a", "ring-b"),
        ("ring-b", "ring-c"),
        ("ring-c", "ring-a"),
    ]
    .map(|(name, needs)| {
        Deb::new(name, "1")
            .depends(needs)
            .file(&format!("usr/share/{name}"), "x")
            .script("postinst", "true")
    });
    same_as_dpkg(debs, &["ring-b"]);
}

#[test]
fn preinsts_run_in_apts_order_before_their_own_files() {
    let chain = ["third", "second", "first"];
    let mut debs = Vec::new();
    for (at, name) in chain.iter().enumerate() {
        let mut deb = Deb::new(name, "1").file(&format!("usr/share/{name}"), "x");
        deb = deb.script("preinst", &format!("{{ echo {name}; ls /usr/share | grep -xE 'first|second|third' || true; }} >>/var/lib/order"));
        deb = deb.script(
            "postinst",
            &format!("echo {name} configured >>/var/lib/order"),
        );
        if let Some(needed) = chain.get(at + 1) {
            deb = deb.field("Pre-Depends", needed);
        }
        debs.push(deb);
    }
    let Some(world) = same_as_dpkg(debs, &["third"]) else {
        return;
    };
    let order = world.read("var/lib/order");
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
