//! Finds every call that follows symlinks in the rooms that handle the tree.
//!
//! Packages and scripts decide what lies in the tree, so a call that follows a symlink there can
//! reach any file of the host. Each such call needs a row in [`ALLOWED`] that says why it cannot be
//! led astray. Paths of the tree are for `tree/rootfs`, which resolves them with `openat2`, below
//! the tree's root.

mod allowed;
mod calls;

use std::path::Path;

use crate::floors::sources::{Source, sources_of};
use allowed::ALLOWED;
use calls::{Calls, following};

/// The rooms that handle the tree.
const ROOMS: [&str; 6] = ["dpkg", "install", "kernel", "pack", "sandbox", "tree"];

#[test]
fn calls_that_follow_symlinks_have_a_reason() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Calls::new();
    for source in sources_of(&project.join("src")) {
        let room = source.room().unwrap_or_default();
        if ROOMS.contains(&room.as_str()) {
            found.extend(following(&source));
        }
    }
    println!("{} calls", found.len());
    let mut wrong = Vec::new();
    for call in &found {
        if !ALLOWED.iter().any(|(allowed, _)| allowed == call) {
            wrong.push(format!("src/{call} follows symlinks"));
        }
    }
    for (call, _) in ALLOWED {
        if !found.contains(call) {
            wrong.push(format!("src/{call} is not there any more"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn planted_calls_are_found() {
    let table = [
        ("fn f() { std::fs::read(p); }", "fs::read"),
        ("fn f() { let _ = p.map(rustix::fs::chmod); }", "fs::chmod"),
        ("impl T { fn f() { File::open(p); } }", "File::open"),
        ("use std::fs; fn f() { fs::metadata(p); }", "fs::metadata"),
        ("use rustix::fs::{Mode, open};", "use fs::open"),
        ("fn f() { if p.exists() {} }", ".exists"),
        (
            "fn f() { rustix::fs::open(p, OFlags::PATH, M); }",
            "fs::open",
        ),
        (
            "fn f() { rustix::fs::statat(d, p, AtFlags::empty()); }",
            "fs::statat",
        ),
        (
            "fn f() { let x = || rustix::fs::openat(d, p, F, M); }",
            "fs::openat",
        ),
        ("fn f() { p.metadata()?; }", ".metadata"),
        ("fn f() { ps.map(Path::exists); }", "Path::exists"),
        ("fn f() { assert!(p.is_file()); }", ".is_file"),
        ("fn f() { vec![x; { p.is_dir() as usize }]; }", ".is_dir"),
        (
            "fn f() { format!(\"{:?}\", std::fs::read(p)); }",
            "fs::read",
        ),
        (
            "fn f() { matches!(fs::openat(d, p, OFlags::PATH, M), Ok(_) | Err(_)); }",
            "fs::openat",
        ),
        (
            "fn f() { rustix::fs::linkat(d, p, e, q, AtFlags::SYMLINK_FOLLOW); }",
            "AtFlags::SYMLINK_FOLLOW",
        ),
    ];
    for (text, call) in table {
        let calls = following(&Source::new("a.rs", &["a"], text));
        let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
        let function = if call.starts_with("use") { "" } else { "f" };
        assert_eq!(calls, [format!("a.rs {function} {call}")], "{text}");
    }
    let none = [
        "fn f() { rustix::fs::statat(d, p, AtFlags::SYMLINK_NOFOLLOW); }",
        "fn f() { let flags = OFlags::NOFOLLOW; rustix::fs::openat(d, p, flags, M); }",
        "fn f() { Rootfs::open(p); root.read(p); root.metadata(p); }",
        "fn f() { assert!(root.exists(p)); }",
        "fn f() { matches!(fs::openat(d, p, OFlags::NOFOLLOW, M), Ok(_)); }",
        "#[cfg(test)] mod tests { fn f() { std::fs::read(p); } }",
    ];
    for text in none {
        let calls = following(&Source::new("a.rs", &["a"], text));
        assert_eq!(calls, Calls::new(), "{text}");
    }
}
