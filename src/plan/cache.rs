//! A plan as bytes for the cache, and the key under which it is kept.
//!
//! The same selection from sources with the same indexes gives the same plan, so a later run can
//! read it back without reading an index. The bytes are a head of lines, a blank line, and the
//! stanzas of the packages. The head has a hash of the index digests, the number of essential
//! packages, the release of each package, which packages are automatic, and a line for each call.

use std::fmt::Write;
use std::sync::Arc;

use super::{Call, Chosen, Plan, Selection};
use crate::archive::{Release, Source};
use crate::formats::digest::Digest;
use crate::formats::key::KeyHasher;
use crate::formats::stanza::stanzas;

/// The key of the last plan for a selection from these sources.
pub(crate) fn cache_key(selection: &Selection, sources: &[Source]) -> Digest {
    // Every field decides the plan, so a new one does not compile until it is in the key.
    let Selection {
        variant,
        suite,
        architectures,
        include,
        local,
        exclude,
        usr_is_merged,
        first_alternatives,
    } = selection;
    let mut key = KeyHasher::new("plan");
    key.text(variant.name());
    key.text(suite);
    key.texts(architectures);
    key.texts(include);
    key.number(local.len() as u64);
    for file in local {
        key.text(file.word());
        key.text(file.stanza());
    }
    key.texts(exclude);
    key.flag(*usr_is_merged);
    key.flag(*first_alternatives);
    key.number(sources.len() as u64);
    for source in sources {
        // The others decide whether a release is read, not what is chosen from it.
        let Source {
            uris,
            suite,
            components,
            architectures,
            trust: _,
            expiry: _,
            tree_keys: _,
            packaged: _,
            pin,
            exemptions: _,
            archive: _,
            leniency: _,
        } = source;
        key.texts(uris);
        key.text(suite);
        key.texts(components);
        key.texts(architectures);
        key.text(&pin.map_or(0, |pin| pin.get()).to_string());
    }
    key.finish()
}

impl Plan {
    /// The plan as bytes for [`Plan::from_bytes`]. `releases` are those of the sources, and
    /// `index_digests` has the sizes and digests of their indexes.
    pub(crate) fn to_bytes(&self, releases: &[Arc<Release>], index_digests: &str) -> Vec<u8> {
        let mut head = Head {
            indexes: hash(index_digests),
            essential_count: self.essential_count,
            releases: Vec::new(),
            automatic: Vec::new(),
            calls: self.calls.clone(),
        };
        for chosen in &self.packages {
            head.releases.push(number_of(chosen, releases));
            head.automatic.push(usize::from(chosen.automatic));
        }
        let mut text = head.to_text();
        for chosen in &self.packages {
            text.push('\n');
            text.push_str(chosen.stanza.trim_end());
            text.push('\n');
        }
        text.into_bytes()
    }

    /// Reads the plan back. `None` if the bytes are not a plan, or one from other indexes.
    pub(crate) fn from_bytes(
        bytes: &[u8],
        releases: &[Arc<Release>],
        index_digests: &str,
    ) -> Option<Plan> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, rest) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        let head = Head::parse(head)?;
        if head.indexes != hash(index_digests) {
            return None;
        }
        let mut packages = Vec::new();
        for (number, stanza) in stanzas(rest).enumerate() {
            let release = match head.releases.get(number)?.checked_sub(1) {
                Some(position) => Some(Arc::clone(releases.get(position)?)),
                None => None,
            };
            let automatic = *head.automatic.get(number)? != 0;
            packages.push(Chosen::new(stanza, release, automatic).ok()?);
        }
        if packages.len() != head.releases.len() {
            return None;
        }
        Plan::new(packages, head.essential_count, head.calls)
    }
}

/// The position of a package's release, from 1; 0 for a local file.
fn number_of(chosen: &Chosen, releases: &[Arc<Release>]) -> usize {
    let Some(own) = &chosen.release else {
        return 0;
    };
    let mut known = releases.iter();
    let position = known.position(|release| Arc::ptr_eq(release, own));
    position.map_or(usize::MAX, |position| position + 1)
}

/// The lines before the stanzas.
struct Head {
    /// The hash of the index digests.
    indexes: String,
    essential_count: usize,
    /// For each package the position of its release, from 1; 0 for a local file.
    releases: Vec<usize>,
    /// For each package 1 if it is automatic, 0 otherwise.
    automatic: Vec<usize>,
    calls: Vec<Call>,
}

impl Head {
    fn to_text(&self) -> String {
        let mut text = format!("indexes {}\n", self.indexes);
        push_line(&mut text, "essentials", &[self.essential_count]);
        push_line(&mut text, "releases", &self.releases);
        push_line(&mut text, "automatic", &self.automatic);
        for call in &self.calls {
            let word = match call {
                Call::Unpack(_) => "unpack",
                Call::Configure(_) => "configure",
                Call::Remove(_) => "remove",
            };
            push_line(&mut text, word, call.numbers());
        }
        text
    }

