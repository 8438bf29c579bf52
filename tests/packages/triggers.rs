//! Triggers: who is interested in what, by its name or by a path, and what activates it.

use rbootstrap::testing::DebBuilder;

use crate::packages::same_as_dpkg;

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_named_trigger_before_and_after_its_interest() {
    let hear = "[ \"$1\" != triggered ] || echo \"heard $2\" >>/var/lib/heard";
    let interested = DebBuilder::new("m-interested", "1")
        .triggers("interest-noawait cache-refresh")
        .script("postinst", hear);
    let early = DebBuilder::new("a-early", "1")
        .triggers("activate-noawait cache-refresh")
        .file("usr/share/early", "x");
    let late = DebBuilder::new("z-late", "1")
        .depends("m-interested")
        .triggers("activate-noawait cache-refresh")
        .file("usr/share/late", "x");
    let by_hand = DebBuilder::new("y-by-hand", "1")
        .depends("m-interested")
        .script("postinst", "dpkg-trigger cache-refresh");
    let context = same_as_dpkg(
        [interested, early, late, by_hand],
        &["a-early", "z-late", "y-by-hand"],
    );
    assert!(
        context
            .read("var/lib/heard")
            .contains("heard cache-refresh")
    );
    assert!(
        context
            .read("var/lib/dpkg/triggers/cache-refresh")
            .contains("m-interested/noawait")
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_file_trigger() {
    let hear = "[ \"$1\" != triggered ] || echo \"heard $2\" >>/var/lib/heard";
    let interested = DebBuilder::new("cache", "1")
        .triggers("interest-noawait /usr/share/icons")
        .script("postinst", hear);
    let user = DebBuilder::new("icons", "1")
        .field("Pre-Depends", "cache")
        .file("usr/share/icons/theme/icon", "x");
    let other = DebBuilder::new("other", "1")
        .field("Pre-Depends", "cache")
        .file("usr/share/iconsets/none", "x");
    let context = same_as_dpkg([interested, user, other], &["icons", "other"]);
    assert_eq!(context.read("var/lib/heard"), "heard /usr/share/icons\n");
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_trigger_that_is_awaited() {
    let hear = "[ \"$1\" != triggered ] || echo \"heard $2\" >>/var/lib/heard";
    let interested = DebBuilder::new("index", "1")
        .triggers("interest /usr/lib/plugins")
        .script("postinst", hear);
    let user = DebBuilder::new("plugin", "1")
        .field("Pre-Depends", "index")
        .file("usr/lib/plugins/one", "x");
    let context = same_as_dpkg([interested, user], &["plugin"]);
    assert!(
        context
            .read("var/lib/heard")
            .contains("heard /usr/lib/plugins")
    );
}

/// Each kind of interest is a trigger of its own, named and of a path; each kind of activation is a
/// package of its own, one unpacked with the hearer and one after the hearer is configured.
#[test]
#[ignore = "needs root, dpkg, apt"]
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
    let hear = "[ \"$1\" != triggered ] || for name in $2; do echo \"$name\"; done | sort \
                >>/var/lib/heard";
    let mut debs = vec![
        DebBuilder::new("hearer", "1")
            .triggers(&lines.join("\n"))
            .script("postinst", hear),
    ];
    for (_, trigger) in &triggers {
        let name = trigger.trim_start_matches("/var/lib/");
        for activation in activations {
            let deb = |when: &str| {
                DebBuilder::new(&format!("{when}-{name}-{activation}"), "1")
                    .triggers(&format!("{activation} {trigger}"))
            };
            debs.extend([deb("with"), deb("after").field("Pre-Depends", "hearer")]);
        }
        for option in ["", "--no-await"] {
            let by_hand = format!(
                "dpkg-trigger {option} {trigger}; dpkg-query -W -f '${{Status}}\\n' hearer \
                 >>/var/lib/states"
            );
            debs.push(
                DebBuilder::new(&format!("hand{option}-{name}"), "1")
                    .depends("hearer")
                    .script("postinst", &by_hand),
            );
        }
        if let Some(path) = trigger.strip_prefix('/') {
            let ships = |when: &str| {
                DebBuilder::new(&format!("{when}-ships-{name}"), "1")
                    .file(&format!("{path}/{when}/file"), "x")
            };
            debs.extend([ships("with"), ships("after").field("Pre-Depends", "hearer")]);
            // The path itself, and one that only begins alike.
            debs.push(
                DebBuilder::new(&format!("beside-{name}"), "1")
                    .field("Pre-Depends", "hearer")
                    .file(&format!("{path}.d/x"), "x"),
            );
        }
    }
    let names: Vec<String> = debs.iter().map(|deb| deb.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let context = same_as_dpkg(debs, &names);
    assert!(
        context
            .read("var/lib/heard")
            .contains("/var/lib/path-interest-noawait\nnamed-interest"),
        "{}",
        context.read("var/lib/heard")
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_trigger_that_several_hear_and_one_that_nobody_does() {
    let hear =
        "[ \"$1\" != triggered ] || echo \"$DPKG_MAINTSCRIPT_PACKAGE heard $2\" >>/var/lib/heard";
    let hearer = |name: &str| {
        DebBuilder::new(name, "1")
            .triggers("interest /usr/lib/both\ninterest both")
            .script("postinst", hear)
    };
    let user = DebBuilder::new("user", "1")
        .field("Pre-Depends", "one, two")
        .triggers("activate both\nactivate nobody")
        .file("usr/lib/both/x", "x");
    let waits = DebBuilder::new("waits", "1")
        .depends("user")
        .file("usr/share/waits", "x")
        .script("postinst", "cat /var/lib/heard >/var/lib/waits");
    same_as_dpkg([hearer("one"), hearer("two"), user, waits], &["waits"]);
}
