//! Packages that put something odd where the program, dpkg or apt reads and writes, as entries or
//! by their scripts.

use rbootstrap::testing::TarEntry;
use rbootstrap::testing::tar::{device, directory, fifo, file, symlink};

use super::case::{Case, ends};
use super::harness::{Canary, run};

/// Files that the program reads itself.
const READ: [&str; 6] = [
    "etc/passwd",
    "etc/group",
    "var/lib/dpkg/status",
    "var/lib/dpkg/diversions",
    "var/lib/dpkg/statoverride",
    "var/lib/dpkg/triggers/File",
];

/// What is in place of such a file, and how the run ends.
fn odd(path: &str, out: &str) -> Vec<(&'static str, i32, TarEntry)> {
    let path = format!("./{path}");
    let junk = file(&path, b"\xff\0\x1b[2J:::\n\n\n -1 x\n");
    let is_database = path.contains("/dpkg/");
    let mut all = vec![
        ("link-to-zero", 6, symlink(&path, "/dev/zero")),
        ("link-to-itself", 6, symlink(&path, &path[1..])),
        ("zero", 6, device(&path, 1, 5)),
        ("pipe", 6, fifo(&path, 0o644)),
        ("directory", 6, directory(format!("{path}/"))),
        // In the tree there is no such file.
        (
            "link-to-the-host",
            0,
            symlink(&path, &format!("{out}/secret")),
        ),
    ];
    // Debug builds compare the status file with what they have written.
    if !path.ends_with("/status") {
        all.push(("junk", if is_database { 6 } else { 0 }, junk));
    }
    all
}

fn read_by_the_program(out: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for path in READ {
        let short = path.rsplit('/').next().unwrap().to_lowercase();
        for (what, code, entry) in odd(path, out) {
            let case = ends(&format!("{short}-is-{what}"), code, path);
            cases.push(case.entries(&[entry]));
        }
    }
    cases
}

#[test]
#[ignore = "needs root"]
fn files_that_the_program_reads() {
    let canary = Canary::new();
    let cases = read_by_the_program(canary.path());
    run(
        "files that are read",
        &["--variant=extract"],
        &canary,
        &cases,
    );
}

fn by_scripts(out: &str) -> Vec<Case> {
    let script = |case: Case, name: &'static str, text: String| {
        let text = format!("#!/bin/sh\n{}\n", text.replace("OUT", out));
        case.member(name, Box::leak(text.into_boxed_str()))
    };
    let replace = |path: &str| format!("rm -rf {path}; ln -s OUT/directory {path}");
    vec![
        script(
            ends("info-before", 6, ""),
            "preinst",
            replace("/var/lib/dpkg/info"),
        ),
        script(
            ends("info-after", 6, ""),
            "postinst",
            replace("/var/lib/dpkg/info"),
        ),
        script(
            ends("triggers-after", 7, ""),
            "postinst",
            replace("/var/lib/dpkg/triggers"),
        ),
        script(
            ends("status-before", 0, ""),
            "preinst",
            replace("/var/lib/dpkg/status"),
        ),
        script(ends("etc-before", 0, ""), "preinst", replace("/etc")),
        script(ends("etc-after", 0, ""), "postinst", replace("/etc")),
        script(ends("run-after", 0, ""), "postinst", replace("/run")),
        script(ends("tmp-after", 0, ""), "postinst", replace("/tmp")),
    ]
}

#[test]
#[ignore = "needs root, dpkg"]
fn scripts_that_replace_directories() {
    let canary = Canary::new();
    let cases = by_scripts(canary.path());
    run("scripts", &["--variant=essential"], &canary, &cases);
}
