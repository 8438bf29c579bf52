//! The pins of the tree's sources, as apt has them: in its preferences, by what tells one source from the others.
//!
//! A source's own line cannot say its priority to apt. What apt can tell sources by is what their Release files say of themselves, or else the
//! host that they come from; where neither does, the user is told rather than a tree made whose apt would decide otherwise.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Release;

/// The preferences that give the tree's apt the priorities of the sources; empty where none is pinned.
pub(crate) fn preferences(releases: &[Arc<Release>]) -> Result<String, Indistinguishable> {
    let mut pins: Vec<String> = Vec::new();
    for release in releases {
        let Some(pin) = release.source.pin else {
            continue;
        };
        let others: Vec<&Arc<Release>> = releases
            .iter()
            .filter(|other| other.source.pin != release.source.pin)
            .collect();
        let told = [Mark::fields(release), Mark::host(release)]
            .into_iter()
            .flatten()
            .find(|mark| !others.iter().any(|o| mark.is_on(o)));
        let mark = told.ok_or_else(|| Indistinguishable {
            suite: release.source.suite.clone(),
            uri: uri(release).to_owned(),
        })?;
        let stanza = format!("Package: *\nPin: {}\nPin-Priority: {pin}\n", mark.text());
        if !pins.contains(&stanza) {
            pins.push(stanza);
        }
    }
    Ok(pins.join("\n"))
}

/// Nothing that apt's preferences know tells a pinned source from one with another priority.
#[derive(Debug, thiserror::Error)]
#[error(
    "apt could not tell {suite} of {uri}, which is pinned, from another source of the same release and host"
)]
pub(crate) struct Indistinguishable {
    /// The suite of the pinned source.
    pub(crate) suite: String,
    /// Its archive.
    pub(crate) uri: String,
}

/// What apt can tell a source by (apt_preferences(5)).
#[derive(Debug)]
enum Mark<'r> {
    /// What the Release file says: origin, label, and the codename, or the suite where there is none, as that one changes with a release.
    Fields(Vec<(char, &'r str)>),
    /// Where it comes from.
    Host(&'r str),
}

impl<'r> Mark<'r> {
    fn fields(release: &'r Release) -> Option<Mark<'r>> {
        let named = ('n', release.codename.as_deref());
        let suite = (
            'a',
            release
                .suite
                .as_deref()
                .filter(|_| release.codename.is_none()),
        );
        let all = [
            ('o', release.origin.as_deref()),
            ('l', release.label.as_deref()),
            named,
            suite,
        ];
        let fields: Vec<_> = all
            .into_iter()
            .filter_map(|(letter, value)| Some((letter, value.filter(|v| is_plain(v))?)))
            .collect();
        (!fields.is_empty()).then_some(Mark::Fields(fields))
    }

    fn host(release: &'r Release) -> Option<Mark<'r>> {
        Some(Mark::Host(host(uri(release))))
    }

    fn is_on(&self, release: &Release) -> bool {
        let field = |letter| match letter {
            'o' => &release.origin,
            'l' => &release.label,
            'n' => &release.codename,
            _ => &release.suite,
        };
        match self {
            Mark::Fields(fields) => fields
                .iter()
                .all(|(letter, value)| field(*letter).as_deref() == Some(*value)),
            Mark::Host(name) => host(uri(release)) == *name,
        }
    }

    fn text(&self) -> String {
        match self {
            Mark::Host(name) => format!("origin \"{name}\""),
            Mark::Fields(fields) => {
                let mut text = "release".to_owned();
                for (number, (letter, value)) in fields.iter().enumerate() {
                    let _ = write!(
                        text,
                        "{}{letter}={value}",
                        if number == 0 { " " } else { "," }
                    );
                }
                text
            }
        }
    }
}

/// Whether apt takes a value as it is: commas part the fields, and patterns match more than themselves.
fn is_plain(value: &str) -> bool {
    !value.contains([',', '*', '?', '[', '\\', '\n']) && !value.starts_with('/')
}

fn uri(release: &Release) -> &str {
    release.source.uris.first().map_or("", String::as_str)
}

/// The host of a URI without its port; empty for a local file.
fn host(uri: &str) -> &str {
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
