//! Triggers: who is interested in what, by its name or by a path, and what activates it.

use crate::packages::same_as_dpkg;
use crate::world::deb::Deb;

#[test]
fn a_named_trigger_before_and_after_its_interest() {
    let hear = "[ \"$1\" != triggered ] || echo \"heard $2\" >>/var/lib/heard";
    let interested = Deb::new("m-interested", "1")
        .triggers("interest-noawait cache-refresh")
        .script("postinst", hear);
    let early = Deb::new("a-early", "1")
        .triggers("activate-noawait cache-refresh")
        .file("usr/share/early", "x");
    let late = Deb::new("z-late", "1")
        .depends("m-interested")
        .triggers("activate-noawait cache-refresh")
        .file("usr/share/late", "x");
    let by_hand = Deb::new("y-by-hand", "1")
        .depends("m-interested")
        .script("postinst", "dpkg-trigger cache-refresh");
    let Some(world) = same_as_dpkg(
        [interested, early, late, by_hand],
        &["a-early", "z-late", "y-by-hand"],
    ) else {
        return;
    };
    assert!(world.read("var/lib/heard").contains("heard cache-refresh"));
    assert!(
        world
            .read("var/lib/dpkg/triggers/cache-refresh")
            .contains("m-interested/noawait")
    );
}

#[test]
fn a_file_trigger() {
    let hear = "[ \"$1\" != triggered ] || echo \"heard $2\" >>/var/lib/heard";
    let interested = Deb::new("cache", "1")
        .triggers("interest-noawait /usr/share/icons")
        .script("postinst", hear);
    let user = Deb::new("icons", "1")
        .field("Pre-Depends", "cache")
        .file("usr/share/icons/theme/icon", "x");
    let other = Deb::new("other", "1")
        .field("Pre-Depends", "cache")
        .file("usr/share/iconsets/none", "x");
    let Some(world) = same_as_dpkg([interested, user, other], &["icons", "other"]) else {
        return;
    };
    assert_eq!(world.read("var/lib/heard"), "heard /usr/share/icons\n");
}

#[test]
fn a_trigger_that_is_awaited() {
    let hear = "[ \"$1\" != triggered ] || echo \"heard $2\" >>/var/lib/heard";
    let interested = Deb::new("index", "1")
        .triggers("interest /usr/lib/plugins")
        .script("postinst", hear);
    let user = Deb::new("plugin", "1")
        .field("Pre-Depends", "index")
        .file("usr/lib/plugins/one", "x");
    let Some(world) = same_as_dpkg([interested, user], &["plugin"]) else {
        return;
    };
    assert!(
        world
            .read("var/lib/heard")
            .contains("heard /usr/lib/plugins")
    );
}

/// Each kind of interest is a trigger of its own, named and of a path; each kind of activation is a package of its own, one unpacked with the
/// hearer and one after the hearer is configured.
#[test]
fn every_kind_of_interest_and_activation() {
    let interests = ["interest", "interest-await", "interest-noawait"];
    let activations = ["activate", "activate-await", "activate-noawait"];
    let triggers: Vec<(String, String)> = interests
        .iter()
        .flat_map(|interest| {
            [
                format!("named-{interest}"),
                format!("/var/lib/path-{interest}"),
            ]
            .map(|trigger| ((*interest).to_owned(), trigger))
        })
        .collect();
    let lines: Vec<String> = triggers
        .iter()
        .map(|(interest, trigger)| format!("{interest} {trigger}"))
        .collect();
    let hear = "[ \"$1\" != triggered ] || for name in $2; do echo \"$name\"; done | sort >>/var/lib/heard";
    let mut debs = vec![
        Deb::new("hearer", "1")
            .triggers(&lines.join("\n"))
            .script("postinst", hear),
    ];
    for (_, trigger) in &triggers {
        let name = trigger.trim_start_matches("/var/lib/");
        for activation in activations {
            let deb = |when: &str| {
                Deb::new(&format!("{when}-{name}-{activation}"), "1")
                    .triggers(&format!("{activation} {trigger}"))
            };
            debs.extend([deb("with"), deb("after").field("Pre-Depends", "hearer")]);
        }
        for option in ["", "--no-await"] {
            let by_hand = format!(
                "dpkg-trigger {option} {trigger}; dpkg-query -W -f '${{Status}}\\n' hearer >>/var/lib/states"
            );
            debs.push(
                Deb::new(&format!("hand{option}-{name}"), "1")
                    .depends("hearer")
                    .script("postinst", &by_hand),
            );
        }
        if let Some(path) = trigger.strip_prefix('/') {
            let ships = |when: &str| {
                Deb::new(&format!("{when}-ships-{name}"), "1")
                    .file(&format!("{path}/{when}/file"), "x")
            };
            debs.extend([ships("with"), ships("after").field("Pre-Depends", "hearer")]);
            // The path itself, and one that only begins alike.
            debs.push(
                Deb::new(&format!("beside-{name}"), "1")
                    .field("Pre-Depends", "hearer")
                    .file(&format!("{path}.d/x"), "x"),
            );
        }
    }
    let names: Vec<String> = debs.iter().map(|deb| deb.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let Some(world) = same_as_dpkg(debs, &names) else {
        return;
    };
    assert!(
        world
            .read("var/lib/heard")
            .contains("/var/lib/path-interest-noawait\nnamed-interest"),
        "{}",
        world.read("var/lib/heard")
    );
}

#[test]
fn a_trigger_that_several_hear_and_one_that_nobody_does() {
    let hear =
        "[ \"$1\" != triggered ] || echo \"$DPKG_MAINTSCRIPT_PACKAGE heard $2\" >>/var/lib/heard";
    let hearer = |name: &str| {
        Deb::new(name, "1")
            .triggers("interest /usr/lib/both\ninterest both")
            .script("postinst", hear)
    };
    let user = Deb::new("user", "1")
        .field("Pre-Depends", "one, two")
        .triggers("activate both\nactivate nobody")
        .file("usr/lib/both/x", "x");
    let waits = Deb::new("waits", "1")
        .depends("user")
        .file("usr/share/waits", "x")
        .script("postinst", "cat /var/lib/heard >/var/lib/waits");
    same_as_dpkg([hearer("one"), hearer("two"), user, waits], &["waits"]);
}
