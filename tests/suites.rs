//! Suites as data: a suite file of the user defines a distribution that is not built in.

use std::fs;
use std::sync::Arc;

use rbootstrap::testing::{DebBuilder, FakeSuite, Mirror, base};

use crate::context::{Outcome, TestContext, outcome};

/// The user's suite file; `more` goes to the suite's own entry.
fn write_suite_file(context: &TestContext, more: &str) {
    let url = context.mirror.url();
    let keyring = context.path("keyring.gpg");
    let text = format!(
        r#"distribution = "fake"
components = ["main"]
pockets = ["release", "updates", "security"]
keyrings = ["own"]
merged_usr = "shipped"
deb822_sources = true

[archives.main]
mirrors = [{{ architectures = ["no-such-architecture"], uris = ["http://127.0.0.1:1"] }}, {{ uris = ["{url}"] }}]

[pocket.release]
suite = "{{codename}}"
archive = "main"

[pocket.updates]
suite = "{{codename}}-updates"
archive = "main"

[pocket.security]
suite = "{{codename}}-security"
archive = "main"

[keyring.own]
file = "{}"
tree_path = "/usr/share/keyrings/fake-archive-keyring.gpg"

[[suites]]
codename = "fake"
aliases = ["newest"]
version = "1"
{more}
"#,
        keyring.display()
    );
    let directory = context.path("home/.config/rbootstrap/suites");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("fake.toml"), text).unwrap();
}

/// Runs the program with that file, without a keyring or a mirror on the command line.
fn run(context: &TestContext, arguments: &[&str]) -> Outcome {
    let mut command = context.program();
    command.env("XDG_CONFIG_HOME", context.path("home/.config"));
    outcome(command.args(arguments))
}

/// A context with three pockets: `netbase` is newer in security, `news` only in updates.
fn three_pockets() -> TestContext {
    let context = TestContext::new([]);
    context.archive.publish(
        &FakeSuite::new("fake-updates")
            .with([DebBuilder::new("news", "1").file("usr/share/news", "x")]),
    );
    context.archive.publish(
        &FakeSuite::new("fake-security")
            .with([DebBuilder::new("netbase", "6.4+deb1u1").field("Priority", "important")]),
    );
    context
}

#[test]
fn all_pockets_are_resolved_together() {
    let context = three_pockets();
    write_suite_file(&context, "");
    for name in ["fake", "newest"] {
        let printed = run(&context, &["--print-debs", "--include=news", name, "root"])
            .ok()
            .text();
        assert!(
            printed.contains("netbase=6.4+deb1u1:") && printed.contains("news=1:"),
            "{name}: {printed}"
        );
    }
    let printed = run(&context, &["--print-debs", "--no-pockets", "fake", "root"])
        .ok()
        .text();
    assert!(printed.contains("netbase=6.4:"), "{printed}");
    run(
        &context,
        &[
            "--print-debs",
            "--no-pockets",
            "--include=news",
            "fake",
            "root",
        ],
    )
    .fails(4)
    .names(&["news"]);
}

#[test]
fn a_mirror_on_the_command_line_is_the_release_pocket_alone() {
    let context = three_pockets();
    write_suite_file(&context, "");
    let printed = run(
        &context,
        &["--print-debs", "fake", "root", &context.mirror.url()],
    )
    .ok()
    .text();
    assert!(printed.contains("netbase=6.4:"), "{printed}");
    assert!(
        context
            .mirror
            .paths()
            .iter()
            .all(|path| !path.contains("fake-")),
        "{:?}",
        context.mirror.paths()
    );
}

