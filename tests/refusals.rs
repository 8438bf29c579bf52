//! Requests that fail: each has its exit code and an error that names what is wrong, and leaves
//! nothing behind.

mod words;

use std::fs;
use std::process::Command;

use rbootstrap::testing::{DebBuilder, FakeSuite, MirrorFault};

use crate::context::{TestContext, outcome};

#[test]
fn wrong_command_lines() {
    let context = TestContext::bare();
    let rows: [(&[&str], &[&str]); 14] = [
        (&[], &["SUITE"]),
        (
            &["fake", "root", "http://127.0.0.1:1", "sid"],
            &["sid", "SUITE, TARGET and MIRROR", "SCRIPT"],
        ),
        (&["packs", "root"], &["packs", "rbootstrap pack"]),
        (&["--variant=fat", "fake", "root"], &["fat", "minbase"]),
        (&["--no-such-option", "fake", "root"], &["--no-such-option"]),
        (&["fake", "root", "mirror.example"], &["mirror.example"]),
        (&["no-such-suite", "root"], &["no-such-suite"]),
        (
            &["trixie", "http://127.0.0.1:1/debian"],
            &["http://127.0.0.1:1/debian", "SUITE TARGET MIRROR"],
        ),
        (
            &["--print-debs", "trixie", "file:/srv/debian"],
            &["TARGET is `file:/srv/debian`", "./"],
        ),
        (
            &["trixie", "root", "--tar", "https://127.0.0.1:1/x.tar"],
            &["--tar is `https://127.0.0.1:1/x.tar`"],
        ),
        (&["bootstrap", "pack", "root"], &["pack", "MIRROR"]),
        (
            &[
                "fake",
                "root.tar",
                "http://127.0.0.1:1",
                "--tar",
                "other.tar",
            ],
            &["--tar"],
        ),
        (
            &["trixie", "root", "http://127.0.0.1:1", "--no-merged-usr"],
            &["merged"],
        ),
        (
            &["trixie", "root", "http://127.0.0.1:1", "--jobs=0"],
            &["jobs"],
        ),
    ];
    for (arguments, words) in rows {
        context.run(arguments).fails(2).names(words);
        context.assert_nothing_left();
    }
}

#[test]
fn an_unlisted_suite_needs_a_mirror_and_a_keyring() {
    let context = TestContext::bare();
    let run = |arguments: &[&str]| {
        let mut command = context.program();
        outcome(command.args(arguments))
    };
    run(&["fake", "root"]).fails(2).names(&["fake"]);
    run(&["fake", "root", &context.mirror.url()])
        .fails(2)
        .names(&["fake", "keyring"]);
    run(&["--keyring", "keyring.gpg", "fake", "root"])
        .fails(2)
        .names(&["fake", "MIRROR"]);
    context.assert_nothing_left();
}

#[test]
fn options_of_debootstrap_that_change_nothing() {
    let context = TestContext::new([]);
    let options = [
        "--merged-usr",
        "--resolve-deps",
        "--force-check-gpg",
        "--keep-debootstrap-dir",
    ];
    context.print_debs(&options).ok();
}

#[test]
fn unknown_packages() {
    let context = TestContext::new([]);
    let rows: [(&str, &[&str]); 3] = [
        ("--include=no-such-package", &["no-such-package"]),
        ("--include=hello=9.9", &["hello", "9.9"]),
        ("--include=hello/no-such-suite", &["hello", "no-such-suite"]),
    ];
    for (option, words) in rows {
        context.print_debs(&[option]).fails(4).names(words);
        context.assert_nothing_left();
    }
}

