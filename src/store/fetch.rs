//! A plan's .debs, many at a time, in the background.
//!
//! They come as they are, or decoded where the cache has them so. Files are fetched in the order in which they are asked for, but what somebody waits for comes first. Knows nothing of URLs
//! and digests beyond what the store does with them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::formats::digest::Digest;
use crate::report::{Event, Report, Stage};
use crate::store::{Draft, Error, Kind, Stop, Store, Verified, Wanted};

/// Downloads under way. Dropping it stops them.
#[derive(Debug)]
pub(crate) struct Fetch {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<Store>,
    report: Report,
    stop: Stop,
    state: Mutex<State>,
    /// Something was asked for, came or failed.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    files: HashMap<Digest, Fetched>,
    /// What was only foreseen: that it fails is no failure yet.
    guesses: HashSet<Digest>,
    /// What no thread has begun with.
    queue: VecDeque<Digest>,
    failure: Option<Arc<Error>>,
    /// Files asked for that are not here yet.
    outstanding: usize,
    /// Something was wanted for certain.
    is_certain: bool,
    /// Threads that can still bring something.
    alive: usize,
    closed: bool,
}

/// How far a file is.
#[derive(Debug)]
enum Fetched {
    Queued(Wanted),
    UnderWay,
    Here(Arc<Verified>),
    /// Handed over: whoever took it decides how long it stays.
    Taken(Weak<Verified>),
    /// A guess that could not be had.
    Failed(Arc<Error>),
}

