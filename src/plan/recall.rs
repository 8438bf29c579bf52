//! A plan as bytes, and the key under which it can be found again: whoever asks for the same of the same indexes gets the same plan.
//!
//! The bytes are lines: how many essentials, then a line a package (listing, place of its stanza there, whether it is automatic), then a
//! line a call. What they say of packages is read from the indexes again.

use std::fmt::Write;
use std::ops::Range;

use super::{Call, Chosen, Plan, Wanted};
use crate::archive::Index;
use crate::digest::{Algorithm, Digest, digest};
use crate::package::Package;

/// What a plan depends on: every listing's text and what its release says of it, and what is wanted.
pub fn key(index: &Index, wanted: &Wanted) -> Digest {
    let mut text = format!("{wanted:?}\n");
    for listing in &index.listings {
        let release = &listing.release;
        let content = blake3::hash(listing.text.as_bytes());
        let says = (&release.source.suite, &release.suite, &release.codename, &release.origin, &release.label, &release.version);
        let counts = (release.source.pin, release.not_automatic, release.but_automatic_upgrades, &listing.component, &listing.architecture);
        let _ = writeln!(text, "{content} {says:?} {counts:?}");
    }
    digest(Algorithm::Sha256, text.as_bytes())
}

impl Plan {
    /// The plan as bytes, to be read by [`Plan::recalled`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("essentials {}\n", self.essentials);
        for Chosen { listing, stanza, automatic, .. } in &self.packages {
            let _ = writeln!(text, "package {listing} {} {} {}", stanza.start, stanza.end, u8::from(*automatic));
        }
        for call in &self.calls {
            let (word, numbers) = match call {
                Call::Unpack(numbers) => ("unpack", numbers),
                Call::Configure(numbers) => ("configure", numbers),
                Call::Remove(numbers) => ("remove", numbers),
            };
            text.push_str(word);
            numbers.iter().for_each(|number| {
                let _ = write!(text, " {number}");
            });
            text.push('\n');
        }
        text.into_bytes()
    }

    /// The plan that was written as `bytes`, of the same index. None where they are none of ours.
    pub fn recalled(index: &Index, bytes: &[u8]) -> Option<Plan> {
        let mut plan = Plan { packages: Vec::new(), essentials: 0, calls: Vec::new() };
        for line in std::str::from_utf8(bytes).ok()?.lines() {
            let (word, rest) = line.split_once(' ')?;
            let numbers = rest.split(' ').map(|number| number.parse().ok()).collect::<Option<Vec<usize>>>()?;
            match (word, numbers.as_slice()) {
                ("essentials", [number]) => plan.essentials = *number,
                ("package", [listing, start, end, automatic]) => {
                    plan.packages.push(chosen(index, *listing, *start..*end, *automatic != 0)?);
                }
                ("unpack", _) => plan.calls.push(Call::Unpack(numbers)),
                ("configure", _) => plan.calls.push(Call::Configure(numbers)),
                ("remove", _) => plan.calls.push(Call::Remove(numbers)),
                _ => return None,
            }
        }
        let known = |numbers: &[usize]| numbers.iter().all(|number| *number < plan.packages.len());
        let is_whole = plan.essentials <= plan.packages.len()
            && plan.calls.iter().all(|call| match call {
                Call::Unpack(numbers) | Call::Configure(numbers) | Call::Remove(numbers) => known(numbers),
            });
        is_whole.then_some(plan)
    }
}

fn chosen(index: &Index, listing: usize, stanza: Range<usize>, automatic: bool) -> Option<Chosen> {
    let package = Package::parse(index.listings.get(listing)?.text.get(stanza.clone())?).ok()?;
    Some(Chosen { package, listing, stanza, automatic })
}

#[cfg(test)]
mod tests {
    use super::super::plan;
    use super::super::tests::listing;
    use super::*;
    use crate::suite::Variant;

    fn index_of(stanzas: &str) -> Index {
        Index { listings: vec![listing("trixie", "amd64", stanzas)] }
    }

    fn wants(include: &str) -> Wanted {
        let (suite, architectures, include) = ("trixie".into(), vec!["amd64".into()], vec![include.into()]);
        Wanted { variant: Variant::Minbase, suite, architectures, include, exclude: Vec::new() }
    }

    #[test]
    fn a_plan_is_recalled_as_it_was() {
        let index = index_of("a 1 Essential:yes\nb 1 Depends:c Priority:required\nc 2\nd 1\napt 1");
        let (wanted, other) = (wants("d"), wants("c"));
        let made = plan(&index, &wanted).unwrap();
        let recalled = Plan::recalled(&index, &made.to_bytes()).unwrap();
        assert_eq!(format!("{made:?}"), format!("{recalled:?}"));
        assert_eq!((made.packages.len(), made.essentials), (5, 1));
        assert_eq!(key(&index, &wanted), key(&index, &wanted));
        assert_ne!(key(&index, &wanted), key(&index, &other));
        assert_ne!(key(&index, &wanted), key(&index_of("a 1 Essential:yes"), &wanted));
    }

    #[test]
    fn what_is_no_plan_is_none() {
        let index = index_of("a 1");
        for text in ["nonsense", "essentials 1\n", "package 0 0 9999 0\n", "package 1 0 1 0\n", "unpack 0\n", "essentials x\n"] {
            assert!(Plan::recalled(&index, text.as_bytes()).is_none(), "{text}");
        }
        assert!(Plan { packages: vec![], essentials: 0, calls: vec![Call::Unpack(vec![])] }.to_bytes().ends_with(b"unpack\n"));
    }
}
