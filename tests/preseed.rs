//! `--preseed FILE`: debconf's questions are answered before packages are configured.
//!
//! The archive's `debconf` is a stand-in, a shell script: it keeps what it is given. What real
//! packages make of their answers is in `live`.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tree::names;

use crate::context::TestContext;

/// Keeps its files one after another, and says when it ran. It fails where its conffile is not in
/// place, as debconf does.
const PROGRAM: &str = "#!/bin/sh
set -e
[ -e /etc/debconf.conf ] || { echo 'no configuration'; exit 1; }
[ ! -e /etc/debconf.refuses ] || { echo 'error: refused'; exit 1; }
stat -c '%a %u' \"$@\" > /var/cache/debconf/modes
cat \"$@\" >> /var/cache/debconf/config.dat
echo \"$DEBIAN_FRONTEND $DEBCONF_NONINTERACTIVE_SEEN\" > /var/cache/debconf/frontend
if [ -e /configured ]; then cp /configured /var/cache/debconf/configured; fi
";

fn debconf() -> DebBuilder {
    DebBuilder::new("debconf", "1.5")
        .program("usr/bin/debconf-set-selections", PROGRAM)
        .conffile("etc/debconf.conf", "x\n")
        .directory("var/cache/debconf")
        .script("postinst", "echo debconf >> /configured")
}

/// `asker`, which notes the answer that it finds when it is configured.
fn asker() -> DebBuilder {
    DebBuilder::new("asker", "1").depends("debconf").script(
        "postinst",
        "echo asker >> /configured\ncp /var/cache/debconf/config.dat /answer\n\
         echo \"$DEBIAN_FRONTEND $DEBCONF_NONINTERACTIVE_SEEN\" > /frontend",
    )
}

const ANSWERS: &str = "# comment\nasker asker/name string Zürich\tand more\n\
                       asker asker/secret password geheim\n";

fn context(debs: impl IntoIterator<Item = DebBuilder>) -> TestContext {
    let context = TestContext::new(debs);
    fs::create_dir(context.path("place")).unwrap();
    fs::write(context.path("place/answers"), ANSWERS).unwrap();
    fs::write(context.path("place/more"), "asker asker/secret seen false").unwrap();
    context
}

const PRESEED: [&str; 2] = ["--preseed=place/answers", "--preseed=place/more"];

#[test]
#[ignore = "needs root, dpkg"]
fn an_essential_debconf_takes_the_answers_before_anything_is_configured() {
    let debconf = debconf().field("Essential", "yes");
    let context = context([debconf, asker()]);
    let options = ["--include=asker", "--log=place/log", "-v"];
    let made = context.make(&[&options[..], &PRESEED].concat()).ok();
    let answers = format!("{ANSWERS}asker asker/secret seen false");
    assert_eq!(context.read("answer"), answers);
    assert_eq!(context.read("var/cache/debconf/modes"), "600 0\n600 0\n");
    for path in ["var/cache/debconf/frontend", "frontend"] {
        assert_eq!(context.read(path), "noninteractive true\n");
    }
    let before = context.root().join("var/cache/debconf/configured");
    assert!(!before.exists(), "{}", context.read("configured"));
    assert!(
        !context
            .root()
            .join("var/lib/dpkg/rbootstrap-preseed")
            .exists()
    );
    let log = fs::read_to_string(context.path("place/log")).unwrap();
    for text in [&made.stderr, &log] {
        assert!(!text.contains("geheim"), "{text}");
    }
    assert!(
        made.stderr.contains(": preseed 3 answers\n"),
        "{}",
        made.stderr
    );
}

#[test]
#[ignore = "needs root, dpkg"]
fn another_debconf_takes_them_before_the_rest_is_configured() {
    let context = context([debconf(), asker()]);
    let include = "--include=asker";
    context.make(&[&[include], &PRESEED[..]].concat()).ok();
    assert!(context.read("answer").contains("geheim"));
    assert_eq!(context.read("var/cache/debconf/configured"), "debconf\n");
    let configured = context.read("configured");
    assert_eq!(configured.lines().last(), Some("asker"), "{configured}");
}

