//! Tables over small ledgers, written as text.

use super::*;
use crate::dpkg::Status;
use crate::tree::rootfs::Rootfs;

/// A package and its paths: `NAME # FIELD: VALUE; … # PATH PATH`.
fn add(ledger: &mut Ledger, text: &str) -> PackageKey {
    let package = package(text);
    let key = package.key();
    ledger.enter(&key, &package);
    for path in text.rsplit('#').next().unwrap().split_whitespace() {
        ledger.add(&path_of(path), &key);
    }
    key
}

fn package(text: &str) -> Package {
    let mut parts = text.split('#').map(str::trim);
    let name = parts.next().unwrap();
    let mut stanza = format!("Package: {name}\nVersion: 1\n");
    let fields = parts.next().unwrap();
    if !fields.contains("Architecture") {
        stanza.push_str("Architecture: all\n");
    }
    for field in fields.split(';').filter(|field| !field.is_empty()) {
        stanza.push_str(&format!("{}\n", field.trim()));
    }
    Package::parse(&stanza).unwrap()
}

fn path_of(path: &str) -> RootPath {
    RootPath::parse(path).unwrap()
}

fn ledger(packages: &[&str]) -> Ledger {
    let mut ledger = Ledger::default();
    for package in packages {
        add(&mut ledger, package);
    }
    ledger
}

/// Diversions and status as their files have them.
fn database(diversions: &str, status: &str) -> (Diversions, Status) {
    let directory = tempfile::tempdir().unwrap();
    let root = Rootfs::open(directory.path()).unwrap();
    let dpkg = RootPath::known("var/lib/dpkg");
    root.make_directories(&dpkg).unwrap();
    for (name, text) in [("diversions", diversions), ("status", status)] {
        let path = dpkg.join(&RootPath::known(name));
        root.write(&path, text.as_bytes(), 0o644).unwrap();
    }
    let diversions = Diversions::read(&root).unwrap();
    (diversions, Status::read(&root).unwrap())
}

/// The names of the owners of a path.
fn owners(ledger: &Ledger, path: &str) -> String {
    let owners = ledger.owners.get(&path_of(path));
    let owners = owners.map_or(&[][..], Vec::as_slice);
    let names: Vec<&str> = owners.iter().map(PackageKey::name).collect();
    names.join(" ")
}

#[test]
fn claims_follow_replaces_and_diversions() {
    let foreign = "Multi-Arch: same; Architecture: ";
    let table = [
        ("a # #", "b # #", "", "granted", "b"),
        ("a # # x", "b # #", "", "conflict with a", "a"),
        ("a # # x", "b # Replaces: a #", "", "taken over from a", "b"),
        (
            "a # # x",
            "b # Replaces: a (<< 1) #",
            "",
            "conflict with a",
            "a",
        ),
        (
            "a # # x",
            "b # Replaces: a (<< 2) #",
            "",
            "taken over from a",
            "b",
        ),
        ("a # Replaces: b # x", "b # #", "", "yielded", "a"),
        ("a # # x", "b # #", "/x\n/x.old\nb\n", "granted", "a b"),
        ("a # # x", "b # #", "/x\n/x.old\na\n", "granted", "a b"),
        (
            "a # # x",
            "b # #",
            "/x\n/x.old\nc\n",
            "conflict with a",
            "a",
        ),
        (
            "a # # x",
            "b # #",
            "/x\n/x.old\n:\n",
            "conflict with a",
            "a",
        ),
        (
            &format!("a # {foreign}amd64 # x"),
            &format!("a # {foreign}i386 #"),
            "",
            "shared with a",
            "a a",
        ),
    ];
    for (first, second, diversions, expected, after) in table {
        let mut ledger = ledger(&[first]);
        let key = add(&mut ledger, second);
        let (diversions, _) = database(diversions, "");
        let claim = ledger.claim(&path_of("x"), &key, &diversions);
        let found = match claim {
            Ok(Claim::Granted) => "granted".to_owned(),
            Ok(Claim::TakenOver(losers)) => format!("taken over from {}", losers[0].name()),
            Ok(Claim::Shared { with }) => format!("shared with {}", with.name()),
            Ok(Claim::Yielded) => "yielded".to_owned(),
            Err(conflict) => format!("conflict with {}", conflict.with.name()),
        };
        assert_eq!(found, expected, "{first}, {second}, {diversions:?}");
        assert_eq!(owners(&ledger, "x"), after, "{first}, {second}");
    }
}

