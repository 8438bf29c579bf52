//! What must hold for any versions, relations, packages and suite files (see `testing::fuzz`).

#![allow(clippy::unwrap_used, reason = "a property that does not hold panics")]

mod deb;

use std::cmp::Ordering;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

pub(crate) use deb::{deb, mended};

use super::relation::{Provided, RelationText, parse_provides, parse_relations, trimmed};
use super::suite::Suites;
use super::version::Version;

/// Three lines, each a version: their order is dpkg's, and an order.
pub(crate) fn versions(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default().trim();
    let all = [next(), next(), next()];
    for a in all {
        assert_eq!(Version::compare(a, a), Ordering::Equal, "{a:?}");
        for b in all {
            let order = Version::compare(a, b);
            assert_eq!(order.reverse(), Version::compare(b, a), "{a:?} {b:?}");
            for c in all {
                let is_chain = order.is_le() && Version::compare(b, c).is_le();
                let is_ordered = !is_chain || Version::compare(a, c).is_le();
                assert!(is_ordered, "{a:?} {b:?} {c:?}");
            }
            if let (Ok(one), Ok(other)) = (Version::parse(a), Version::parse(b)) {
                check_parsed(&one, &other);
            }
        }
    }
}

fn check_parsed(one: &Version, other: &Version) {
    let reference = dpkg_order(one.as_str(), other.as_str());
    assert_eq!(one.cmp(other), reference, "{one} {other}");
    let again = Version::parse(&one.to_string()).unwrap();
    assert_eq!(again.as_str(), one.as_str());
    let hasher = RandomState::new();
    if one == other {
        assert_eq!(hasher.hash_one(one), hasher.hash_one(other), "{one}");
    }
}

/// The order of two versions after dpkg's own code (`dpkg_version_compare`, `verrevcmp`), which
/// walks through both character by character.
fn dpkg_order(a: &str, b: &str) -> Ordering {
    let (epoch, rest) = split_epoch(a);
    let (other_epoch, other_rest) = split_epoch(b);
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    let (other_upstream, other_revision) = other_rest.rsplit_once('-').unwrap_or((other_rest, ""));
    epoch
        .cmp(&other_epoch)
        .then_with(|| verrevcmp(upstream.as_bytes(), other_upstream.as_bytes()))
        .then_with(|| verrevcmp(revision.as_bytes(), other_revision.as_bytes()))
}

fn split_epoch(text: &str) -> (u64, &str) {
    match text.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap(), rest),
        None => (0, text),
    }
}

fn verrevcmp(a: &[u8], b: &[u8]) -> Ordering {
    let order = |c: u8| match c {
        0 | b'0'..=b'9' => 0,
        b'a'..=b'z' | b'A'..=b'Z' => i32::from(c),
        b'~' => -1,
        _ => i32::from(c) + 256,
    };
    // 0 ends a string of C.
    let at = |text: &[u8], place: usize| text.get(place).copied().unwrap_or(0);
    let mut i = 0;
    let mut j = 0;
    while at(a, i) != 0 || at(b, j) != 0 {
        let mut first_difference = Ordering::Equal;
        let is_text = |c: u8| c != 0 && !c.is_ascii_digit();
        while is_text(at(a, i)) || is_text(at(b, j)) {
            let x = order(at(a, i));
            let y = order(at(b, j));
            if x != y {
                return x.cmp(&y);
            }
            i += 1;
            j += 1;
        }
        while at(a, i) == b'0' {
            i += 1;
        }
        while at(b, j) == b'0' {
            j += 1;
        }
        while at(a, i).is_ascii_digit() && at(b, j).is_ascii_digit() {
            first_difference = first_difference.then(at(a, i).cmp(&at(b, j)));
            i += 1;
            j += 1;
        }
        if at(a, i).is_ascii_digit() {
            return Ordering::Greater;
        }
        if at(b, j).is_ascii_digit() {
            return Ordering::Less;
        }
        if first_difference.is_ne() {
            return first_difference;
        }
    }
    Ordering::Equal
}

/// A relation field: what is parsed prints, and parses again to the same.
pub(crate) fn relations(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(relations) = parse_relations(&text) {
        let mut groups = Vec::new();
        for group in &relations {
            let alternatives: Vec<String> = group.iter().map(ToString::to_string).collect();
            groups.push(alternatives.join(" | "));
        }
        let printed = groups.join(", ");
        let again = parse_relations(&printed).unwrap_or_else(|e| panic!("{printed:?}: {e}"));
        assert_eq!(again, relations, "{printed:?}");
        assert_eq!(texts(&printed), texts(&text), "{printed:?}");
    }
    if let Ok(provided) = parse_provides(&text) {
        let printed: Vec<String> = provided.iter().map(shown).collect();
        let again = parse_provides(&printed.join(", ")).unwrap();
        assert_eq!(again, provided, "{printed:?}");
    }
}

/// The relations as the resolver reads them, which copies nothing. Names are in lower case.
fn texts(field: &str) -> Vec<String> {
    let mut all = Vec::new();
    for alternative in field.split([',', '|']) {
        if trimmed(alternative).is_empty() {
            continue;
        }
        let RelationText {
            name,
            architecture,
            constraint,
        } = RelationText::parse(alternative).unwrap();
        let name = name.to_ascii_lowercase();
        all.push(format!("{name} {architecture:?} {constraint:?}"));
    }
    all
}

fn shown(provided: &Provided) -> String {
    use super::relation::ArchQualifier::{Any, Named, Native};
    let mut text = provided.name.clone();
    match &provided.architecture {
        None => {}
        Some(Any) => text.push_str(":any"),
        Some(Native) => text.push_str(":native"),
        Some(Named(architecture)) => text.push_str(&format!(":{architecture}")),
    }
    if let Some(version) = &provided.version {
        text.push_str(&format!(" (= {version})"));
    }
    text
}

/// A suite file: every suite that it has is found by its names, and none of the others is lost.
pub(crate) fn suites(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let known = Suites::load(&[]).unwrap();
    let Ok(suites) = Suites::load_text(Path::new("fuzz.toml"), &text) else {
        return;
    };
    for suite in known.all() {
        assert!(suites.find(&suite.codename).is_some(), "{}", suite.codename);
    }
    for suite in suites.all() {
        let found = suites.find(&suite.codename).unwrap();
        assert_eq!(found.codename, suite.codename);
        for alias in &suite.aliases {
            assert!(suites.find(alias).is_some(), "{alias}");
        }
        let pockets = suite.pockets_for("amd64").len();
        assert_eq!(pockets, suite.pockets_for("riscv64").len());
        assert!(
            suites
                .names(&suite.distribution)
                .contains(&&*suite.codename)
        );
    }
}
