//! debootstrap(8) and mmdebstrap(1): each of their options is answered as the tables in
//! docs/migrating.md say.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use crate::context::{Outcome, TestContext, outcome};

/// What happens to an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Accepted,
    Refused,
    /// Its text is printed, and nothing else is done.
    Printed,
    /// It is for hooks, and means something else before other words.
    Inner,
}

use Answer::{Accepted, Inner, Printed, Refused};

/// A tool, the heading of its table, and the options of its manual page, those in the source of
/// mmdebstrap, too.
struct Manual {
    tool: &'static str,
    heading: &'static str,
    options: &'static [(&'static str, Answer)],
    /// What follows the options here.
    rest: &'static [&'static str],
    /// What is said, after all options are read, about that.
    complaint: &'static str,
}

const MANUALS: [Manual; 2] = [
    Manual {
        tool: "debootstrap",
        heading: "## Keep debootstrap's words",
        options: &[
            ("--help", Printed),
            ("--version", Printed),
            ("--verbose", Accepted),
            ("--arch=amd64", Accepted),
            ("--include=a,b", Accepted),
            ("--exclude=a,b", Accepted),
            ("--extra-suites=a,b", Accepted),
            ("--components=a,b", Accepted),
            ("--resolve-deps", Accepted),
            ("--no-resolve-deps", Accepted),
            ("--log-extra-deps", Accepted),
            ("--variant=-", Accepted),
            ("--variant=minbase", Accepted),
            ("--variant=buildd", Accepted),
            ("--variant=fakechroot", Refused),
            ("--variant=scratchbox", Refused),
            ("--merged-usr", Accepted),
            ("--no-merged-usr", Accepted),
            ("--keyring=/dev/null", Accepted),
            ("--no-check-sig", Accepted),
            ("--no-check-gpg", Accepted),
            ("--force-check-sig", Accepted),
            ("--force-check-gpg", Accepted),
            ("--print-debs", Accepted),
            ("--download-only", Accepted),
            ("--make-tarball=/t.tgz", Accepted),
            ("--unpack-tarball=/etc/passwd", Accepted),
            ("--foreign", Accepted),
            ("--second-stage", Refused),
            ("--second-stage-target=/", Refused),
            ("--keep-debootstrap-dir", Accepted),
            ("--cache-dir=/", Accepted),
            ("--extractor=ar", Accepted),
            ("--certificate=/f", Refused),
            ("--private-key=/f", Refused),
            ("--no-check-certificate", Refused),
            ("--inrelease-path=p", Refused),
            ("--debian-installer", Refused),
        ],
        rest: &["suite", "target", "nowhere"],
        complaint: "E: `nowhere` is not the URL of a mirror",
    },
    Manual {
        tool: "mmdebstrap",
        heading: "## Keep mmdebstrap's words",
        options: &[
            ("--help", Printed),
            ("--man", Printed),
            ("--version", Printed),
            ("--variant=extract", Accepted),
            ("--variant=custom", Accepted),
            ("--variant=essential", Accepted),
            ("--variant=apt", Accepted),
            ("--variant=required", Accepted),
            ("--variant=minbase", Accepted),
            ("--variant=buildd", Accepted),
            ("--variant=important", Accepted),
            ("--variant=debootstrap", Accepted),
            ("--variant=-", Accepted),
            ("--variant=standard", Accepted),
            ("--mode=auto", Accepted),
            ("--mode=unshare", Accepted),
            ("--mode=fakeroot", Refused),
            ("--mode=fakechroot", Refused),
            ("--mode=chrootless", Refused),
            ("--format=auto", Accepted),
            ("--format=directory", Accepted),
            ("--format=dir", Accepted),
            ("--format=tar", Accepted),
            ("--format=null", Accepted),
            ("--format=squashfs", Accepted),
            ("--format=sqfs", Accepted),
            ("--format=ext2", Accepted),
            ("--format=ext4", Accepted),
            ("--aptopt=Acquire::Languages \"none\"", Accepted),
            ("--dpkgopt=path-exclude=/usr/share/man/*", Accepted),
            ("--keyring=/dev/null", Accepted),
            ("--include=a,b", Accepted),
            ("--components=a,b", Accepted),
            ("--architectures=amd64", Accepted),
            ("--simulate", Accepted),
            ("--dry-run", Accepted),
            ("--setup-hook=true", Accepted),
            ("--extract-hook=true", Accepted),
            ("--essential-hook=true", Accepted),
            ("--customize-hook=true", Accepted),
            ("--chrooted-extract-hook=true", Accepted),
            ("--chrooted-essential-hook=true", Accepted),
            ("--chrooted-customize-hook=true", Accepted),
            ("--hook-directory=/", Accepted),
            ("--skip=check/empty", Accepted),
            ("--skip=output/dev", Accepted),
            ("--skip=output/mknod", Accepted),
            ("--skip=essential/unlink", Accepted),
            ("--skip=tar-in/mknod", Accepted),
            ("--skip=copy-in/mknod", Accepted),
            ("--skip=sync-in/mknod", Accepted),
            ("--skip=cleanup/apt", Accepted),
            ("--skip=setup", Refused),
            ("--skip=update", Refused),
            ("--skip=download", Refused),
            ("--skip=essential", Refused),
            ("--quiet", Accepted),
            ("--silent", Accepted),
            ("--verbose", Accepted),
            ("--debug", Accepted),
            ("--logfile=/dev/stderr", Accepted),
            ("--resolve-deps", Accepted),
            ("--merged-usr", Accepted),
            ("--no-merged-usr", Accepted),
            ("--force-check-gpg", Accepted),
            ("--unshare-helper", Refused),
            ("--hook-helper", Inner),
        ],
        rest: &["suite", "target", "nowhere"],
        complaint: "E: invalid mirror: nowhere",
    },
];

