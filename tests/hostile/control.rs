//! Control members that lie about the package, are missing or are no files; conffiles, triggers and
//! digests that are malformed.

use rbootstrap::testing::TarEntry;
use rbootstrap::testing::tar::{device, directory, fifo, file, hard_link, symlink};

use super::case::{Case, accepted, control, ends, refused};
use super::harness::{Canary, run};

fn lies() -> Vec<Case> {
    let other = |name: &str, from: &str, to: &str| {
        let text = control(name).replace(from, to);
        refused(name, "contains").control(&text)
    };
    let without = |name: &str, field: &str| {
        let mut text = String::new();
        for line in control(name).lines() {
            if !line.starts_with(field) {
                text += &format!("{line}\n");
            }
        }
        let says = match field {
            "Version:" => "its Version is",
            _ => "the stanza of package",
        };
        refused(name, says).control(&text)
    };
    let more = |name: &str, fields: &str| (name.to_owned(), control(name) + fields);
    let bad = |says, (name, text): (String, String)| refused(&name, says).control(&text);
    vec![
        other(
            "other-package",
            "Package: other-package",
            "Package: another",
        ),
        other("other-version", "Version: 1", "Version: 2"),
        other(
            "other-architecture",
            "Architecture: all",
            "Architecture: m68k",
        ),
        other(
            "package-that-climbs",
            "Package: package-that-climbs",
            "Package: ../../etc/x",
        ),
        other(
            "package-of-controls",
            "Package: package-of-controls",
            "Package: a\x1b[2J",
        ),
        without("no-package-field", "Package:"),
        without("no-version-field", "Version:"),
        without("no-architecture-field", "Architecture:"),
        refused("control-of-nothing", "no newline").control(""),
        refused("control-of-newlines", "no newline").control("\n\n\n"),
        refused("control-of-junk", "is not a field").control("junk \x1b[2J\n"),
        refused("control-of-nul", "no newline").control("\0\0\0\0"),
        bad(
            "Depends",
            more("depends-on-junk", "Depends: a (>= , | ((\n"),
        ),
        accepted("provides-a-range").control(&more("provides-a-range", "Provides: a (>> 1)\n").1),
        bad("Provides", more("provides-junk", "Provides: a (1)\n")),
        accepted("size-below-zero").control(&more("size-below-zero", "Installed-Size: -1\n").1),
        accepted("size-of-letters").control(&more("size-of-letters", "Installed-Size: x1\n").1),
        bad(
            "more than one stanza",
            more("stanza-after-the-first", "\nPackage: x\n"),
        ),
        accepted("size-beyond-64-bits-times-1024").control(
            &more(
                "size-beyond-64-bits-times-1024",
                "Installed-Size: 1152921504606846976\n",
            )
            .1,
        ),
        ends(
            "promises-an-exabyte",
            6,
            "MB free, but the downloads and the packages need",
        )
        .fields("Installed-Size: 1152921504606846976\n"),
        ends(
            "promises-it-all",
            6,
            "MB free, but the downloads and the packages need",
        )
        .fields("Installed-Size: 18446744073709551615\n"),
    ]
}