#[test]
fn a_pocket_that_fails_is_named() {
    let context = three_pockets();
    write_suite_file(&context, "");
    fs::remove_dir_all(context.archive.root.join("dists/fake-security")).unwrap();
    run(&context, &["--print-debs", "fake", "root"])
        .fails(5)
        .names(&["fake-security"]);
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg"]
fn the_tree_has_the_same_sources() {
    let context = three_pockets();
    write_suite_file(&context, "");
    run(&context, &["fake", "root"]).ok();
    let sources = fs::read_dir(context.root().join("etc/apt/sources.list.d"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let text: String = sources
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for thing in [
        &context.mirror.url()[..],
        "fake-updates",
        "fake-security",
        "Signed-By: /usr/share/keyrings/fake-archive-keyring.gpg",
    ] {
        assert!(text.contains(thing), "{thing}: {text}");
    }
    assert!(
        context
            .line("etc/apt/sources.list.d")
            .starts_with("d 0755 0:0")
    );
}

#[test]
fn a_suite_may_be_called_like_a_command() {
    let mut suite = FakeSuite::new("pack").with(base::base());
    suite.codename = "pack".into();
    let context = TestContext::of(&suite);
    let url = context.mirror.url();
    let words = ["-q", "bootstrap", "--print-debs", "pack", "root", &url];
    let printed = context.run(words).ok().text();
    assert!(printed.contains("dpkg="), "{printed}");
}

/// Where packages come from is not where the system's apt looks for more.
#[test]
#[ignore = "needs root, dpkg"]
fn two_mirrors_give_one_image_unless_it_lists_them() {
    let context = three_pockets();
    write_suite_file(&context, "");
    let other = Mirror::start(context.archive.root.clone());
    let urls = [context.mirror.url(), other.url()];
    let image = |option: &str, url: &String| {
        let options = ["--variant=essential", option, "fake", "-", url];
        run(&context, &options).ok().stdout
    };
    let both = |option: &str| urls.each_ref().map(|url| image(option, url));
    let [first, second] = both("--apt-sources=suite");
    assert!(first == second);
    let [first, second] = both("--apt-sources=none");
    assert!(first == second);
    assert!(!listing(&first).contains("fake.sources"));
    let [first, second] = both("--apt-sources=used");
    assert!(first != second);
    assert!(listing(&first).contains("fake.sources"));
}

/// The paths in a tar.
fn listing(tar: &[u8]) -> String {
    let mut paths = String::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        paths += &format!("{}\n", entry.unwrap().path().unwrap().display());
    }
    paths
}

#[test]
#[ignore = "needs root, dpkg"]
fn an_older_apt_gets_the_older_form() {
    let context = three_pockets();
    write_suite_file(&context, "deb822_sources = false");
    run(&context, &["fake", "root"]).ok();
    let list = context.read("etc/apt/sources.list");
    assert_eq!(
        list.lines().filter(|line| line.starts_with("deb ")).count(),
        3,
        "{list}"
    );
}

/// The essential packages, of which base-files ships no links of a merged /usr.
fn base_without_links() -> Vec<Arc<DebBuilder>> {
    let mut debs = base::base();
    for deb in &mut debs {
        if deb.name == "base-files" {
            let entries = &mut Arc::make_mut(deb).entries;
            entries.retain(|entry| !entry.is_symlink() || entry.path.contains(&b'/'));
        }
    }
    debs
}

/// As bookworm has it: base-files ships no links, and apt's own choice would be usrmerge.
#[test]
#[ignore = "needs root, dpkg"]
fn usr_is_merged_with_its_package_instead_of_usrmerge() {
    let essential = |name: &str| {
        let deb = DebBuilder::new(name, "1").field("Essential", "yes");
        deb.field("Priority", "required")
    };
    let helpers = essential("helpers")
        .depends("usrmerge | usr-is-merged")
        .file("bin/in-bin", "x")
        .file("lib/only-in-lib/x", "x")
        .file("lib64/in-lib64", "x")
        .file("usr/share/helpers", "x");
    let others = [
        helpers,
        DebBuilder::new("usrmerge", "37").depends("perl"),
        DebBuilder::new("perl", "5"),
        DebBuilder::new("usr-is-merged", "37").script(
            "preinst",
            "test -h /bin && test -h /lib && test ! -e /lib32",
        ),
    ];
    let context = TestContext::of(
        &FakeSuite::new("fake")
            .with(base_without_links())
            .with(others),
    );
    write_suite_file(
        &context,
        "merged_usr = \"with-package\"\npockets = [\"release\"]",
    );
    let options = ["--variant=essential", "fake", "root"];
    run(&context, &options).ok();
    let installed = context.installed();
    let is_installed = |name: &str| {
        let mut lines = installed.iter();
        lines.any(|line| line.starts_with(&format!("{name} ")))
    };
    assert!(is_installed("usr-is-merged"), "{installed:?}");
    assert!(
        !is_installed("usrmerge") && !is_installed("perl"),
        "{installed:?}"
    );
    for (path, start) in [
        ("bin", "l 0777 0:0 ->usr/bin "),
        ("lib", "l 0777 0:0 ->usr/lib "),
        ("usr/bin/in-bin", "f 0644 0:0 "),
        ("usr/lib/only-in-lib/x", "f 0644 0:0 "),
    ] {
        assert!(
            context.line(path).starts_with(start),
            "{}",
            context.line(path)
        );
    }
    assert!(!context.root().join("lib32").exists());
    assert!(
        context
            .read("var/lib/dpkg/info/helpers.list")
            .contains("/bin/in-bin\n")
    );

    let excluded = ["--exclude=usr-is-merged", "--print-debs", "fake", "root"];
    let printed = run(&context, &excluded).ok().text();
    assert!(printed.contains("usrmerge="), "{printed}");
}

#[test]
#[ignore = "needs root, dpkg"]
fn links_of_a_merged_usr_are_made_where_no_package_has_them() {
    let context = TestContext::of(&FakeSuite::new("fake").with(base_without_links()));
    write_suite_file(
        &context,
        "merged_usr = \"made-first\"\npockets = [\"release\"]",
    );
    run(&context, &["fake", "root"]).ok();
    for name in ["bin", "lib", "sbin"] {
        assert_eq!(
            context.line(name),
            format!("l 0777 0:0 ->usr/{name} /{name}")
        );
    }
    assert!(
        context
            .installed()
            .iter()
            .all(|line| line.ends_with("install ok installed"))
    );
}

#[test]
fn own_suites_are_listed() {
    let context = TestContext::bare();
    write_suite_file(&context, "");
    let listed = run(&context, &["suites"]).ok().text();
    assert!(
        listed.contains("fake") && listed.contains("newest") && listed.contains("trixie"),
        "{listed}"
    );
}

#[test]
fn a_suite_file_that_is_wrong_is_named() {
    let context = TestContext::bare();
    write_suite_file(&context, "merged_usr = \"perhaps\"");
    run(&context, &["--print-debs", "fake", "root"])
        .fails(2)
        .names(&["fake.toml"]);
    context.assert_nothing_left();
}
