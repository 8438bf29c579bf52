//! A plan as bytes, and the key under which it is found again: whoever asks for the same, of sources that promise the same, gets the
//! same plan.
//!
//! The bytes are a head of lines, a blank one, and the stanzas of the packages, so that a plan is found without reading an index. The head
//! has what the releases promised, how many essentials there are, which release each package is from, which are automatic, and a line a call.

use std::fmt::Write;
use std::sync::Arc;

use super::{Call, Chosen, Plan, Wanted};
use crate::archive::{Release, Source};
use crate::formats::digest::{Algorithm, Digest, digest};
use crate::formats::package::Package;
use crate::formats::stanza::stanzas;

/// What the last plan of the same request is kept under: what is wanted, and of which sources.
pub(crate) fn key(wanted: &Wanted, sources: &[Source]) -> Digest {
    let mut text = format!("{wanted:?}\n");
    for Source {
        uris,
        suite,
        components,
        architectures,
        pin,
        ..
    } in sources
    {
        let _ = writeln!(
            text,
            "{uris:?} {suite:?} {components:?} {architectures:?} {pin:?}"
        );
    }
    digest(Algorithm::Sha256, text.as_bytes())
}

impl Plan {
    /// The plan as bytes, to be read by [`Plan::recalled`]. It was made of what `releases` promise with `promise`.
    pub(crate) fn to_bytes(&self, releases: &[Arc<Release>], promise: &str) -> Vec<u8> {
        let mut text = format!("promise {}\nessentials {}\n", of(promise), self.essentials);
        let mut line = |word: &str, numbers: &mut dyn Iterator<Item = usize>| {
            text.push_str(word);
            numbers.for_each(|number| {
                let _ = write!(text, " {number}");
            });
            text.push('\n');
        };
        let number = |release: &Arc<Release>| {
            releases
                .iter()
                .position(|known| Arc::ptr_eq(known, release))
                .unwrap_or(usize::MAX)
        };
        line(
            "from",
            &mut self.packages.iter().map(|chosen| number(&chosen.release)),
        );
        line(
            "automatic",
            &mut self
                .packages
                .iter()
                .map(|chosen| usize::from(chosen.automatic)),
        );
        for call in &self.calls {
            let (word, numbers) = match call {
                Call::Unpack(numbers) => ("unpack", numbers),
                Call::Configure(numbers) => ("configure", numbers),
                Call::Remove(numbers) => ("remove", numbers),
            };
            line(word, &mut numbers.iter().copied());
        }
        for Chosen { stanza, .. } in &self.packages {
            text.push('\n');
            text.push_str(stanza.trim_end());
            text.push('\n');
        }
        text.into_bytes()
    }

    /// The plan that was written as `bytes`. None where they are none of ours, or were made of another promise.
    pub(crate) fn recalled(releases: &[Arc<Release>], promise: &str, bytes: &[u8]) -> Option<Plan> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, rest) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        let (first, head) = head.split_once('\n')?;
        if first.strip_prefix("promise ")? != of(promise) {
            return None;
        }
        let mut plan = Plan {
            packages: Vec::new(),
            essentials: 0,
            calls: Vec::new(),
        };
        let (mut from, mut automatic) = (Vec::new(), Vec::new());
        for line in head.lines() {
            let (word, numbers) = line.split_once(' ').unwrap_or((line, ""));
            let numbers = numbers
                .split_terminator(' ')
                .map(|number| number.parse().ok())
                .collect::<Option<Vec<usize>>>()?;
            match word {
                "essentials" => plan.essentials = *numbers.first()?,
                "from" => from = numbers,
                "automatic" => automatic = numbers,
                "unpack" => plan.calls.push(Call::Unpack(numbers)),
                "configure" => plan.calls.push(Call::Configure(numbers)),
                "remove" => plan.calls.push(Call::Remove(numbers)),
                _ => return None,
            }
        }
        for ((stanza, from), automatic) in stanzas(rest).zip(&from).zip(&automatic) {
            let (package, release) = (
                Package::parse(stanza).ok()?,
                Arc::clone(releases.get(*from)?),
            );
            plan.packages.push(Chosen {
                package,
                stanza: stanza.to_owned(),
                release,
                automatic: *automatic != 0,
            });
        }
        plan.is_whole(from.len()).then_some(plan)
    }

    fn is_whole(&self, packages: usize) -> bool {
        let known = |numbers: &[usize]| numbers.iter().all(|number| *number < packages);
        let calls = self.calls.iter().all(|call| match call {
            Call::Unpack(numbers) | Call::Configure(numbers) | Call::Remove(numbers) => {
                known(numbers)
            }
        });
        self.packages.len() == packages && self.essentials <= packages && calls
    }
}

