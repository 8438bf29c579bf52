//! How a test of the library says that it did not run: aloud, and where `scripts/test` counts.

use std::fs::OpenOptions;
use std::io::Write;

/// Tells why the running test does nothing.
pub(crate) fn skip(why: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("skipped {name}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    // target/debug/deps/rbootstrap-… is what runs; cargo tells only tests outside of the library where target/tmp is.
    let program = std::env::current_exe().unwrap();
    let Some(target) = program
        .ancestors()
        .nth(3)
        .map(|target| target.join("tmp"))
        .filter(|target| target.is_dir())
    else {
        return;
    };
    let mut list = OpenOptions::new()
        .create(true)
        .append(true)
        .open(target.join("skipped"))
        .unwrap();
    list.write_all(line.as_bytes()).unwrap();
}