#[test]
fn packages_that_exclude_each_other() {
    let debs = [
        DebBuilder::new("this", "1").field("Conflicts", "that"),
        DebBuilder::new("that", "1"),
        DebBuilder::new("above-that", "1").depends("that (>= 1)"),
        DebBuilder::new("wants-more", "1").depends("that (>= 2)"),
        DebBuilder::new("wants-unknown", "1").depends("no-such-thing"),
    ];
    let context = TestContext::new(debs);
    let rows: [(&str, &[&str]); 4] = [
        ("this,that", &["this", "that"]),
        ("this,above-that", &["this", "that", "above-that"]),
        ("wants-more", &["wants-more", "that"]),
        ("wants-unknown", &["wants-unknown", "no-such-thing"]),
    ];
    for (include, words) in rows {
        let option = format!("--include={include}");
        context.download(&[&option]).fails(4).names(words);
        context.assert_nothing_left();
    }
    // Essential packages may be prefetched before the plan fails, but nothing that was asked for.
    let asked = context.mirror.paths();
    for name in ["this", "that", "above-that", "wants-more", "wants-unknown"] {
        assert!(
            asked
                .iter()
                .all(|path| !path.contains(&format!("/{name}_"))),
            "{name}: {asked:?}"
        );
    }
}

/// Expects exit code 5 and these words from a mirror.
#[track_caller]
fn assert_does_not_serve(context: &TestContext, suite: &str, mirror: &str, words: &[&str]) {
    context
        .run(["--print-debs", "--tries=2", suite, "root", mirror])
        .fails(5)
        .names(words);
    context.assert_nothing_left();
}

#[test]
fn mirrors_without_the_suite() {
    let context = TestContext::new([]);
    let url = context.mirror.url();
    let hint = "hint: a mirror's URL names the directory that contains `dists`";
    assert_does_not_serve(&context, "absent", &url, &["absent", &url, hint]);
    for place in ["/no/such/place", "/dists"] {
        let elsewhere = format!("{url}{place}");
        assert_does_not_serve(&context, "fake", &elsewhere, &[place, hint]);
    }
    assert_does_not_serve(
        &context,
        "fake",
        "file:/no/such/mirror",
        &["/no/such/mirror", hint],
    );
}

#[test]
fn a_mirror_that_does_not_listen() {
    let context = TestContext::bare();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    assert_does_not_serve(&context, "fake", &format!("http://{address}"), &[&address]);
}

#[test]
fn a_mirror_without_an_address() {
    let context = TestContext::bare();
    let host = "no-such-host.invalid";
    assert_does_not_serve(&context, "fake", &format!("http://{host}/"), &[host]);
}

#[test]
fn an_architecture_that_the_archive_lacks() {
    let context = TestContext::new([]);
    context
        .print_debs(&["--arch=sparc-of-old"])
        .fails(2)
        .names(&["sparc-of-old"]);
    context.assert_nothing_left();
}

#[test]
fn an_archive_without_packages() {
    let context = TestContext::bare();
    context.archive.publish(&FakeSuite::new("fake"));
    context.print_debs(&[]).fails(4);
    context.assert_nothing_left();
}

