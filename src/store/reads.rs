//! Remembers files that were read without a digest, for later runs of the same process: all images
//! of a build then use the same releases, and each release is requested once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Error, Unverified};

/// The reads of a store, by the URLs that were tried. Nothing is kept until
/// [`RememberedReads::begin`].
#[derive(Debug, Default)]
pub(crate) struct RememberedReads(Mutex<Option<BTreeMap<Vec<String>, Arc<Slot>>>>);

/// One read. The thread that holds the lock reads; others wait for its result.
type Slot = Mutex<Option<Unverified>>;

impl RememberedReads {
    /// Keeps what is read from now on.
    pub(crate) fn begin(&self) {
        lock(&self.0).get_or_insert_default();
    }

    /// Forgets what was read so far: a mirror has changed since.
    pub(crate) fn forget(&self) {
        if let Some(known) = &mut *lock(&self.0) {
            known.clear();
        }
    }

    /// What was read from these URLs, or else what `read` reads. A failure is not kept.
    pub(super) fn get_or(
        &self,
        urls: &[String],
        read: impl FnOnce() -> Result<Unverified, Error>,
    ) -> Result<Unverified, Error> {
        let Some(slot) = self.slot(urls) else {
            return read();
        };
        let mut known = lock(&slot);
        if let Some(file) = &*known {
            return Ok(file.clone());
        }
        let file = read()?;
        *known = Some(file.clone());
        Ok(file)
    }

    fn slot(&self, urls: &[String]) -> Option<Arc<Slot>> {
        let mut known = lock(&self.0);
        let slot = known.as_mut()?.entry(urls.to_vec()).or_default();
        Some(Arc::clone(slot))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_is_read_once_until_it_is_forgotten() {
        let reads = RememberedReads::default();
        let count = Cell::new(0);
        let urls = vec!["http://a/InRelease".to_owned()];
        let read = || {
            let read = reads.get_or(&urls, || {
                count.set(count.get() + 1);
                Ok(Unverified {
                    url: urls[0].clone(),
                    content: vec![count.get()],
                    took: Duration::ZERO,
                })
            });
            read.unwrap().content[0]
        };
        assert_eq!([read(), read()], [1, 2]);
        reads.begin();
        assert_eq!([read(), read()], [3, 3]);
        let failed = reads.get_or(&["http://b/".to_owned()], || Err(Error::Cancelled));
        assert!(failed.is_err());
        reads.forget();
        assert_eq!([read(), read()], [4, 4]);
    }
}
