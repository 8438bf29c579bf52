//! Numbers names, and finds the number of a name.
//!
//! A name in upper case is one in lower case, as for dpkg (pkg_hash_find_set) and apt
//! (debListParser::Package).

use std::borrow::Cow;
use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::NameId;

/// Names with their numbers, which are given in order.
#[derive(Debug)]
pub(super) struct Names<'a> {
    texts: Vec<Cow<'a, str>>,
    numbers: HashTable<NameId>,
    hasher: DefaultHashBuilder,
}

impl<'a> Names<'a> {
    pub(super) fn with_capacity(capacity: usize) -> Names<'a> {
        Names {
            texts: Vec::with_capacity(capacity),
            numbers: HashTable::with_capacity(capacity),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// All names, in lower case.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(Cow::as_ref)
    }

    pub(super) fn text(&self, name: NameId) -> &str {
        &self.texts[name.index()]
    }

    pub(super) fn find(&self, name: &str) -> Option<NameId> {
        let name = in_lower_case(name);
        let hash = self.hasher.hash_one(&*name);
        let is_it = |number: &NameId| self.texts[number.index()] == name;
        self.numbers.find(hash, is_it).copied()
    }

    /// The number of a name, which is a new one if the name is new.
    pub(super) fn intern(&mut self, name: &'a str) -> NameId {
        let name = in_lower_case(name);
        let texts = &mut self.texts;
        let hasher = &self.hasher;
        let hash = hasher.hash_one(&*name);
        let is_it = |number: &NameId| texts[number.index()] == name;
        let rehash = |number: &NameId| hasher.hash_one(&*texts[number.index()]);
        match self.numbers.entry(hash, is_it, rehash) {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(free) => {
                let number = NameId(texts.len() as u32);
                free.insert(number);
                texts.push(name);
                number
            }
        }
    }
}

/// Most names are in lower case already: the text itself, at the cost of one look.
fn in_lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(name.to_ascii_lowercase());
    }
    Cow::Borrowed(name)
}
