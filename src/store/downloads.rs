//! A plan's .debs, downloaded by several threads in the background.
//!
//! Files are downloaded in the order in which they are requested, but one that a consumer waits for
//! comes first. A .deb whose decoded form is in the cache is not downloaded. URLs, retries and
//! digests are the store's.

use std::sync::Arc;
use std::time::Instant;

use crate::formats::digest::Digest;
use crate::queue::{Item, Purpose, Queue, TakeError, Task, Workers};
use crate::report::{Event, Report, Stage};
use crate::store::{
    CacheForm, DerivedKind, DerivedWriter, Error, RemoteFile, Stop, Store, Verified,
};

/// Downloads under way. Dropping it stops them.
#[derive(Debug)]
pub(crate) struct Downloads {
    queue: Arc<FileQueue>,
    downloader: Arc<Downloader>,
    /// Dropped last: it waits for the threads.
    _workers: Workers,
}

type FileQueue = Queue<Digest, RemoteFile, Arc<Verified>, Arc<Error>>;
type FileTask<'a> = Task<'a, Digest, RemoteFile, Arc<Verified>, Arc<Error>>;

/// What the threads share besides the queue.
#[derive(Debug)]
struct Downloader {
    store: Arc<Store>,
    report: Report,
    stop: Stop,
}

impl Downloads {
    /// Starts `connections` threads, at least one, that download what is requested.
    pub(crate) fn start(store: Arc<Store>, connections: usize, report: Report) -> Downloads {
        let stop = store.stop();
        let downloader = Arc::new(Downloader {
            store,
            report,
            stop,
        });
        let queue = Arc::new(FileQueue::new());
        let shared = Arc::clone(&downloader);
        let workers = Workers::start(&queue, connections, "fetch", move |worker| {
            while let Some(task) = worker.next() {
                shared.process(task);
            }
        });
        Downloads {
            queue,
            downloader,
            _workers: workers,
        }
    }

    /// Prefetches a file that is probably needed. A failed prefetch matters only if the file is
    /// wanted later.
    pub(crate) fn prefetch(&self, file: RemoteFile) {
        self.queue.prefetch(file.digest.clone(), file);
    }

    /// Requests the plan's files, in this order. Prefetches that are not among them are dropped
    /// unless they are under way. The stage ends when all files are here.
    pub(crate) fn want(&self, files: &[RemoteFile]) {
        let mut items = Vec::with_capacity(files.len());
        for file in files {
            items.push(Item {
                key: file.digest.clone(),
                job: file.clone(),
            });
        }
        let admission = self.queue.want(items);
        for at in admission.added {
            self.downloader.count(&files[at]);
        }
        if admission.is_complete {
            self.downloader.report.ended(Stage::Download);
        }
    }

    /// Waits until the file is here and verified. A file that was not requested is requested now.
    /// The first failure of any wanted file fails every call.
    pub(crate) fn take(&self, file: &RemoteFile) -> Result<Arc<Verified>, Arc<Error>> {
        let taken = self.queue.take_now(&file.digest, file.clone());
        taken.map_err(download_error)
    }

    /// As [`Downloads::take`], but the file can still be taken, and is not verified again for that.
    pub(crate) fn share(&self, file: &RemoteFile) -> Result<Arc<Verified>, Arc<Error>> {
        let shared = self.queue.copy_now(&file.digest, file.clone());
        shared.map_err(download_error)
    }

    /// Fetches a .deb whose verified file was replaced by another or removed: from the cache if an
    /// equal file is there, or else from its URLs. Its decoded form is not used.
    pub(crate) fn fetch_again(&self, deb: &RemoteFile) -> Result<Verified, Error> {
        let downloader = &self.downloader;
        downloader.report.detail(format!(
            "{}: its file in the cache has changed; it is fetched again",
            deb.name
        ));
        downloader.store.file_until(deb, &|_| {}, &downloader.stop)
    }

    /// The .deb itself, where [`Downloads::take`] may give its decoded form.
    pub(crate) fn original(&self, deb: &RemoteFile) -> Result<Arc<Verified>, Arc<Error>> {
        let taken = self.take(deb)?;
        if taken.form() == CacheForm::Original {
            return Ok(taken);
        }
        let downloader = &self.downloader;
        let file = downloader.store.file_until(deb, &|_| {}, &downloader.stop);
        Ok(Arc::new(file?))
    }

    /// The store that has the files.
    pub(crate) fn store(&self) -> &Store {
        &self.downloader.store
    }

    /// A file for the decoded form of a .deb. None where nothing is kept.
    pub(crate) fn derived_writer(&self, deb: &RemoteFile) -> Option<DerivedWriter> {
        self.downloader
            .store
            .derived_writer(DerivedKind::Package, &deb.digest)
    }
}

fn download_error(error: TakeError<Arc<Error>>) -> Arc<Error> {
    match error {
        TakeError::Failed(error) => error,
        TakeError::Cancelled | TakeError::NotRequested => Arc::new(Error::Cancelled),
    }
}

impl Drop for Downloads {
    fn drop(&mut self) {
        self.downloader.stop.stop();
    }
}

impl Downloader {
    fn process(&self, task: FileTask<'_>) {
        // Planned files have been counted when they were requested.
        if task.purpose() != Purpose::Planned {
            self.count(task.job());
        }
        match self.download(task.job()) {
            Ok(verified) => {
                if task.finish(Ok(Arc::new(verified))) {
                    self.report.ended(Stage::Download);
                }
            }
            Err(error) => {
                task.finish(Err(Arc::new(error)));
            }
        }
    }

    fn count(&self, file: &RemoteFile) {
        self.report.send(Event::Grew {
            stage: Stage::Download,
            by: file.size,
        });
    }

    fn download(&self, file: &RemoteFile) -> Result<Verified, Error> {
        let stage = Stage::Download;
        let item = file.name.clone();
        let from = Instant::now();
        self.report.send(Event::Working {
            stage,
            item: item.clone(),
        });
        let progress = |bytes| self.report.advanced(stage, bytes);
        let verified = self.store.deb_until(file, &progress, &self.stop)?;
        self.report.send(Event::Span {
            stage,
            item,
            from,
            to: Instant::now(),
        });
        Ok(verified)
    }
}

#[cfg(test)]
mod tests;
