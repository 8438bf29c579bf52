//! The pins of the tree's sources, as apt's preferences.
//!
//! A source's line cannot give apt its priority. apt's preferences select sources by what their
//! Release files say, or by their host. If neither tells a pinned source from the others, the run
//! fails rather than make a tree whose apt would decide differently.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Release;
use crate::failure::Class;
use crate::store;

/// The preferences that give the tree's apt the priorities of the sources; empty where none is
/// pinned.
pub(crate) fn preferences(releases: &[Arc<Release>]) -> Result<String, Indistinguishable> {
    let mut pins: Vec<String> = Vec::new();
    for release in releases {
        let source = release.source();
        let Some(pin) = source.pin else {
            continue;
        };
        let mut others = releases.to_vec();
        others.retain(|other| other.source().pin != source.pin);
        let is_unique = |mark: &Selector<'_>| !others.iter().any(|other| mark.is_on(other));
        let by_fields = Selector::fields(release).filter(is_unique);
        let by_host = Some(Selector::host(release)).filter(is_unique);
        let Some(mark) = by_fields.or(by_host) else {
            return Err(Indistinguishable {
                suite: source.suite.clone(),
                uri: store::shown(uri(release)),
            });
        };
        let stanza = format!("Package: *\nPin: {}\nPin-Priority: {pin}\n", mark.text());
        if !pins.contains(&stanza) {
            pins.push(stanza);
        }
    }
    Ok(pins.join("\n"))
}

/// apt's preferences cannot tell a pinned source from one with another priority.
#[derive(Debug, thiserror::Error)]
#[error(
    "apt cannot tell the pinned source {suite} of {uri} from another with the same release and host"
)]
pub(crate) struct Indistinguishable {
    pub(crate) suite: String,
    pub(crate) uri: String,
}

impl Indistinguishable {
    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        Class::Usage
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> String {
        "leave out its pin-priority, or the other source".to_owned()
    }
}

/// What apt can select a source by (apt_preferences(5)).
#[derive(Debug)]
enum Selector<'r> {
    /// Fields of the Release file: origin, label, and the codename; or the suite, which changes
    /// with a release, if there is no codename.
    Fields(Vec<(char, &'r str)>),
    /// The host.
    Host(&'r str),
}

impl<'r> Selector<'r> {
    fn fields(release: &'r Release) -> Option<Selector<'r>> {
        let mut fields = Vec::new();
        let letters = match release.codename() {
            Some(_) => ['o', 'l', 'n'],
            None => ['o', 'l', 'a'],
        };
        for letter in letters {
            if let Some(value) = field(release, letter).filter(|value| is_plain(value)) {
                fields.push((letter, value));
            }
        }
        (!fields.is_empty()).then_some(Selector::Fields(fields))
    }

    fn host(release: &'r Release) -> Selector<'r> {
        Selector::Host(host(uri(release)))
    }

    fn is_on(&self, release: &Release) -> bool {
        match self {
            Selector::Fields(fields) => fields
                .iter()
                .all(|(letter, value)| field(release, *letter) == Some(*value)),
            Selector::Host(name) => host(uri(release)) == *name,
        }
    }

    fn text(&self) -> String {
        match self {
            Selector::Host(name) => format!("origin \"{name}\""),
            Selector::Fields(fields) => {
                let mut text = "release".to_owned();
                for (number, (letter, value)) in fields.iter().enumerate() {
                    let separator = if number == 0 { " " } else { "," };
                    let _ = write!(text, "{separator}{letter}={value}");
                }
                text
            }
        }
    }
}

/// A field of the Release file, by its letter in apt's preferences.
fn field(release: &Release, letter: char) -> Option<&str> {
    match letter {
        'o' => release.origin(),
        'l' => release.label(),
        'n' => release.codename(),
        _ => release.suite(),
    }
}

/// Whether apt takes a value literally: commas separate fields, and patterns match other values
/// too.
fn is_plain(value: &str) -> bool {
    !value.contains([',', '*', '?', '[', '\\', '\n']) && !value.starts_with('/')
}

fn uri(release: &Release) -> &str {
    release.source().uris.first().map_or("", String::as_str)
}

/// The host of a URI without its port; empty for a local file.
pub(super) fn host(uri: &str) -> &str {
    let Some((_, rest)) = uri.split_once("://") else {
        return "";
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}