/// A row of a table: its cells.
type Cells = Vec<String>;

impl Manual {
    /// The table below the heading.
    fn table(&self) -> Vec<Cells> {
        let text = read("docs/migrating.md");
        let (_, section) = text.split_once(&format!("\n{}\n", self.heading)).unwrap();
        let lines = section
            .lines()
            .skip_while(|line| !line.starts_with("| --- |"));
        let rows = lines.skip(1).take_while(|line| line.starts_with("| "));
        rows.map(|line| {
            let inner = line.trim_start_matches("| ").trim_end_matches(" |");
            inner.split(" | ").map(str::to_owned).collect()
        })
        .collect()
    }

    fn run(&self, option: &str) -> Outcome {
        let context = TestContext::bare();
        let mut command = context.program();
        command.arg0(self.tool).arg(option).args(self.rest);
        outcome(&mut command)
    }
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The words in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The options in a cell, without their values.
fn options(cell: &str) -> BTreeSet<&str> {
    let words = quoted(cell).flat_map(|words| words.split([' ', ',', '=']));
    words.filter(|word| word.starts_with("--")).collect()
}

/// Whether a cell has the option, with its value if the cell has values of it.
fn has(cell: &str, option: &str) -> bool {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let listed = quoted(cell).find_map(|words| words.strip_prefix(&format!("{name}=")));
    match listed {
        Some(values) => values.split(", ").any(|one| matches(one, value)),
        None => options(cell).contains(name),
    }
}

/// A value with `…` stands for all that begin as it does.
fn matches(listed: &str, value: &str) -> bool {
    match listed.strip_suffix('…') {
        Some(start) => value.starts_with(start),
        None => listed == value,
    }
}

#[test]
fn every_option_of_the_manual_pages_has_its_row() {
    let mut count = 0;
    for manual in &MANUALS {
        let table = manual.table();
        let mut known = BTreeSet::new();
        for (option, answer) in manual.options {
            known.insert(option.split('=').next().unwrap());
            let found: Vec<&Cells> = table.iter().filter(|row| has(&row[0], option)).collect();
            let [row] = found[..] else {
                panic!("{} {option}: {} rows", manual.tool, found.len());
            };
            let is_refused = row[1].starts_with("refused");
            assert_eq!(is_refused, *answer == Refused, "{option}: {row:?}");
            let ended = manual.run(option);
            let said = &ended.stderr;
            match answer {
                Printed => assert!(
                    ended.code == Some(0) && !ended.stdout.is_empty(),
                    "{option}"
                ),
                Inner => {}
                Accepted => assert!(said.contains(manual.complaint), "{option}: {said}"),
                Refused => {
                    let is_named = said.contains("not supported") && ended.code == Some(1);
                    assert!(is_named, "{} {option}: {said}", manual.tool);
                }
            }
            count += 1;
        }
        let unknown = manual.run("--no-such-option");
        assert!(!unknown.stderr.contains(manual.complaint));
        for row in &table {
            for option in options(&row[0]) {
                assert!(known.contains(option), "{}: {option}", manual.tool);
            }
        }
    }
    println!("{count} options");
}

#[test]
fn tests_that_the_tables_name_exist() {
    let mut sources = Vec::new();
    for directory in ["src", "tests"] {
        collect(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(directory),
            &mut sources,
        );
    }
    let mut count = 0;
    for manual in &MANUALS {
        for row in manual.table() {
            let [_, _, tests] = &row[..] else {
                panic!("three cells: {row:?}");
            };
            let before = count;
            for name in quoted(tests) {
                let function = format!("fn {name}(");
                let is_there = sources.iter().any(|text| text.contains(&function));
                assert!(is_there, "no test {name}: {row:?}");
                count += 1;
            }
            assert!(count > before, "no test: {row:?}");
        }
    }
    println!("{count} names");
}

fn collect(directory: &Path, sources: &mut Vec<String>) {
    for entry in directory.read_dir().unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            sources.push(fs::read_to_string(&path).unwrap());
        }
    }
}