#[test]
fn a_package_that_the_mirror_lacks() {
    let context = TestContext::new([]);
    context.mirror.fault(".deb", MirrorFault::Missing);
    context
        .download(&["--variant=essential"])
        .fails(5)
        .names(&[".deb", &context.mirror.url()]);
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg"]
fn scripts_that_fail() {
    let failing = |script: &str| {
        let body = "echo first words; i=0; while [ $i -lt 50 ]; do echo line $i; i=$((i+1)); \
                    done; echo the reason is here >&2; exit 3";
        DebBuilder::new("failing", "1")
            .script(script, body)
            .file("usr/share/failing", "x")
    };
    for script in ["preinst", "postinst"] {
        let context = TestContext::new([failing(script)]);
        context
            .make(&["--variant=essential", "--include=failing"])
            .fails(7)
            .names(&["failing", script, "the reason is here"]);
        context.assert_nothing_left();
        context
            .run([
                "--variant=essential",
                "--include=failing",
                "fake",
                "image.tar",
                &context.mirror.url(),
            ])
            .fails(7);
        context.assert_nothing_left();
        let piped = context
            .run([
                "--variant=essential",
                "--include=failing",
                "fake",
                "-",
                &context.mirror.url(),
            ])
            .fails(7);
        assert!(piped.stdout.is_empty());
        context.assert_nothing_left();
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_script_that_is_killed_or_cannot_run() {
    let killed = DebBuilder::new("killed", "1").script("postinst", "kill -9 $$");
    let without_interpreter =
        DebBuilder::new("odd", "1").member("postinst", 0o755, "#!/usr/bin/no-such-shell\n");
    let without_interpreter_early =
        DebBuilder::new("odd-early", "1").member("preinst", 0o755, "#!/usr/bin/no-such-shell\n");
    let context = TestContext::new([killed, without_interpreter, without_interpreter_early]);
    for name in ["killed", "odd", "odd-early"] {
        let option = format!("--include={name}");
        context
            .make(&["--variant=essential", &option])
            .fails(7)
            .names(&[name]);
        context.assert_nothing_left();
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn an_essential_script_that_fails() {
    let broken = DebBuilder::new("zz-essential", "1")
        .field("Essential", "yes")
        .field("Priority", "required")
        .script("postinst", "echo no luck >&2; false");
    let context = TestContext::new([broken]);
    context
        .make(&["--variant=essential"])
        .fails(7)
        .names(&["zz-essential", "no luck"]);
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_failed_tree_can_be_kept() {
    let context = TestContext::new([DebBuilder::new("failing", "1").script("postinst", "false")]);
    context
        .make(&["--keep", "--variant=essential", "--include=failing"])
        .fails(7)
        .names(&[context.root().to_str().unwrap()]);
    assert!(context.root().join("usr/bin/dpkg").exists());
    context.assert_nothing_besides_target();
}

#[test]
#[ignore = "needs root, dpkg"]
fn scripts_reach_neither_host_nor_network() {
    let body = "kill -0 1 2>/dev/null; echo \"$$\" >/var/lib/pid\n\
                [ ! -e /proc/self ] || cat /proc/self/mountinfo >/var/lib/mounts\n\
                sleep 1000 & exit 0";
    let context = TestContext::new([DebBuilder::new("curious", "1").script("postinst", body)]);
    context
        .make(&["--variant=essential", "--include=curious"])
        .ok();
    context.assert_nothing_besides_target();
    assert!(
        context.read("var/lib/pid").trim().parse::<u32>().unwrap() < 2000,
        "{}",
        context.read("var/lib/pid")
    );
    let mounts = fs::read_to_string(context.root().join("var/lib/mounts")).unwrap_or_default();
    assert!(
        mounts
            .lines()
            .all(|line| !line.contains("/home") && !line.contains(" /boot")),
        "{mounts}"
    );
}

#[test]
fn messages_have_one_form() {
    let context = TestContext::new([]);
    let stderr = context
        .print_debs(&["--include=no-such-package", "-q"])
        .fails(4)
        .stderr;
    assert!(stderr.starts_with("error: "), "{stderr}");
    let stderr = outcome(
        context
            .program()
            .args(["-q", "--print-debs", "trixe", "root"]),
    )
    .fails(2)
    .stderr;
    insta::assert_snapshot!(stderr, @"
    error: unknown suite `trixe`

    hint: did you mean trixie?
    ");
}

/// A user without root gets exit code 6 before anything is fetched. As root, the test becomes such
/// a user with setpriv.
#[test]
fn making_a_tree_needs_root() {
    let context = TestContext::new([]);
    let mut command = context.command();
    command.args(["fake", "root", &context.mirror.url()]);
    if rustix::process::geteuid().is_root() {
        // The program must be executable for the other user, wherever the build directory is.
        let program = context.path("tmp").join("rbootstrap");
        fs::copy(command.get_program(), &program).unwrap();
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(context.directory.path(), everybody).unwrap();
        let mut as_user = Command::new("setpriv");
        as_user.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        as_user.arg(&program).args(command.get_args());
        as_user.env_clear().env("HOME", context.path("home"));
        as_user.env("RBOOTSTRAP_CACHE_DIR", context.path("cache"));
        as_user.current_dir(context.directory.path());
        outcome(&mut as_user).fails(6).names(&["root"]);
        fs::remove_file(program).unwrap();
    } else {
        outcome(&mut command).fails(6).names(&["root"]);
    }
    assert_eq!(context.mirror.paths(), Vec::<String>::new());
    context.assert_nothing_left();
}