fn of(promise: &str) -> String {
    blake3::hash(promise.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::plan;
    use super::super::tests::listing;
    use super::*;
    use crate::archive::Index;
    use crate::formats::suite::Variant;

    fn index_of(stanzas: &str) -> Index {
        Index {
            listings: vec![listing("trixie", "amd64", stanzas)],
        }
    }

    fn releases(index: &Index) -> Vec<Arc<Release>> {
        index
            .listings
            .iter()
            .map(|listing| Arc::clone(&listing.release))
            .collect()
    }

    fn wants(include: &str) -> Wanted {
        let (suite, architectures, include) =
            ("trixie".into(), vec!["amd64".into()], vec![include.into()]);
        Wanted {
            variant: Variant::Minbase,
            suite,
            architectures,
            include,
            exclude: Vec::new(),
        }
    }

    #[test]
    fn a_plan_is_recalled_as_it_was() {
        let index = index_of("a 1 Essential:yes\nb 1 Depends:c Priority:required\nc 2\nd 1\napt 1");
        let (releases, wanted) = (releases(&index), wants("d"));
        let made = plan(&index, &wanted).unwrap();
        let bytes = made.to_bytes(&releases, "this");
        let recalled = Plan::recalled(&releases, "this", &bytes).unwrap();
        let shown = |plan: &Plan| format!("{plan:?}").replace("\\n\\n\"", "\\n\"");
        assert_eq!(shown(&made), shown(&recalled));
        assert_eq!(recalled.to_bytes(&releases, "this"), bytes);
        assert_eq!((made.packages.len(), made.essentials), (5, 1));
        assert!(Plan::recalled(&releases, "that", &bytes).is_none());
        assert!(Plan::recalled(&[], "this", &bytes).is_none());
    }

    #[test]
    fn the_same_request_has_the_same_key() {
        let release = &index_of("a 1").listings[0].release;
        let sources = |pin: i16| {
            vec![Source {
                pin: std::num::NonZeroI16::new(pin),
                ..release.source.clone()
            }]
        };
        assert_eq!(key(&wants("d"), &sources(0)), key(&wants("d"), &sources(0)));
        assert_ne!(key(&wants("d"), &sources(0)), key(&wants("c"), &sources(0)));
        assert_ne!(key(&wants("d"), &sources(0)), key(&wants("d"), &sources(1)));
    }

    #[test]
    fn what_is_no_plan_is_none() {
        let index = index_of("a 1 Essential:yes\napt 1");
        let releases = releases(&index);
        let bytes = plan(&index, &wants("a"))
            .unwrap()
            .to_bytes(&releases, "this");
        let good = String::from_utf8(bytes).unwrap();
        let recalled = |text: &str| Plan::recalled(&releases, "this", text.as_bytes());
        assert!(recalled(&good).is_some(), "{good}");
        for (what, text) in [
            (
                "a stanza is missing",
                good.replace("\n\nPackage: apt", "\n\n"),
            ),
            ("a stanza is none", good.replace("Version: 1", "Version")),
            ("a source is unknown", good.replace("from 0 0", "from 0 1")),
            ("a number is none", good.replace("from 0 0", "from 0 x")),
            (
                "more essentials than packages",
                good.replace("essentials 1", "essentials 3"),
            ),
            (
                "a call of an unknown package",
                good.replace("unpack 1", "unpack 2"),
            ),
            ("a word is unknown", good.replace("automatic", "autumnal")),
            ("its beginning is missing", good[1..].to_owned()),
        ] {
            assert_ne!(text, good, "{what}");
            assert!(recalled(&text).is_none(), "{what}: {text}");
        }
        assert_eq!(
            recalled(std::str::from_utf8(&empty().to_bytes(&releases, "this")).unwrap())
                .unwrap()
                .packages
                .len(),
            0
        );
    }

    fn empty() -> Plan {
        Plan {
            packages: vec![],
            essentials: 0,
            calls: vec![Call::Unpack(vec![])],
        }
    }
}