#[test]
fn packages_without_own_paths_are_known() {
    let table: [(&[&str], &str); 8] = [
        (&["a # # / usr x", "b # # / usr y"], ""),
        (&["a # # / usr x", "b # # / usr x y"], "a"),
        (&["a # # / usr x", "b # # / usr x"], "a b"),
        // Nothing but the root: it never disappears.
        (&["a # # /", "b # # / x"], ""),
        (&["a # #", "b # # / x"], ""),
        // A directory of its own keeps a package as well as a file does.
        (&["a # # / usr usr/a x", "b # # / usr x y"], ""),
        (&["a # # d x", "b # # d x", "c # # d c"], "a b"),
        // Two architectures share their paths, and neither keeps the other from disappearing.
        (
            &[
                "a # Multi-Arch: same; Architecture: amd64 # x",
                "a # Multi-Arch: same; Architecture: i386 # x",
            ],
            "",
        ),
    ];
    for (packages, expected) in table {
        let found = ledger(packages).without_own_paths();
        let names: Vec<&str> = found.iter().map(PackageKey::name).collect();
        assert_eq!(names.join(" "), expected, "{packages:?}");
    }
}

#[test]
fn counts_follow_what_comes_and_goes() {
    let mut ledger = ledger(&["a # # x y", "b # # y z"]);
    let third = add(&mut ledger, "c # # x y z");
    assert_eq!(ledger.without_own_paths().len(), 3);
    ledger.remove(&third);
    assert_eq!(ledger.without_own_paths().len(), 0);
    assert_eq!(owners(&ledger, "x"), "a");
    assert!(!ledger.contains(&third));
    let qualified_b = |qualified: &str| qualified == "b";
    ledger.keep(qualified_b);
    assert_eq!(owners(&ledger, "x"), "");
    assert_eq!(owners(&ledger, "y"), "b");
}

#[test]
fn what_is_replaced_completely_disappears_unless_something_keeps_it() {
    let configured = "Package: user\nStatus: install ok installed\n";
    let table = [
        (
            "nothing keeps it",
            "user # #",
            "new # #",
            "",
            configured,
            true,
        ),
        (
            "needed",
            "user # Depends: old #",
            "new # #",
            "",
            configured,
            false,
        ),
        (
            "needed, not yet configured",
            "user # Depends: old #",
            "new # #",
            "",
            "",
            true,
        ),
        (
            "needed before",
            "user # Pre-Depends: old #",
            "new # #",
            "",
            "",
            false,
        ),
        (
            "recommended",
            "user # Recommends: old #",
            "new # #",
            "",
            configured,
            false,
        ),
        (
            "suggested",
            "user # Suggests: old #",
            "new # #",
            "",
            configured,
            true,
        ),
        (
            "provided anew",
            "user # Depends: old #",
            "new # Provides: old #",
            "",
            configured,
            true,
        ),
        (
            "an alternative",
            "user # Depends: old | new #",
            "new # #",
            "",
            configured,
            true,
        ),
        (
            "another version",
            "user # Depends: old (>= 2) #",
            "new # #",
            "",
            configured,
            false,
        ),
        (
            "needed by the new one",
            "user # #",
            "new # Depends: old #",
            "",
            configured,
            false,
        ),
        (
            "a diversion",
            "user # #",
            "new # #",
            "/x\n/x.old\nnew\n",
            configured,
            false,
        ),
        (
            "another's diversion",
            "user # #",
            "new # #",
            "/x\n/x.old\nuser\n",
            configured,
            true,
        ),
    ];
    for (what, user, new, diversions, status, expected) in table {
        let mut ledger = ledger(&["old # # / x"]);
        add(&mut ledger, user);
        let by = add(&mut ledger, &format!("{new} x"));
        let gone = package("old # #").key();
        let (diversions, status) = database(diversions, status);
        let replacement = Replacement { gone, by };
        let found = ledger.disappears(&replacement, &diversions, &status);
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn the_version_of_dpkg_is_its_upstream_part() {
    assert_eq!(Ledger::default().dpkg_version(), None);
    let mut ledger = Ledger::default();
    let stanza = "Package: dpkg\nVersion: 1:1.22.3ubuntu1\nArchitecture: amd64\n";
    let package = Package::parse(stanza).unwrap();
    ledger.enter(&package.key(), &package);
    assert_eq!(ledger.dpkg_version(), Some("1.22.3"));
    assert_eq!((ledger.instances("dpkg"), ledger.instances("x")), (1, 0));
}
