//! Tables of cases: each row has a name and runs on its own, several at once.
//!
//! A table prints how many cases ran; a failure names its case.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A case of a table.
pub trait Row: Sync {
    fn name(&self) -> String;

    /// Panics if the case fails.
    fn run(&self);
}

/// How many cases run at once. Most of them wait for a process or a server.
const AT_ONCE: usize = 4;

/// Runs all rows of a table. `count` is how many it has, so that a row that is lost is noticed.
pub fn run<R: Row>(table: &str, count: usize, rows: &[R]) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| row.run())) {
                        let failure = format!("{}: {}", row.name(), message(&*panic));
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    println!("{table}: {} cases, {} failed", rows.len(), failures.len());
    assert!(failures.is_empty(), "{table}:\n{}", failures.join("\n\n"));
    assert_eq!(rows.len(), count, "{table}: cases");
    let mut names: Vec<String> = rows.iter().map(Row::name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), rows.len(), "{table}: two cases have one name");
}

fn message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<String>() {
        return text.clone();
    }
    let text = panic.downcast_ref::<&str>();
    text.map_or_else(|| "a panic without a message".into(), |text| (*text).into())
}
