//! Maintainer scripts: what they find around them, what they leave behind, what their failing
//! leaves.

use std::fs;

use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tar::{TarEntry, directory, file, hard_link, symlink};

use crate::context::{TestContext, reference};
use crate::packages::same_as_dpkg;

#[test]
#[ignore = "needs root, dpkg, apt"]
fn further_control_members() {
    let deb = DebBuilder::new("members", "1")
        .member("templates", 0o644, "Template: x\n")
        .member("symbols", 0o644, "x\n")
        .member("shlibs", 0o644, "x 1 x\n")
        .member("config", 0o755, "#!/bin/sh\n")
        .script("prerm", "true")
        .script("postrm", "true")
        .member("odd.name", 0o644, "x")
        .file("usr/share/members", "x");
    same_as_dpkg([deb], &["members"]);
}

/// dpkg makes control scripts executable, and runs those without an interpreter with the shell.
#[test]
#[ignore = "needs root, dpkg, apt"]
fn scripts_of_odd_modes_and_beginnings() {
    let note = "echo \"$0 $1\" >>/var/lib/note\n";
    let rows = [
        ("mode-0644", 0o644, "#!/bin/sh\n"),
        ("mode-0400", 0o400, "#!/bin/sh\n"),
        ("mode-0000", 0, "#!/bin/sh\n"),
        ("mode-4755", 0o4755, "#!/bin/sh\n"),
        ("no-interpreter", 0o755, ""),
        ("blank-and-option", 0o755, "#! /bin/sh -e\n"),
        ("interpreter-too-late", 0o644, "\n#!/bin/sh\n"),
    ];
    let mut names = Vec::new();
    let mut debs = Vec::new();
    for (name, mode, head) in rows {
        let script = format!("{head}{note}");
        names.push(name);
        debs.push(
            DebBuilder::new(name, "1")
                .member("preinst", mode, &script)
                .member("postinst", mode, &script),
        );
    }
    let context = same_as_dpkg(debs, &names);
    let ran = context.read("var/lib/note").lines().count();
    assert_eq!(ran, 2 * rows.len());
    println!("odd scripts: {} cases", rows.len());
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn scripts_that_are_links_of_each_other() {
    let note = "#!/bin/sh\necho \"$0 $1\" >>/var/lib/note\n";
    let linked = |name: &str, link: TarEntry| {
        let mut deb = DebBuilder::new(name, "1").member("postinst", 0o755, note);
        deb.members.push(link);
        deb
    };
    let debs = [
        linked("hard", hard_link("./prerm", "./postinst")),
        linked("hard-without-dot", hard_link("./postrm", "postinst")),
        linked("soft", symlink("./prerm", "postinst")),
        linked("soft-with-dot", symlink("./preinst", "./postinst")),
    ];
    let names = ["hard", "hard-without-dot", "soft", "soft-with-dot"];
    let context = TestContext::new(debs);
    let include = format!("--include={}", names.join(","));
    context.make(&["--variant=essential", &include]).ok();
    let expected = context.path("expected");
    reference::tree(&context, &expected, &names);
    // dpkg's database has the links, ours a file for each; both run them.
    let notes = fs::read_to_string(expected.join("var/lib/note")).unwrap();
    assert_eq!(context.read("var/lib/note"), notes);
    assert!(notes.lines().count() >= names.len(), "{notes}");
    println!("linked scripts: {} cases", names.len());
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn a_user_made_in_preinst_owns_files() {
    let preinst = "echo 'svc:*:101:101::/:/bin/sh' >>/etc/passwd\necho 'svc:*:101:' >>/etc/group";
    let deb = DebBuilder::new("service", "1")
        .script("preinst", preinst)
        .entry(
            file("var/lib/service/data", "x")
                .owner("svc", "svc")
                .ids(0, 0),
        );
    let context = same_as_dpkg([deb], &["service"]);
    assert!(
        context
            .line("var/lib/service/data")
            .starts_with("f 0644 101:101")
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn scripts_see_what_dpkg_shows_them() {
    let note = |name: &str| {
        let variables =
            "env | grep -E '^(DPKG|DEB|LC_|LANG|HOME|PATH|SOURCE|TMPDIR|APT_|PWD|SHLVL)' | sort";
        format!(
            "{{ echo {name} \"$0\" \"$@\"; {variables}; pwd; id -u; umask; ls \
             /var/lib/dpkg/tmp.ci 2>/dev/null || true; }} >>/var/lib/note"
        )
    };
    let status =
        "dpkg-query -W -f '${Package} ${Version} ${Status} ${Conffiles}\\n' >>/var/lib/note-status";
    let scripts = |name: &str, more: &str| {
        let both = |script: &str| format!("{}\n{more}", note(script));
        DebBuilder::new(name, "1.5-2")
            .script("preinst", &both("preinst"))
            .script("postinst", &both("postinst"))
    };
    // The files of the essential packages are placed before any script runs, so their preinsts find
    // another database than under dpkg.
    let essential = scripts("zz-essential", "")
        .field("Essential", "yes")
        .field("Priority", "required")
        .file("usr/share/zz", "x");
    let first = scripts("first", status)
        .conffile("etc/first", "x\n")
        .member("templates", 0o644, "x\n")
        .member("odd.name", 0o600, "x");
    let context = TestContext::new([
        essential.clone(),
        first,
        scripts("second", status).depends("first"),
    ]);
    context
        .make(&["--variant=essential", "--include=second"])
        .ok();
    let expected = context.path("expected");
    reference::tree_with(&context, &expected, &[essential.into()], &["second"]);
    let read = |root: &std::path::Path, name: &str| {
        fs::read_to_string(root.join("var/lib").join(name)).unwrap()
    };
    assert_eq!(
        read(&context.root(), "note-status"),
        read(&expected, "note-status")
    );
    // What apt tells its own dpkg, the PATH that it has for it, and the version of a dpkg that is
    // the host's whatever its package says.
    let foreign = [
        "APT_CONFIG=",
        "DPKG_COLORS=",
        "DPKG_FRONTEND_LOCKED=",
        "DPKG_RUNNING_VERSION=",
        "PATH=",
    ];
    let own = |text: String| -> Vec<String> {
        text.lines()
            .filter(|line| !foreign.iter().any(|name| line.starts_with(name)))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(
        own(read(&context.root(), "note")),
        own(read(&expected, "note"))
    );
    assert!(
        read(&context.root(), "note").contains("\nDPKG_FORCE=security-mac,downgrade,depends\n")
    );
}

/// A stand-in for debconf: questions in `templates`, asked by `config`, answered from a database
/// that a package has filled before.
#[test]
#[ignore = "needs root, dpkg, apt"]
fn answers_given_in_advance() {
    let confmodule = "db_get() {\n  grep \"^$1=\" /var/cache/answers.dat && return\n  \
                      for templates in /var/lib/dpkg/tmp.ci/templates \
                      /var/lib/dpkg/info/$DPKG_MAINTSCRIPT_PACKAGE.templates; do\n    \
                      grep -s \"^$1=\" \"$templates\" && return\n  done\n\
                      \x20 echo \"$1 is unknown\"\n}\n";
    let answers = DebBuilder::new("answers", "1")
        .file("usr/share/answers/confmodule", confmodule)
        .script(
            "postinst",
            "mkdir -p /var/cache\n\
             echo \"$DEBIAN_FRONTEND $DEBCONF_NONINTERACTIVE_SEEN\" \
             >/var/lib/frontend",
        );
    let preseed = DebBuilder::new("preseed", "1")
        .field("Pre-Depends", "answers")
        .script("preinst", "echo zone=UTC >>/var/cache/answers.dat");
    let ask = "[ \"$1\" = install ] || [ \"$1\" = configure ]\n. /usr/share/answers/confmodule\n\
               for question in zone locale charset; do db_get $question; done \
               >>/var/lib/asked-in-$DPKG_MAINTSCRIPT_NAME\n\
               config=/var/lib/dpkg/tmp.ci/config\n\
               [ -e $config ] || config=/var/lib/dpkg/info/asks.config\n$config \"$1\"";
    let asks = DebBuilder::new("asks", "1")
        .field("Pre-Depends", "answers")
        .depends("preseed")
        .member("templates", 0o644, "zone=none\nlocale=C\n")
        .member(
            "config",
            0o755,
            "#!/bin/sh\necho \"config $1 of $DPKG_MAINTSCRIPT_NAME\" >>/var/lib/configured\n",
        )
        .script("preinst", ask)
        .script("postinst", ask);
    let context = same_as_dpkg([answers, preseed, asks], &["asks"]);
    assert_eq!(context.read("var/lib/frontend"), "noninteractive true\n");
    assert_eq!(
        context.read("var/lib/asked-in-postinst"),
        "zone=UTC\nlocale=C\ncharset is unknown\n"
    );
    assert_eq!(
        context.read("var/lib/configured"),
        "config install of preinst\nconfig configure of postinst\n"
    );
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_preinst_that_fails_leaves_nothing() {
    // In the first batch, in a later one, and among the essentials; each after it has changed
    // something.
    let failing = |name: &str| {
        DebBuilder::new(name, "1")
            .file("usr/share/failing", "x")
            .script("preinst", "echo x >/etc/made; exit 3")
    };
    let first = DebBuilder::new("first", "1").file("usr/share/first", "x");
    let essential = failing("failing")
        .field("Essential", "yes")
        .field("Priority", "required");
    for debs in [
        vec![failing("failing")],
        vec![failing("failing").field("Pre-Depends", "first"), first],
        vec![essential],
    ] {
        let context = TestContext::new(debs);
        let outcome = context
            .make(&["--variant=essential", "--include=failing"])
            .fails(7)
            .names(&["preinst", "failing", "exit status 3"]);
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
        context.assert_nothing_left();
    }
}

/// As many hard packages as can be together, in a tar, which has every byte, owner, mode and time.
#[test]
#[ignore = "needs root, dpkg"]
fn one_thread_and_sixteen_give_the_same_bytes() {
    let divert =
        "dpkg-divert --package divert --add --rename --divert /usr/share/list.old /usr/share/list";
    let mut debs = vec![
        DebBuilder::new("list", "1")
            .file("usr/share/list", "old\n")
            .conffile("etc/list", "old\n")
            .hard_link("usr/share/again", "usr/share/list"),
        DebBuilder::new("divert", "1")
            .script("preinst", divert)
            .file("usr/share/list", "new\n"),
        DebBuilder::new("late", "1")
            .field("Pre-Depends", "divert")
            .field("Replaces", "list")
            .file("usr/share/again", "late\n"),
        DebBuilder::new("hears", "1")
            .triggers("interest /usr/share/many")
            .script("postinst", "echo \"$@\" >>/var/lib/heard"),
        DebBuilder::new("over", "1").script(
            "preinst",
            "dpkg-statoverride --add man man 4750 /usr/share/many/7/file",
        ),
    ];
    for number in 0..24 {
        let name = format!("many-{number}");
        let own = format!("usr/share/many/{number}");
        let deb = DebBuilder::new(&name, "1")
            .file(&format!("{own}/file"), "content\n".repeat(number * 500))
            .conffile(&format!("etc/{name}"), "x\n");
        let shared = directory("usr/share/many").mode(if number % 2 == 0 { 0o755 } else { 0o711 });
        let deb = deb
            .entry(shared)
            .hard_link(&format!("{own}/link"), &format!("{own}/file"));
        debs.push(if number % 3 == 0 {
            deb.depends("hears, over")
        } else {
            deb.field("Pre-Depends", "over")
        });
    }
    let names: Vec<String> = debs.iter().map(|deb| deb.name.clone()).collect();
    let include = format!("--include={}", names.join(","));
    let context = TestContext::new(debs);
    let tar = |jobs: &str| {
        let options = [
            "--no-cache",
            "--variant=essential",
            &include,
            "--jobs",
            jobs,
            "fake",
            "-",
        ];
        context
            .run(options.into_iter().chain([&context.mirror.url()[..]]))
            .ok()
            .stdout
    };
    let one = tar("1");
    let sixteen = tar("16");
    assert!(
        one.len() > 100_000 && one == sixteen,
        "{} and {} bytes",
        one.len(),
        sixteen.len()
    );
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn alternatives_are_the_trees_own() {
    let install = "update-alternatives --quiet --install /usr/bin/editor editor /usr/bin/ed 5 \
                   --slave /usr/share/man/editor.1 editor.1 /usr/share/man/ed.1";
    let deb = DebBuilder::new("ed", "1")
        .program("usr/bin/ed", "x")
        .file("usr/share/man/ed.1", "x")
        .script("postinst", install);
    let context = same_as_dpkg([deb], &["ed"]);
    assert_eq!(
        context.line("etc/alternatives/editor"),
        "l 0777 0:0 ->/usr/bin/ed /etc/alternatives/editor"
    );
}