impl Fetch {
    /// Starts `connections` threads, at least one, that fetch what is wanted.
    pub(crate) fn start(store: Arc<Store>, connections: usize, report: Report) -> Fetch {
        let stop = store.stop();
        let shared = Arc::new(Shared {
            store,
            report,
            stop,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut threads = Vec::new();
        for number in 0..connections.max(1) {
            let worker = Arc::clone(&shared);
            shared.lock().alive += 1;
            match thread::Builder::new()
                .name(format!("fetch-{number}"))
                .spawn(move || Worker(worker).run())
            {
                Ok(thread) => threads.push(thread),
                Err(_) => shared.lock().alive -= 1,
            }
        }
        Fetch { shared, threads }
    }

    /// Asks for a file that will most likely be wanted. Its failing is no failure unless it is.
    pub(crate) fn foresee(&self, wanted: Wanted) {
        let mut state = self.shared.lock();
        if !state.files.contains_key(&wanted.digest) {
            state.guesses.insert(wanted.digest.clone());
            state.enqueue(wanted);
            self.shared.changed.notify_all();
        }
    }

    /// Asks for files, at any time. A file that was asked for before is fetched once. The stage ends when all are here. What was foreseen and
    /// not begun is not fetched any more unless it is among them.
    pub(crate) fn want(&self, all: &[Wanted]) {
        let mut guard = self.shared.lock();
        let state = &mut *guard;
        for wanted in all {
            let was_guess = state.guesses.remove(&wanted.digest);
            match state.files.get(&wanted.digest) {
                None | Some(Fetched::Failed(_)) => self.shared.enqueue(state, wanted.clone()),
                Some(Fetched::Queued(_)) if was_guess => self.shared.count(wanted),
                Some(_) => {}
            }
        }
        state.drop_guesses();
        state.is_certain = true;
        self.shared.end_if_all_are_here(state);
    }

    /// Waits until the file is here and verified, and hands it over. The first failure of any file fails every wait. A file
    /// that was not asked for is asked for now.
    pub(crate) fn take(&self, wanted: &Wanted) -> Result<Arc<Verified>, Arc<Error>> {
        let mut state = self.shared.lock();
        loop {
            if let Some(failure) = &state.failure {
                return Err(Arc::clone(failure));
            }
            match state.files.get(&wanted.digest) {
                Some(Fetched::Here(verified)) => {
                    let verified = Arc::clone(verified);
                    state.files.insert(
                        wanted.digest.clone(),
                        Fetched::Taken(Arc::downgrade(&verified)),
                    );
                    return Ok(verified);
                }
                Some(Fetched::Taken(verified)) => {
                    if let Some(verified) = verified.upgrade() {
                        return Ok(verified);
                    }
                    self.shared.enqueue(&mut state, wanted.clone());
                }
                Some(Fetched::Queued(_)) => prefer(&mut state.queue, &wanted.digest),
                Some(Fetched::UnderWay) => {}
                Some(Fetched::Failed(error)) => return Err(Arc::clone(error)),
                None => self.shared.enqueue(&mut state, wanted.clone()),
            }
            if state.alive == 0 {
                return Err(Arc::new(Error::Cancelled));
            }
            state = self
                .shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Fetch {
    /// A place for the package that `wanted` is, decoded. None where nothing is kept.
    pub(crate) fn draft(&self, wanted: &Wanted) -> Option<Draft> {
        self.shared.store.draft(Kind::Package, &wanted.digest)
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.stop.stop();
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// No step between lock and unlock can fail half-way, so a poisoned state is a sound one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, state: &mut State, wanted: Wanted) {
        self.count(&wanted);
        state.enqueue(wanted);
        self.changed.notify_all();
    }

    /// Guesses count from when they are begun, or are none any more.
    fn count(&self, wanted: &Wanted) {
        self.report.send(Event::Grew {
            stage: Stage::Download,
            by: wanted.size,
        });
    }

    fn end_if_all_are_here(&self, state: &State) {
        if state.is_certain && state.outstanding == 0 {
            self.report.ended(Stage::Download);
        }
    }
}

impl State {
    fn enqueue(&mut self, wanted: Wanted) {
        self.outstanding += 1;
        self.queue.push_back(wanted.digest.clone());
        self.files
            .insert(wanted.digest.clone(), Fetched::Queued(wanted));
    }

    fn drop_guesses(&mut self) {
        let State {
            files,
            guesses,
            queue,
            outstanding,
            ..
        } = self;
        queue.retain(|digest| {
            let is_guess = guesses.contains(digest);
            if is_guess {
                files.remove(digest);
                *outstanding -= 1;
            }
            !is_guess
        });
    }
}

/// One thread's work. Its end is counted even when it panics, so that nobody waits for ever.
struct Worker(Arc<Shared>);

impl Worker {
    fn run(self) {
        while let Some(wanted) = self.next() {
            let fetched = self.fetch(&wanted);
            let mut state = self.0.lock();
            match fetched {
                Ok(verified) => {
                    state
                        .files
                        .insert(wanted.digest, Fetched::Here(Arc::new(verified)));
                    state.outstanding -= 1;
                    self.0.end_if_all_are_here(&state);
                }
                Err(error) if state.guesses.contains(&wanted.digest) => {
                    state
                        .files
                        .insert(wanted.digest, Fetched::Failed(Arc::new(error)));
                    state.outstanding -= 1;
                }
                Err(error) => {
                    state.failure.get_or_insert_with(|| Arc::new(error));
                    // What the others are at is of no use any more.
                    self.0.stop.stop();
                }
            }
            self.0.changed.notify_all();
        }
    }

    /// The next file to fetch; none when it is time to end.
    fn next(&self) -> Option<Wanted> {
        let mut state = self.0.lock();
        loop {
            if state.closed || state.failure.is_some() {
                return None;
            }
            if let Some(digest) = state.queue.pop_front() {
                // What is in the queue is queued.
                if let Some(Fetched::Queued(wanted)) = state.files.insert(digest, Fetched::UnderWay)
                {
                    if state.guesses.contains(&wanted.digest) {
                        self.0.count(&wanted);
                    }
                    return Some(wanted);
                }
                continue;
            }
            state = self
                .0
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn fetch(&self, wanted: &Wanted) -> Result<Verified, Error> {
        let Shared {
            store,
            report,
            stop,
            ..
        } = &*self.0;
        let (stage, item) = (Stage::Download, wanted.name.clone());
        let from = Instant::now();
        report.send(Event::Working {
            stage,
            item: item.clone(),
        });
        let verified = store.deb_until(wanted, &|by| report.advanced(stage, by), stop)?;
        report.send(Event::Span {
            stage,
            item,
            from,
            to: Instant::now(),
        });
        Ok(verified)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.alive -= 1;
        if thread::panicking() {
            state
                .failure
                .get_or_insert_with(|| Arc::new(Error::Cancelled));
        }
        drop(state);
        self.0.changed.notify_all();
    }
}

/// Moves a digest to the front.
fn prefer(queue: &mut VecDeque<Digest>, digest: &Digest) {
    if let Some(at) = queue.iter().position(|d| d == digest)
        && let Some(found) = queue.remove(at)
    {
        queue.push_front(found);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Mutex;

    use super::*;
    use crate::store::server::{Reply, Server, Then};
    use crate::store::tests::{PATIENT, open, wanted};

    fn fetch(directory: &std::path::Path, connections: usize, report: Report) -> Fetch {
        let store = open(directory, true, PATIENT, Report::silent());
        Fetch::start(Arc::new(store), connections, report)
    }

    fn echo(server: &Server, path: &str) -> Wanted {
        let content = format!("/{path}");
        Wanted {
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
        let all: Vec<Wanted> = (0..1500).map(|n| echo(&server, &format!("{n}"))).collect();
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
            while fetch.shared.lock().queue.front() != Some(&eight.digest) {
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
        fetch.foresee(missing.clone());
        assert!(matches!(
            *fetch.take(&missing).unwrap_err(),
            Error::Missing { .. }
        ));
        fetch.foresee(good.clone());
        fetch.take(&good).unwrap();
        assert_eq!(
            (*grew.lock().unwrap(), *ended.lock().unwrap()),
            (missing.size + good.size, 0),
            "more may follow"
        );
        fetch.want(&[good.clone(), other.clone()]);
        fetch.take(&other).unwrap();
        assert_eq!(
            (*grew.lock().unwrap(), *ended.lock().unwrap()),
            (missing.size + good.size + other.size, 1)
        );
        // Wanted after all: asked for again, and a failure now.
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
        all.iter().cloned().for_each(|wanted| fetch.foresee(wanted));
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
        let fetch = Fetch::start(Arc::clone(&store), 2, Report::silent());
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