#[test]
#[ignore = "needs root, dpkg"]
fn answers_come_from_standard_input_and_pipes_too() {
    let context = context([debconf(), asker()]);
    let mut command = context.command();
    command.args(["--include=asker", "--preseed=-", "fake"]);
    command.arg(context.root()).arg(context.mirror.url());
    command.stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(ANSWERS.as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    assert_eq!(context.read("answer"), ANSWERS);
}

/// The answers are written after the essential packages' preinsts.
#[test]
#[ignore = "needs root, dpkg"]
fn answers_are_written_through_no_link() {
    for plant in [
        "ln -s /caught var/lib/dpkg/rbootstrap-preseed",
        "ln -s /caught/0 var/lib/dpkg/rbootstrap-preseed",
        "mkdir var/lib/dpkg/rbootstrap-preseed; ln -s /caught/0 var/lib/dpkg/rbootstrap-preseed/0",
        "mkdir var/lib/dpkg/rbootstrap-preseed; chmod 777 var/lib/dpkg/rbootstrap-preseed",
    ] {
        let planter = DebBuilder::new("planter", "1")
            .field("Essential", "yes")
            .script("preinst", &format!("cd /; mkdir caught; {plant}"));
        let context = context([debconf().field("Essential", "yes"), planter]);
        context.make(&["--preseed=place/answers"]).ok();
        let caught = context.root().join("caught");
        assert_eq!(names(&caught), [""; 0], "{plant}");
        assert_eq!(context.read("var/cache/debconf/modes"), "600 0\n");
        let directory = context.root().join("var/lib/dpkg/rbootstrap-preseed");
        assert!(directory.symlink_metadata().is_err(), "{plant}");
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_debconf_that_refuses_ends_the_run() {
    let debconf = debconf()
        .field("Essential", "yes")
        .file("etc/debconf.refuses", "");
    let context = context([debconf]);
    let failed = context.make(&["--preseed=place/answers", "--variant=essential"]);
    failed.fails(7).names(&[
        "debconf-set-selections did not accept",
        "--preseed",
        "error: refused",
        "hint: correct the lines",
    ]);
    context.assert_nothing_left();
}

#[test]
fn the_step_is_shown_and_its_key_has_the_answers() {
    let context = context([debconf().field("Essential", "yes")]);
    let shown = |options: &[&str]| {
        let all = ["--simulate", "--variant=essential", "-v"];
        context.make(&[&all, options].concat()).ok().stderr
    };
    let keys = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("step "));
        lines.map(str::to_owned).collect()
    };
    let first = shown(&PRESEED);
    assert!(first.contains(": preseed 3 answers\n"), "{first}");
    assert_eq!(keys(&first), keys(&shown(&PRESEED)));
    assert_ne!(keys(&first), keys(&shown(&[])));
    let changed = ANSWERS.replace("geheim", "anders");
    fs::write(context.path("place/answers"), changed).unwrap();
    assert_ne!(keys(&first), keys(&shown(&PRESEED)));
}

#[test]
fn answers_that_cannot_be_given_are_named_before_any_download() {
    let context = context([debconf()]);
    let rows: [(&str, &str, i32, &[&str]); 9] = [
        (
            "a word",
            "\n# x\ngeheim\n",
            2,
            &["place/file, line 3: not `OWNER"],
        ),
        (
            "two words",
            "owner geheim\n",
            2,
            &["place/file, line 1: not `OWNER"],
        ),
        (
            "two bad lines",
            "x\na b string\ny\n",
            2,
            &["line 1: not", "line 3: not"],
        ),
        (
            "a flag first",
            "a a/b seen true\n",
            2,
            &["line 1: the flag of a/b"],
        ),
        (
            "an unknown type",
            "a a/b geheim\n",
            0,
            &["warning: place/file, line 1: the type of a/b"],
        ),
        ("no value", "a a/b string\n", 0, &[]),
        (
            "no file",
            "",
            2,
            &["cannot read place/none", "No such file"],
        ),
        ("a directory", "", 2, &["cannot read place", "directory"]),
        (
            "no debconf",
            "a a/b string x\n",
            4,
            &["debconf", "--include debconf"],
        ),
    ];
    for (name, content, code, words) in rows {
        fs::write(context.path("place/file"), content).unwrap();
        let preseed = match name {
            "no file" => "--preseed=place/none",
            "a directory" => "--preseed=place",
            _ => "--preseed=place/file",
        };
        let include = match name {
            "no debconf" => "--include=libhello1",
            _ => "--include=debconf",
        };
        let options = ["--variant=custom", include, preseed];
        let outcome = context.make(&[&["--print-debs"], &options[..]].concat());
        let outcome = outcome.fails(code).names(words);
        assert!(
            !outcome.stderr.contains("geheim"),
            "{name}: {}",
            outcome.stderr
        );
        context.assert_no_deb_requested();
    }
    println!("answers that cannot be given: {} cases", rows.len());
    let extract = [
        "--variant=extract",
        "--include=debconf",
        "--preseed=place/answers",
    ];
    context
        .make(&extract)
        .fails(2)
        .names(&["--preseed", "extract"]);
    context.assert_nothing_left();
}

#[test]
fn several_images_need_inputs_that_can_be_read_again() {
    let context = TestContext::bare();
    let pipe = context.path("pipe").display().to_string();
    crate::context::outcome(Command::new("mkfifo").arg(&pipe)).ok();
    let rows = [
        "--preseed=-".to_owned(),
        format!("--preseed={pipe}"),
        format!("--keyring={pipe}"),
        format!("--source={pipe}"),
        format!("--auth-conf={pipe}"),
        format!("--profile={pipe}"),
    ];
    for row in &rows {
        let arguments = [
            "--print-debs",
            "--arch=amd64",
            "--arch=arm64",
            row,
            "trixie",
        ];
        let refused = crate::context::outcome(context.command().args(arguments));
        let named = row.replace('=', " ");
        refused.fails(2).names(&[&named, "--arch"]);
    }
    println!("{} cases", rows.len());
}
