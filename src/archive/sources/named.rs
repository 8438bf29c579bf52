//! The names of sources: for messages, and for the memory of their newest dates.

use super::SourceEntry;
use crate::store;

impl SourceEntry {
    /// The entry as a line, for messages.
    pub(crate) fn shown(&self) -> String {
        let uri = store::shown(&self.uri);
        let words = [uri.as_str(), &self.suite].into_iter();
        let words = words.chain(self.components.iter().map(String::as_str));
        words.collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn suite(&self) -> &str {
        &self.suite
    }
}

/// The name of the archive at a URL, for the memory of its newest date.
pub(crate) fn archive_at(uri: &str) -> String {
    store::public_mirror(uri)
}
