//! `--include ./x.deb`: packages on this host, resolved as apt resolves them, installed with the
//! rest, and refused by name.

use std::fs;
use std::path::Path;

use rbootstrap::testing::{Compression, Damage, DebBuilder, host_architecture};

use crate::context::{TestContext, reference};

/// Writes a package below `place/` in the context's directory.
fn write(context: &TestContext, name: &str, deb: &DebBuilder) {
    write_bytes(context, name, &deb.build());
}

fn write_bytes(context: &TestContext, name: &str, bytes: &[u8]) {
    fs::create_dir_all(context.path("place")).unwrap();
    fs::write(context.path("place").join(name), bytes).unwrap();
}

/// An archive with versions, alternatives and providers, and local packages beside it.
fn context() -> TestContext {
    let deb = DebBuilder::new;
    let context = TestContext::new([
        deb("app", "1.0"),
        deb("app", "2.0"),
        deb("lib", "1"),
        deb("left", "1").field("Conflicts", "right"),
        deb("right", "1"),
        deb("prefers-left", "1").depends("left | right"),
        deb("prefers-right", "1").depends("right | left"),
        deb("provider", "1").field("Provides", "virtual"),
        deb("needs-virtual", "1").depends("virtual"),
        deb("needs-app", "1").depends("app (>= 1.2)"),
        deb("same", "1")
            .architecture(host_architecture())
            .field("Multi-Arch", "same"),
    ]);
    for (name, deb) in [
        ("app-1.5.deb", deb("app", "1.5")),
        ("app-2.0.deb", deb("app", "2.0")),
        ("app-2.0-lib.deb", deb("app", "2.0").depends("lib")),
        ("app-3.deb", deb("app", "3.0").depends("lib")),
        ("app-4.deb", deb("app", "4.0").depends("helper")),
        ("app-0.9.deb", deb("app", "0.9")),
        ("helper.deb", deb("helper", "1")),
        ("evil.deb", deb("evil", "1").field("Conflicts", "dpkg")),
        (
            "wants-left.deb",
            deb("wants-left", "1").depends("left | right"),
        ),
        (
            "wants-right.deb",
            deb("wants-right", "1").depends("right | left"),
        ),
        (
            "provider.deb",
            deb("provider2", "1").field("Provides", "virtual"),
        ),
        ("Capital.deb", deb("Capital", "1").depends("lib")),
        (
            "same.deb",
            deb("same", "1")
                .architecture(host_architecture())
                .field("Multi-Arch", "same"),
        ),
    ] {
        write(&context, name, &deb);
    }
    context
}

/// What apt answers to each demand must be what is planned. `@x` stands for the local file x.
const DEMANDS: [(&str, &str); 24] = [
    ("a lower version", "@app-1.5.deb"),
    ("the archive's version", "@app-2.0.deb"),
    (
        "the archive's version with other dependencies",
        "@app-2.0-lib.deb",
    ),
    ("a higher version", "@app-3.deb"),
    ("a dependency that nothing meets", "@app-4.deb"),
    (
        "a dependency on another local file",
        "@app-4.deb @helper.deb",
    ),
    ("the same, the other way round", "@helper.deb @app-4.deb"),
    ("two versions, the higher last", "@app-1.5.deb @app-3.deb"),
    ("two versions, the lower last", "@app-3.deb @app-1.5.deb"),
    ("one file twice", "@app-1.5.deb @app-1.5.deb"),
    ("with its name", "app @app-1.5.deb"),
    ("after another version", "app=1.0 @app-1.5.deb"),
    ("before another version", "@app-1.5.deb app=1.0"),
    ("a conflict with an essential package", "dpkg @evil.deb"),
    (
        "a version that a dependent accepts",
        "needs-app @app-1.5.deb",
    ),
    (
        "a version that a dependent does not accept",
        "needs-app @app-0.9.deb",
    ),
    (
        "alternatives after another demand",
        "prefers-right @wants-left.deb",
    ),
    (
        "alternatives before another demand",
        "@wants-left.deb prefers-right",
    ),
    (
        "alternatives of two files",
        "@wants-left.deb @wants-right.deb",
    ),
    (
        "alternatives of two files, in turn",
        "@wants-right.deb @wants-left.deb",
    ),
    (
        "a provider beside the archive's",
        "needs-virtual @provider.deb",
    ),
    ("a name with two providers", "@provider.deb virtual"),
    ("a name in upper case", "@Capital.deb"),
    ("Multi-Arch: same", "@same.deb"),
];

