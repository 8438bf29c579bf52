//! Downloads in the background, against a server with faults.

use std::io::Read;
use std::sync::Mutex;
use std::thread;

use super::*;
use crate::store::CacheForm;
use crate::store::tests::{PATIENT, open, sealed, wanted};
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
fn many_files_need_few_descriptors_and_one_request_each() {
    let server = Server::start(|asked| Reply::of(asked.target.as_bytes()));
    let directory = tempfile::tempdir().unwrap();
    let advanced = Arc::new(Mutex::new(0));
    let grew = Arc::new(Mutex::new(0));
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
fn a_file_that_a_consumer_waits_for_comes_first() {
    let server = Server::start(|asked| Reply::of(asked.target.as_bytes()));
    let directory = tempfile::tempdir().unwrap();
    // The only thread blocks at the first file until a consumer waits for another.
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
    // It was not requested before.
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
fn a_failed_prefetch_matters_only_if_it_is_wanted() {
    let server = Server::start(|asked| match asked.target.as_str() {
        path if path.starts_with("/missing") => Reply::status(404),
        other => Reply::of(other.as_bytes()),
    });
    let directory = tempfile::tempdir().unwrap();
    let grew = Arc::new(Mutex::new(0));
    let ended = Arc::new(Mutex::new(0));
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
    // Once it is wanted it is requested again, and its failure counts.
    fetch.want(std::slice::from_ref(&missing));
    assert!(matches!(
        *fetch.take(&missing).unwrap_err(),
        Error::Missing { .. }
    ));
    assert!(matches!(
        *fetch.take(&other).unwrap_err(),
        Error::Missing { .. }
    ));
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
fn prefetches_that_are_not_wanted_are_dropped() {
    let server = Server::start(|asked| Reply::of(asked.target.as_bytes()));
    let directory = tempfile::tempdir().unwrap();
    // The only thread blocks at the first file until the plan is known.
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
fn dropping_stops_the_downloads_and_not_the_store() {
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
fn a_listener_that_panics_blocks_no_consumer() {
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

#[test]
fn a_replaced_copy_gives_way_to_the_deb() {
    let server = Server::start(|asked| Reply::of(asked.target.as_bytes()));
    let directory = tempfile::tempdir().unwrap();
    let open = || sealed(directory.path(), "state");
    let fetch = Downloads::start(Arc::new(open()), 1, Report::silent());
    let deb = echo(&server, "a");
    open().put(DerivedKind::Package, &deb.digest, b"decoded");
    let copy = fetch.take(&deb).unwrap();
    assert_eq!(copy.form(), CacheForm::Decoded);
    // The seal of another host.
    sealed(directory.path(), "elsewhere").put(DerivedKind::Package, &deb.digest, b"forged!");
    let error = copy.open().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    let again = fetch.fetch_again(&deb).unwrap();
    assert_eq!(again.form(), CacheForm::Original);
    let mut found = String::new();
    again.open().unwrap().read_to_string(&mut found).unwrap();
    assert_eq!(found, "/a");
}
