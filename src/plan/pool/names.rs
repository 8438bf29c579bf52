//! Numbers names, and finds the number of a name.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::NameId;

/// Names with their numbers, which are given in order.
#[derive(Debug)]
pub(super) struct Names<'a> {
    texts: Vec<&'a str>,
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

    pub(super) fn all(&self) -> &[&'a str] {
        &self.texts
    }

    pub(super) fn text(&self, name: NameId) -> &'a str {
        self.texts[name.index()]
    }

    pub(super) fn find(&self, name: &str) -> Option<NameId> {
        let hash = self.hasher.hash_one(name);
        let is_it = |number: &NameId| self.texts[number.index()] == name;
        self.numbers.find(hash, is_it).copied()
    }

    /// The number of a name, which is a new one if the name is new.
    pub(super) fn intern(&mut self, name: &'a str) -> NameId {
        let texts = &mut self.texts;
        let hasher = &self.hasher;
        let hash = hasher.hash_one(name);
        let is_it = |number: &NameId| texts[number.index()] == name;
        let rehash = |number: &NameId| hasher.hash_one(texts[number.index()]);
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