fn members() -> Vec<Case> {
    let not_a_file = "is not a file";
    let odd = |name: &str, says, entry: TarEntry| {
        let entries = [directory("./"), file("./control", control(name)), entry];
        refused(name, says).control_entries(&entries)
    };
    let many = |name: &str, count: usize| {
        let mut entries = vec![file("./control", control(name))];
        for number in 0..count {
            entries.push(file(format!("./m{number}"), "x"));
        }
        entries
    };
    let copies = |name: &str, count: usize| {
        let mut entries = vec![file("./control", control(name))];
        entries.push(file("./templates", vec![b'x'; 1 << 20]));
        for number in 0..count {
            entries.push(symlink(format!("./m{number}"), "templates"));
        }
        entries
    };
    let large = file("./templates", vec![b'x'; 33 << 20]);
    vec![
        odd("script-is-a-directory", not_a_file, directory("./preinst/")),
        odd(
            "script-is-a-symlink",
            not_a_file,
            symlink("./preinst", "/bin/sh"),
        ),
        odd(
            "script-is-a-hard-link-to-the-host",
            not_a_file,
            hard_link("./preinst", "/etc/passwd"),
        ),
        odd(
            "script-is-a-link-to-itself",
            not_a_file,
            symlink("./preinst", "preinst"),
        ),
        refused("thousand-links-to-a-megabyte", "larger control members")
            .control_entries(&copies("thousand-links-to-a-megabyte", 1000)),
        odd("script-is-a-device", not_a_file, device("./preinst", 1, 5)),
        odd("script-is-a-pipe", not_a_file, fifo("./preinst", 0o755)),
        odd("script-up", not_a_file, file("./../preinst", "x")),
        odd("script-below", not_a_file, file("./scripts/preinst", "x")),
        odd(
            "member-of-no-name",
            "is damaged",
            file("./", "x").mode(0o644).clone(),
        ),
        odd("member-called-dots", not_a_file, file("./..", "x")),
        odd(
            "control-members-of-33-megabytes",
            "larger control members",
            large,
        ),
        refused("control-is-a-symlink", not_a_file)
            .control_entries(&[symlink("./control", "/etc/passwd")]),
        refused("control-is-missing", "no member `control`").control_entries(&[file("./x", "x")]),
        refused("control-archive-is-empty", "no member `control`").control_entries(&[]),
        refused("two-thousand-members", "than")
            .control_entries(&many("two-thousand-members", 2000)),
        accepted("a-hundred-members").control_entries(&many("a-hundred-members", 100)),
        accepted("members-of-odd-names")
            .member("list", "x")
            .member("a.b", "x")
            .member("a b", "x"),
    ]
}

fn lists() -> Vec<Case> {
    let conffile = |name: &str, says, line| refused(name, says).member("conffiles", line);
    let trigger = |name: &str, says, line| refused(name, says).member("triggers", line);
    let name = "not the name of a trigger";
    let too_many: &'static str = Box::leak("interest /a\n".repeat(5000).into_boxed_str());
    let mut conffiles = String::new();
    for number in 0..9000 {
        conffiles += &format!("/etc/{number}\n");
    }
    let conffiles: &'static str = Box::leak(conffiles.into_boxed_str());
    vec![
        conffile(
            "conffile-up",
            "not a path inside the tree",
            "/etc/../../x\n",
        ),
        conffile("conffile-relative", "not an absolute path", "etc/x\n"),
        conffile("conffile-is-the-root", "not the path of a file", "/\n"),
        conffile(
            "conffile-with-nul",
            "not a path inside the tree",
            "/etc/a\0b\n",
        ),
        conffile(
            "conffile-of-an-unknown-word",
            "not an absolute path",
            "keep /etc/x\n",
        ),
        conffile("nine-thousand-conffiles", "more conffiles", conffiles),
        trigger(
            "trigger-of-no-name",
            "a directive without a trigger",
            "interest\n",
        ),
        trigger(
            "trigger-of-an-unknown-word",
            "an unknown directive",
            "destroy x\n",
        ),
        trigger("trigger-with-a-slash", name, "interest a/../../x\n"),
        trigger("trigger-called-file", name, "interest File\n"),
        trigger("trigger-called-dots", name, "interest ..\n"),
        trigger("trigger-up", name, "interest /../x\n"),
        trigger("trigger-of-controls", name, "interest \x1b[2J\n"),
        trigger("five-thousand-triggers", "more directives", too_many),
        accepted("conffile-twice").member("conffiles", "/etc/x\n/etc/x\n"),
        accepted("conffile-that-is-not-shipped").member("conffiles", "/etc/x\n"),
        accepted("digests-that-lie").member("md5sums", "0  ../../x\njunk \x1b[2J\n"),
    ]
}

fn all() -> Vec<Case> {
    let mut cases = lies();
    cases.extend(members());
    cases.extend(lists());
    cases
}

#[test]
#[ignore = "needs root"]
fn control_members_that_lie() {
    run("control", &["--variant=extract"], &Canary::new(), &all());
}