    fn parse(text: &str) -> Option<Head> {
        let (first, lines) = text.split_once('\n')?;
        let mut head = Head {
            indexes: first.strip_prefix("indexes ")?.to_owned(),
            essential_count: 0,
            releases: Vec::new(),
            automatic: Vec::new(),
            calls: Vec::new(),
        };
        for line in lines.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let mut numbers = Vec::new();
            for number in rest.split_terminator(' ') {
                numbers.push(number.parse().ok()?);
            }
            match word {
                "essentials" => head.essential_count = *numbers.first()?,
                "releases" => head.releases = numbers,
                "automatic" => head.automatic = numbers,
                "unpack" => head.calls.push(Call::Unpack(numbers)),
                "configure" => head.calls.push(Call::Configure(numbers)),
                "remove" => head.calls.push(Call::Remove(numbers)),
                _ => return None,
            }
        }
        Some(head)
    }
}

fn push_line(text: &mut String, word: &str, numbers: &[usize]) {
    text.push_str(word);
    for number in numbers {
        let _ = write!(text, " {number}");
    }
    text.push('\n');
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::plan;
    use super::super::tests::listing;
    use super::*;
    use crate::archive::Index;
    use crate::formats::suite::Variant;

    fn index_of(stanzas: &str) -> Index {
        crate::testing::listing::index(vec![listing("trixie", "amd64", stanzas)])
    }

    fn releases(index: &Index) -> Vec<Arc<Release>> {
        let mut releases = Vec::new();
        for listing in index.listings() {
            releases.push(Arc::clone(listing.release()));
        }
        releases
    }

    fn selection(include: &[&str]) -> Selection {
        Selection {
            variant: Variant::Minbase,
            suite: "trixie".into(),
            architectures: vec!["amd64".into()],
            include: include.iter().map(|name| (*name).to_owned()).collect(),
            local: Vec::new(),
            exclude: Vec::new(),
            usr_is_merged: false,
            first_alternatives: false,
        }
    }

    #[test]
    fn a_plan_is_read_back_as_it_was() {
        let index = index_of("a 1 Essential:yes\nb 1 Depends:c Priority:required\nc 2\nd 1\napt 1");
        let releases = releases(&index);
        let made = plan(&index, &selection(&["d"])).unwrap();
        let bytes = made.to_bytes(&releases, "digests");
        let read = Plan::from_bytes(&bytes, &releases, "digests").unwrap();
        assert_eq!(made.calls, read.calls);
        assert_eq!(made.essential_count, 1);
        assert_eq!(read.essential_count, 1);
        assert_eq!(made.packages.len(), 5);
        assert_eq!(read.packages.len(), 5);
        for (made, read) in made.packages.iter().zip(&read.packages) {
            assert_eq!(made.stanza.trim_end(), read.stanza.trim_end());
            assert_eq!(made.automatic, read.automatic);
            let both = made.release.as_ref().zip(read.release.as_ref());
            assert!(both.is_some_and(|(made, read)| Arc::ptr_eq(made, read)));
        }
        assert_eq!(read.to_bytes(&releases, "digests"), bytes);
        assert!(Plan::from_bytes(&bytes, &releases, "other digests").is_none());
        assert!(Plan::from_bytes(&bytes, &[], "digests").is_none());
    }

    #[test]
    fn the_same_request_has_the_same_key() {
        let index = index_of("a 1");
        let release = index.listings()[0].release();
        let key = |include: &[&str], pin: i16| {
            let source = Source {
                pin: std::num::NonZeroI16::new(pin),
                ..release.source().clone()
            };
            cache_key(&selection(include), &[source])
        };
        assert_eq!(key(&["d"], 0), key(&["d"], 0));
        assert_ne!(key(&["d"], 0), key(&["c"], 0));
        assert_ne!(key(&["d"], 0), key(&["d"], 1));
        assert_ne!(key(&["d", "e"], 0), key(&["de"], 0));
        assert_ne!(key(&["d, e"], 0), key(&["d", "e"], 0));
    }

    #[test]
    fn damaged_bytes_are_not_a_plan() {
        let index = index_of("a 1 Essential:yes\napt 1");
        let releases = releases(&index);
        let made = plan(&index, &selection(&["a"])).unwrap();
        let good = String::from_utf8(made.to_bytes(&releases, "digests")).unwrap();
        let read = |text: &str| Plan::from_bytes(text.as_bytes(), &releases, "digests");
        assert!(read(&good).is_some(), "{good}");
        for (what, from, to) in [
            ("a stanza is missing", "\n\nPackage: apt", "\n\n"),
            ("a stanza has no version", "Version: 1", "Version"),
            ("a release is unknown", "releases 1 1", "releases 1 2"),
            ("not a number", "releases 1 1", "releases 1 x"),
            ("too many essentials", "essentials 1", "essentials 3"),
            ("a call of an unknown package", "unpack 1", "unpack 2"),
            ("an unknown word", "automatic", "autumnal"),
            ("the first word is damaged", "indexes", "ndexes"),
        ] {
            let text = good.replace(from, to);
            assert_ne!(text, good, "{what}");
            assert!(read(&text).is_none(), "{what}: {text}");
        }
        let empty = Plan::new(vec![], 0, vec![Call::Unpack(vec![])]).unwrap();
        let bytes = empty.to_bytes(&releases, "digests");
        let read = Plan::from_bytes(&bytes, &releases, "digests").unwrap();
        assert_eq!(read.packages.len(), 0);
    }
}
