//! Words of the command line and values of variables that cannot be meant: each is named, with what
//! helps, before anything is downloaded.

use std::fs;

use super::{TestContext, outcome};

/// A name, the arguments before SUITE, the exit code, and what the error says.
type Row<'a> = (&'a str, &'a [&'a str], i32, &'a [&'a str]);

#[track_caller]
fn assert_refused(context: &TestContext, rows: &[Row<'_>]) {
    for (name, options, code, words) in rows {
        println!("{name}");
        let refused = context.print_debs(&[&["-q"], *options].concat());
        refused.fails(*code).names(words);
    }
    println!("{} cases", rows.len());
}

#[test]
fn sources_that_cannot_be_fetched() {
    let context = TestContext::bare();
    let disc = "deb cdrom:[Debian GNU/Linux 12]/ bookworm main";
    let rows: [Row<'_>; 14] = [
        (
            "a disc",
            &["--source", disc],
            2,
            &["cdrom:", "mount", "file:"],
        ),
        (
            "ftp",
            &["--source", "deb ftp://h/d sid main"],
            2,
            &["`ftp:`", "ftp://h/d"],
        ),
        ("s3", &["--source", "deb s3://b/d sid main"], 2, &["`s3:`"]),
        (
            "tor",
            &["--source", "deb tor+https://h/d sid main"],
            2,
            &["`tor+https:`"],
        ),
        (
            "a path",
            &["--source", "deb /srv/x ./"],
            2,
            &["/srv/x", "no scheme", "file:/"],
        ),
        (
            "a relative path",
            &["--source", "deb file:srv/x ./"],
            2,
            &["file:srv/x", "absolute"],
        ),
        (
            "no host",
            &["--source", "deb http:// sid main"],
            2,
            &["http:// sid", "no host"],
        ),
        (
            "a port",
            &["--source", "deb http://h:99999/ sid main"],
            2,
            &["h:99999", "port"],
        ),
        (
            "localhost",
            &["--source", "deb file://localhost/d ./"],
            2,
            &["file:"],
        ),
        (
            "no deb",
            &["--source", "http://x/y stable main"],
            2,
            &["begins with `deb`"],
        ),
        (
            "a key",
            &["--source", "deb [signed-by=/no/key.gpg] http://h/ sid main"],
            2,
            &["/no/key.gpg", "signed-by"],
        ),
        ("all", &["--arch=all"], 2, &["`all`", "--arch"]),
        (
            "a foreign name",
            &["--arch=x86_64"],
            2,
            &["x86_64", "did you mean amd64?"],
        ),
        (
            "upper case",
            &["--arch=AMD64"],
            2,
            &["AMD64", "did you mean amd64?"],
        ),
    ];
    assert_refused(&context, &rows);
    assert_eq!(context.mirror.paths(), Vec::<String>::new());
    for (mirror, words) in [
        ("ftp://h/d", &["ftp://h/d", "`ftp:`", "copy:"]),
        ("/srv/d", &["/srv/d", "no scheme", "file:"]),
        ("file:srv/d", &["file:srv/d", "absolute", "file:/srv"]),
        (
            "file://localhost/srv",
            &["file://localhost/srv", "names a host", "file:/srv"],
        ),
        ("http://", &["http://", "no host", "http://HOST/"]),
        (
            "http://h:99999/",
            &["http://h:99999/", "port", "http://HOST/"],
        ),
    ] {
        println!("{mirror}");
        let refused = context.run(["--print-debs", "fake", "root", mirror]);
        refused.fails(2).names(words);
    }
    context.assert_nothing_left();
}

#[test]
fn files_that_cannot_be_read_name_their_options() {
    let context = TestContext::bare();
    let fields = "Types: deb\nURIs: http://h/\n";
    fs::write(context.path("half.sources"), fields).unwrap();
    let rows: [Row<'_>; 5] = [
        (
            "a keyring",
            &["--keyring=/no/k.gpg"],
            2,
            &["/no/k.gpg", "--keyring"],
        ),
        ("answers", &["--preseed=/no/p"], 2, &["/no/p", "--preseed"]),
        (
            "logins",
            &["--auth-conf=/no/a"],
            2,
            &["/no/a", "RBOOTSTRAP_AUTH_CONF"],
        ),
        (
            "a URL",
            &["--include=http://h/x.deb"],
            2,
            &["http://h/x.deb", "download it"],
        ),
        (
            "fields",
            &["--source=half.sources"],
            2,
            &["half.sources", "Suites: SUITE"],
        ),
    ];
    assert_refused(&context, &rows);
}

#[test]
fn packages_that_cannot_be_meant() {
    let context = TestContext::new([]);
    let rows: [Row<'_>; 5] = [
        (
            "an essential one",
            &["--include=dpkg-"],
            4,
            &["`dpkg-`", "essential"],
        ),
        (
            "no version",
            &["--include=hello="],
            4,
            &["`hello=`", "no version"],
        ),
        (
            "no suite",
            &["--include=hello/"],
            4,
            &["`hello/`", "no suite"],
        ),
        (
            "no architecture",
            &["--include=hello:"],
            4,
            &["`hello:`", "no architecture"],
        ),
        ("no name", &["--include==1"], 4, &["`=1`", "no name"]),
    ];
    assert_refused(&context, &rows);
}

#[test]
fn variables_are_named_and_count_only_if_they_are_not_empty() {
    let context = TestContext::new([]);
    let mirror = context.mirror.url();
    let run = |variable: &str, value: &str, arguments: &[&str]| {
        let mut command = context.command();
        command.args(["--print-debs", "--variant=essential"]);
        command.env(variable, value).args(arguments);
        outcome(command.args(["fake", "root"]))
    };
    let rows = [
        ("RBOOTSTRAP_JOBS", "abc", "abc"),
        ("RBOOTSTRAP_VARIANT", "fat", "fat"),
        ("RBOOTSTRAP_TIMEOUT", "soon", "soon"),
        ("RBOOTSTRAP_PROGRESS", "loud", "loud"),
        ("RBOOTSTRAP_MIRROR", "m", "no scheme"),
    ];
    for (variable, value, words) in rows {
        println!("{variable}");
        let options: &[&str] = match variable {
            "RBOOTSTRAP_VARIANT" => &[],
            _ => &["--variant=essential"],
        };
        let mut command = context.command();
        command.env(variable, value).args(options);
        let refused = outcome(command.args(["--print-debs", "fake", "root"]));
        refused.fails(2).names(&[variable, words]);
    }
    let typed = run("RBOOTSTRAP_JOBS", "2", &["--jobs=x"]).fails(2);
    assert!(!typed.stderr.contains("RBOOTSTRAP"), "{}", typed.stderr);
    for name in [
        "MIRROR",
        "VARIANT",
        "INCLUDE",
        "ARCH",
        "COMPONENTS",
        "KEYRING",
        "PROFILE",
        "SNAPSHOT",
        "APT_SOURCES",
        "AUTH_CONF",
        "JOBS",
        "DOWNLOADS",
        "TIMEOUT",
        "MODE",
        "PROGRESS",
        "LOG",
        "SCRIPT_MEMORY",
        "CACHE_MAX_SIZE",
    ] {
        println!("{name}");
        let mut command = context.command();
        command
            .env(format!("RBOOTSTRAP_{name}"), "")
            .env("REGISTRY_AUTH_FILE", "");
        command.args(["--print-debs", "fake", "root"]);
        outcome(command.arg(&mirror)).ok();
    }
}
