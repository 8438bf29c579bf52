//! A plan's .debs, downloaded by several threads in the background.
//!
//! Files are downloaded in the order in which they are requested, but one that a consumer waits for comes first. A .deb
//! whose decoded form is in the cache is not downloaded. URLs, retries and digests are the store's.

use std::sync::Arc;
use std::time::Instant;

use crate::formats::digest::Digest;
use crate::queue::{Item, Purpose, Queue, TakeError, Task, Workers};
use crate::report::{Event, Report, Stage};
use crate::store::{DerivedKind, DerivedWriter, Error, RemoteFile, Stop, Store, Verified};

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

    /// Prefetches a file that is probably needed. A failed prefetch matters only if the file is wanted later.
    pub(crate) fn prefetch(&self, file: RemoteFile) {
        self.queue.prefetch(file.digest.clone(), file);
    }

    /// Requests the plan's files, in this order. Prefetches that are not among them are dropped unless they are under
    /// way. The stage ends when all files are here.
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

    /// Waits until the file is here and verified. A file that was not requested is requested now. The first failure of
    /// any wanted file fails every call.
    pub(crate) fn take(&self, file: &RemoteFile) -> Result<Arc<Verified>, Arc<Error>> {
        match self.queue.take_now(&file.digest, file.clone()) {
            Ok(verified) => Ok(verified),
            Err(TakeError::Failed(error)) => Err(error),
            Err(TakeError::Cancelled | TakeError::NotRequested) => Err(Arc::new(Error::Cancelled)),
        }
    }

    /// A file for the decoded form of a .deb. None where nothing is kept.
    pub(crate) fn derived_writer(&self, deb: &RemoteFile) -> Option<DerivedWriter> {
        self.downloader
            .store
            .derived_writer(DerivedKind::Package, &deb.digest)
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
mod tests {
    use std::io::Read;
    use std::sync::Mutex;
    use std::thread;

    use super::*;
    use crate::store::tests::{PATIENT, open, wanted};
    use crate::testing::server::{Reply, Server, Then};

    fn fetch(directory: &std::path::Path, connections: usize, report: Report) -> Downloads {
        let store = open(directory, true, PATIENT, Report::silent());
        Downloads::start(Arc::new(store), connections, report)
    }

    fn echo(server: &Server, path: &str) -> RemoteFile {
        let content = format!("/{path}");
        RemoteFile {
            name: path.to_owned(),
            ..wanted(&[server.url(path)], content.as_bytes())
        }
    }

    #[test]
    fn many_files_fit_few_descriptors_and_each_is_fetched_once() {
        let server = Server::start(|asked| Reply::of(asked.target.as_bytes()));
        let directory = tempfile::tempdir().unwrap();
        let (advanced, grew) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
        let totals = (Arc::clone(&advanced), Arc::clone(&grew));
        let report = Report::new(move |event| match event {
            Event::Advanced {
                stage: Stage::Download,
                by,
            } => *totals.0.lock().unwrap() += by,
            Event::Grew {
                stage: Stage::Download,
                by,
            } => *totals.1.lock().unwrap() += by,
            _ => {}
        });
        let fetch = fetch(directory.path(), 8, report);
        let all: Vec<RemoteFile> = (0..1500).map(|n| echo(&server, &format!("{n}"))).collect();
        for wanted in all.iter().chain(&all) {
            fetch.want(std::slice::from_ref(wanted));
        }
        let taken: Vec<_> = all.iter().rev().map(|w| fetch.take(w).unwrap()).collect();
        let open = std::fs::read_dir("/proc/self/fd").unwrap().count();
        assert!(open < 500, "{open} descriptors are open");
        for (wanted, verified) in all.iter().rev().zip(&taken) {
            let mut found = String::new();
            verified.open().unwrap().read_to_string(&mut found).unwrap();
            assert_eq!(found, format!("/{}", wanted.name));
        }
        assert_eq!(server.asked().len(), 1500);
        let bytes: u64 = all.iter().map(|w| w.size).sum();
        assert_eq!(
            (*advanced.lock().unwrap(), *grew.lock().unwrap()),
            (bytes, bytes)
        );
        // Taken, dropped and taken again: from the cache.
        drop(taken);
        assert_eq!(fetch.take(&all[7]).unwrap().size(), 2);
        assert_eq!(server.asked().len(), 1500);
    }

    #[test]
    fn what_is_waited_for_comes_first() {
        let server = Server::start(|asked| Reply::of(asked.target.as_bytes()));
        let directory = tempfile::tempdir().unwrap();
        // The only thread stands still at the first file until the last is waited for.
        let (proceed, gate) = std::sync::mpsc::channel();
        let (begin, begun) = std::sync::mpsc::channel();
        let gate = Mutex::new(gate);
        let report = Report::new(move |event| {
            if matches!(event, Event::Working { item, .. } if item == "0") {
                begin.send(()).unwrap();
                gate.lock().unwrap().recv().unwrap();
            }
        });
        let fetch = fetch(directory.path(), 1, report);
        for number in 0..10 {
            fetch.want(&[echo(&server, &format!("{number}"))]);
        }
        begun.recv().unwrap();
        let eight = echo(&server, "8");
        thread::scope(|scope| {
            scope.spawn(|| fetch.take(&eight).unwrap());
            while fetch.queue.first() != Some(eight.digest.clone()) {
                thread::yield_now();
            }
            proceed.send(()).unwrap();
        });
        fetch.take(&echo(&server, "9")).unwrap();
        let asked: Vec<_> = server.asked().into_iter().map(|a| a.target).collect();
        assert_eq!(asked[..2], ["/0", "/8"]);
        // Not asked for before: asked for now.
        assert_eq!(fetch.take(&echo(&server, "new")).unwrap().size(), 4);
    }

    #[test]
    fn the_first_failure_fails_every_wait() {
        let server = Server::start(|asked| match asked.target.as_str() {
            "/missing" => Reply::status(404),
            "/slow" => Reply::of(b"/slow").cut(1, Then::Hang),
            other => Reply::of(other.as_bytes()),
        });
        let directory = tempfile::tempdir().unwrap();
        let fetch = fetch(directory.path(), 2, Report::silent());
        fetch.take(&echo(&server, "good")).unwrap();
        let slow = echo(&server, "slow");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| fetch.take(&slow));
            server
                .answered
                .iter()
                .find(|a| a.target == "/slow")
                .unwrap();
            fetch.want(&[echo(&server, "missing")]);
            assert!(matches!(
                *waiting.join().unwrap().unwrap_err(),
                Error::Missing { .. }
            ));
        });
        for path in ["good", "missing", "never asked"] {
            assert!(
                matches!(
                    *fetch.take(&echo(&server, path)).unwrap_err(),
                    Error::Missing { .. }
                ),
                "{path}"
            );
        }
    }

    #[test]
    fn a_guess_that_fails_counts_only_if_it_is_wanted() {
        let server = Server::start(|asked| match asked.target.as_str() {
            path if path.starts_with("/missing") => Reply::status(404),
            other => Reply::of(other.as_bytes()),
        });
        let directory = tempfile::tempdir().unwrap();
        let (grew, ended) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
        let heard = (Arc::clone(&grew), Arc::clone(&ended));
        let fetch = fetch(
            directory.path(),
            1,
            Report::new(move |event| match event {
                Event::Grew { by, .. } => *heard.0.lock().unwrap() += by,
                Event::Ended { .. } => *heard.1.lock().unwrap() += 1,
                _ => {}
            }),
        );
        let [missing, good, other] = ["missing", "good", "other"].map(|path| echo(&server, path));
        fetch.prefetch(missing.clone());
        assert!(matches!(
            *fetch.take(&missing).unwrap_err(),
            Error::Missing { .. }
        ));
        fetch.prefetch(good.clone());
        fetch.take(&good).unwrap();
        assert_eq!(
            (*grew.lock().unwrap(), *ended.lock().unwrap()),
            (missing.size + good.size, 0),
            "more may follow"
        );
        fetch.want(&[good.clone(), other.clone()]);
        fetch.take(&other).unwrap();
        // The event follows the last file.
        while *ended.lock().unwrap() == 0 {
            thread::yield_now();
        }
        assert_eq!(*grew.lock().unwrap(), missing.size + good.size + other.size);
        // RemoteFile after all: asked for again, and a failure now.
        fetch.want(std::slice::from_ref(&missing));
        assert!(matches!(
            *fetch.take(&missing).unwrap_err(),
            Error::Missing { .. }
        ));
        assert!(fetch.take(&other).is_err());
        assert_eq!(
            server
                .asked()
                .iter()
                .filter(|a| a.target == "/missing")
                .count(),
            2
        );
    }

    #[test]
    fn guesses_not_begun_are_dropped_when_all_is_known() {
        let server = Server::start(|asked| Reply::of(asked.target.as_bytes()));
        let directory = tempfile::tempdir().unwrap();
        // The only thread stands still at the first file until all is known.
        let (proceed, gate) = std::sync::mpsc::channel();
        let (begin, begun) = std::sync::mpsc::channel();
        let gate = Mutex::new(gate);
        let report = Report::new(move |event| {
            if matches!(event, Event::Working { item, .. } if item == "first") {
                begin.send(()).unwrap();
                gate.lock().unwrap().recv().unwrap();
            }
        });
        let fetch = fetch(directory.path(), 1, report);
        let all = ["first", "second", "third"].map(|path| echo(&server, path));
        all.iter()
            .cloned()
            .for_each(|wanted| fetch.prefetch(wanted));
        begun.recv().unwrap();
        fetch.want(&[all[2].clone()]);
        proceed.send(()).unwrap();
        fetch.take(&all[2]).unwrap();
        assert_eq!(
            server
                .asked()
                .iter()
                .map(|a| a.target.as_str())
                .collect::<Vec<_>>(),
            ["/first", "/third"]
        );
    }

    #[test]
    fn dropping_stops_what_is_under_way_and_the_store_goes_on() {
        let server = Server::start(|asked| match asked.target.as_str() {
            "/slow" => Reply::of(b"/slow").cut(1, Then::Hang),
            other => Reply::of(other.as_bytes()),
        });
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(open(directory.path(), true, PATIENT, Report::silent()));
        let fetch = Downloads::start(Arc::clone(&store), 2, Report::silent());
        fetch.want(&[echo(&server, "slow")]);
        server.answered.recv().unwrap();
        drop(fetch);
        assert_eq!(store.file(&echo(&server, "good"), &drop).unwrap().size(), 5);
    }

    #[test]
    fn a_listener_that_panics_leaves_nobody_waiting() {
        let server = Server::start(|asked| Reply::of(asked.target.as_bytes()));
        let directory = tempfile::tempdir().unwrap();
        let report =
            Report::new(|event| assert!(!matches!(event, Event::Working { .. }), "on purpose"));
        let fetch = fetch(directory.path(), 2, report);
        assert!(matches!(
            *fetch.take(&echo(&server, "a")).unwrap_err(),
            Error::Cancelled
        ));
    }
}
