//! The pins of sources: the preferences written for the tree's apt give every source the priority
//! that it has here.

use std::num::NonZeroI16;
use std::sync::Arc;

use super::source;
use crate::archive::Release;
use crate::formats::stanza::{fields, stanzas};
use crate::testing::archive::DATE;

const URIS: [&str; 3] = [
    "http://ftp.debian.org/debian",
    "http://user@ftp.debian.org:8080/other",
    "file:/srv/debian",
];

/// Release files, each after a line `%URI PIN`: a number of [`URIS`], and a pin or none.
pub(crate) fn preferences(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut releases = Vec::new();
    for part in text.split('%').skip(1) {
        let (line, text) = part.split_once('\n').unwrap_or((part, ""));
        let (uri, pin) = line.split_once(' ').unwrap_or((line, ""));
        let mut source = source("./");
        let uri = uri.parse::<usize>().unwrap_or(0) % URIS.len();
        source.uris = vec![URIS[uri].to_owned()];
        source.pin = pin.parse::<NonZeroI16>().ok();
        let Ok(release) = Release::parse(text, &source, DATE) else {
            return;
        };
        releases.push(Arc::new(release));
    }
    let Ok(text) = super::super::preferences(&releases) else {
        return;
    };
    let rules: Vec<PinRule<'_>> = stanzas(&text).map(PinRule::parse).collect();
    for release in &releases {
        let pin = release.source().pin.map(NonZeroI16::get);
        // apt takes the highest priority of those that match.
        let mut matching = Vec::new();
        for rule in &rules {
            if rule.matches(release) {
                matching.push(rule.priority);
            }
        }
        assert_eq!(matching.iter().max().copied(), pin, "{text}");
        assert!(matching.iter().all(|priority| Some(*priority) == pin));
    }
}

/// A stanza of preferences as apt reads it.
struct PinRule<'t> {
    /// Letters and values, or the host.
    fields: Vec<(&'t str, &'t str)>,
    priority: i16,
}

impl<'t> PinRule<'t> {
    fn parse(stanza: &'t str) -> PinRule<'t> {
        let all: Vec<(&str, &str)> = fields(stanza).collect();
        let [("Package", "*"), ("Pin", pin), ("Pin-Priority", priority)] = all[..] else {
            panic!("{stanza}");
        };
        let mut fields = Vec::new();
        match pin.split_once(' ') {
            Some(("origin", host)) => fields.push(("host", host.trim_matches('"'))),
            Some(("release", rest)) => {
                for field in rest.split(',') {
                    fields.push(field.trim_start().split_once('=').unwrap());
                }
            }
            _ => panic!("{pin}"),
        }
        PinRule {
            fields,
            priority: priority.parse().unwrap(),
        }
    }

    fn matches(&self, release: &Release) -> bool {
        let uri = &release.source().uris[0];
        let host = match uri.contains("ftp.debian.org") {
            true => "ftp.debian.org",
            false => "",
        };
        self.fields.iter().all(|(letter, value)| match *letter {
            "host" => host == *value,
            "o" => release.origin() == Some(value),
            "l" => release.label() == Some(value),
            "n" => release.codename() == Some(value),
            "a" => release.suite() == Some(value),
            other => panic!("{other}"),
        })
    }
}