#[test]
#[ignore = "needs apt"]
fn local_packages_are_resolved_as_by_apt() {
    let context = context();
    let root = context.path("tmp/apt");
    reference::apt(&context, &root, &["update", "-q"]).ok();
    let place = context.path("place");
    let mut failures = Vec::new();
    for (name, demand) in DEMANDS {
        let at = format!("{}/", place.display());
        let theirs = apts_answer(&context, &root, &demand.replace('@', &at));
        let ours = our_answer(&context, &demand.replace('@', "./place/"));
        if theirs != ours {
            failures.push(format!("{name} ({demand}): apt {theirs:?}, we {ours:?}"));
        }
    }
    println!("local packages: {} cases", DEMANDS.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// `name=version`, sorted; `None` for a refusal.
fn apts_answer(context: &TestContext, root: &Path, demand: &str) -> Option<Vec<String>> {
    let mut arguments = vec!["-s", "install", "-y", "--no-install-recommends"];
    arguments.extend(demand.split(' '));
    let answer = reference::apt(context, root, &arguments);
    if answer.code != Some(0) {
        return None;
    }
    let mut set = Vec::new();
    for line in answer.text().lines() {
        // `Inst app (1.5 local-deb [all])`
        let mut words = line.split(' ');
        if words.next() == Some("Inst")
            && let (Some(name), Some(version)) = (words.next(), words.next())
        {
            set.push(format!("{name}={}", version.trim_start_matches('(')));
        }
    }
    set.sort();
    Some(set)
}

fn our_answer(context: &TestContext, demand: &str) -> Option<Vec<String>> {
    let include = format!("--include={}", demand.replace(' ', ","));
    let answer = context.print_debs(&["--variant=custom", &include]);
    if answer.code == Some(4) {
        return None;
    }
    let mut set = Vec::new();
    for line in answer.ok().text().lines() {
        let (package, _) = line.rsplit_once(':').unwrap();
        set.push(package.to_owned());
    }
    set.sort();
    Some(set)
}

#[test]
fn a_local_package_is_shown_and_said_to_be_unsigned() {
    let context = context();
    let include = "--include=./place/app-1.5.deb,lib";
    let shown = context.make(&["--simulate", include, "-v"]).ok().stderr;
    let warning = "warning: no signature vouches for local packages: ./place/app-1.5.deb";
    assert!(shown.contains(warning), "{shown}");
    let place = context.path("place").canonicalize().unwrap();
    let url = format!("file:{}/app-1.5.deb", place.display());
    assert!(shown.contains(&url), "{shown}");
    let line = shown.lines().find(|line| line.starts_with("app ")).unwrap();
    assert!(
        line.contains(" 1.5 ") && line.ends_with(" requested"),
        "{line}"
    );
    // An absolute path, and in debootstrap's way.
    let include = format!("--include={}/app-1.5.deb lib", place.display());
    let printed = context.print_debs(&[&include]).ok().text();
    assert!(printed.contains("app=1.5:all\n"), "{printed}");
    context.download(&[&include]).ok();
    let debs = context.mirror.debs();
    assert!(debs.iter().all(|path| !path.contains("app_")), "{debs:?}");
}

#[test]
fn local_packages_that_cannot_be_used_are_named() {
    let context = context();
    let deb = DebBuilder::new;
    let foreign = deb("foreign", "1").architecture("sh4");
    write(&context, "foreign.deb", &foreign);
    write(
        &context,
        "junk.deb",
        &deb("junk", "1").damaged(Damage::Junk),
    );
    write(&context, "empty-version.deb", &deb("x", ""));
    write(&context, "bad-version.deb", &deb("x", "1_0"));
    write(&context, "bad-relation.deb", &deb("x", "1").depends("a (("));
    let whole = deb("cut", "1").build();
    write_bytes(&context, "cut.deb", &whole[..200]);
    write_bytes(&context, "empty.deb", b"");
    fs::create_dir(context.path("place/directory.deb")).unwrap();
    let fifo = context.path("place/fifo.deb");
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, fifo, kind, mode, 0).unwrap();
    let rows: [(&str, i32, &[&str]); 14] = [
        ("./place/none.deb", 2, &["./place/none.deb", "No such file"]),
        (
            "./place/directory.deb",
            2,
            &["./place/directory.deb", "directory"],
        ),
        (
            "./place/fifo.deb",
            2,
            &["./place/fifo.deb", "not a regular file"],
        ),
        ("./place", 2, &["./place", "ends in .deb"]),
        (
            "./place/app-1.5.deb-",
            2,
            &["./place/app-1.5.deb-", "ends in .deb"],
        ),
        ("./place/app-1.5.deb=1", 2, &["ends in .deb"]),
        (
            "./place/junk.deb",
            3,
            &["./place/junk.deb", "not a Debian package"],
        ),
        (
            "./place/empty.deb",
            3,
            &["./place/empty.deb", "not a Debian package"],
        ),
        ("./place/cut.deb", 3, &["./place/cut.deb", "damaged"]),
        (
            "./place/empty-version.deb",
            3,
            &["./place/empty-version.deb", "Version"],
        ),
        (
            "./place/bad-version.deb",
            3,
            &["./place/bad-version.deb", "Version"],
        ),
        (
            "./place/bad-relation.deb",
            3,
            &["./place/bad-relation.deb", "Depends"],
        ),
        (
            "./place/foreign.deb",
            4,
            &["./place/foreign.deb", "sh4", "--arch"],
        ),
        ("./place/evil.deb", 4, &["evil", "dpkg"]),
    ];
    for (word, code, words) in rows {
        let include = format!("--include={word}");
        context.download(&[&include]).fails(code).names(words);
        context.assert_nothing_left();
    }
    // A file that names an excluded package.
    let options = ["--include=./place/app-1.5.deb", "--exclude=app"];
    context
        .download(&options)
        .fails(4)
        .names(&["app", "excluded"]);
}

/// A package with a file that tells which it is.
fn told(text: &str) -> DebBuilder {
    DebBuilder::new("app", "2.0")
        .depends("helper")
        .file("usr/share/app/text", text)
        .script("postinst", "cat /usr/share/app/text > /usr/share/app/said")
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_local_package_is_installed_with_its_own_content() {
    let context = context();
    write(&context, "helper.deb", &DebBuilder::new("helper", "1"));
    let make = |text: &str| {
        write(&context, "app.deb", &told(text));
        let options = ["--include=./place/app.deb,./place/helper.deb"];
        context.make(&options).ok();
        let installed = context.installed();
        assert!(
            installed.contains(&"app 2.0 install ok installed".to_owned()),
            "{installed:?}"
        );
        let said = context.read("usr/share/app/said");
        assert!(!context.read("var/lib/apt/extended_states").contains("app"));
        assert!(!context.read("etc/apt/sources.list").contains("place"));
        fs::remove_dir_all(context.root()).unwrap();
        said
    };
    // The archive has app 2.0 too, and each run has a file of the same size at the same path.
    for text in ["first", "other", "first"] {
        assert_eq!(make(text), text);
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn an_image_with_a_local_package_is_the_same_again() {
    let context = context();
    write(&context, "app.deb", &told("text"));
    let url = context.mirror.url();
    let include = "--include=./place/app.deb,./place/helper.deb";
    let image = || context.run([include, "fake", "-", &url]).ok().stdout;
    let first = image();
    assert!(first == image(), "the images differ");
    // A copy of the file, and another place.
    fs::rename(
        context.path("place/app.deb"),
        context.path("place/copy.deb"),
    )
    .unwrap();
    let include = "--include=./place/copy.deb,./place/helper.deb";
    assert!(first == context.run([include, "fake", "-", &url]).ok().stdout);
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_local_package_with_damaged_data_is_named() {
    let context = context();
    for (name, damage) in [
        ("cut.deb", Damage::StreamCut),
        ("none.deb", Damage::NoData),
        ("short.deb", Damage::Truncated),
    ] {
        let content = vec![7; 100_000];
        let deb = DebBuilder::new("app", "9").file("usr/share/app/x", content);
        write(&context, name, &deb.damaged(damage));
        let include = format!("--include=./place/{name}");
        context.make(&[&include]).fails(3).names(&[name]);
        context.assert_nothing_left();
    }
    // One wrong byte in an xz stream, which only its check shows.
    let deb = DebBuilder::new("app", "9").compressed(Compression::Gzip, Compression::Xz);
    let mut bytes = deb.file("usr/share/app/x", "text ".repeat(99)).build();
    let at = bytes.len() - 60;
    bytes[at] ^= 1;
    write_bytes(&context, "wrong.deb", &bytes);
    let include = "--include=./place/wrong.deb";
    context.make(&[include]).fails(3).names(&["wrong.deb"]);
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_file_that_others_can_write_is_copied() {
    let context = context();
    write(&context, "app.deb", &told("text"));
    let path = context.path("place/app.deb");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(&path, mode).unwrap();
    let options = ["--include=./place/app.deb,./place/helper.deb", "--no-cache"];
    context.make(&options).ok();
    assert_eq!(context.read("usr/share/app/said"), "text");
}
