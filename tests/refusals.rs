//! What cannot be done: each refusal has its exit code, names its thing, and leaves nothing behind.

use std::fs;
use std::process::Command;

use crate::world::archive::Suite;
use crate::world::deb::Deb;
use crate::world::server::Fault;
use crate::world::{World, outcome, suite};

#[test]
fn command_lines_that_cannot_be_meant() {
    let world = World::bare();
    let rows: [(&[&str], &[&str]); 10] = [
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
    for (arguments, things) in rows {
        let refused = world.run(arguments).fails(2);
        refused.names(things);
        world.assert_nothing_left();
    }
}

#[test]
fn an_unlisted_suite_needs_a_mirror_and_a_keyring() {
    let world = World::bare();
    let program = world.command();
    let run = |arguments: &[&str]| {
        outcome(
            Command::new(program.get_program())
                .current_dir(world.directory.path())
                .args(arguments),
        )
    };
    run(&["fake", "root"]).fails(2).names(&["fake"]);
    run(&["fake", "root", &world.server.url()])
        .fails(2)
        .names(&["fake", "keyring"]);
    run(&["--keyring", "keyring.gpg", "fake", "root"])
        .fails(2)
        .names(&["fake", "MIRROR"]);
    world.assert_nothing_left();
}

#[test]
fn accepted_for_the_sake_of_old_scripts() {
    let Some(world) = World::new([]) else { return };
    world
        .make(&[
            "--merged-usr",
            "--resolve-deps",
            "--force-check-gpg",
            "--keep-debootstrap-dir",
            "--print-debs",
        ])
        .ok();
}

#[test]
fn packages_that_are_not_there() {
    let Some(world) = World::new([]) else { return };
    world
        .make(&["--include=no-such-package"])
        .fails(4)
        .names(&["no-such-package"]);
    world.assert_nothing_left();
    world
        .make(&["--include=hello=9.9"])
        .fails(4)
        .names(&["hello", "9.9"]);
    world
        .make(&["--include=hello/no-such-suite"])
        .fails(4)
        .names(&["hello", "no-such-suite"]);
    world.assert_nothing_left();
}

#[test]
fn packages_that_cannot_be_together() {
    let debs = [
        Deb::new("this", "1").field("Conflicts", "that"),
        Deb::new("that", "1"),
        Deb::new("above-that", "1").depends("that (>= 1)"),
        Deb::new("wants-more", "1").depends("that (>= 2)"),
        Deb::new("wants-nothing-there-is", "1").depends("no-such-thing"),
    ];
    let Some(world) = World::new(debs) else {
        return;
    };
    let rows: [(&str, &[&str]); 4] = [
        ("this,that", &["this", "that"]),
        ("this,above-that", &["this", "that", "above-that"]),
        ("wants-more", &["wants-more", "that"]),
        (
            "wants-nothing-there-is",
            &["wants-nothing-there-is", "no-such-thing"],
        ),
    ];
    for (include, things) in rows {
        let option = format!("--include={include}");
        world.make(&[&option]).fails(4).names(things);
        world.assert_nothing_left();
    }
    // What is wanted whatever follows may be on its way before that is known; nothing else is.
    let asked = world.server.paths();
    for name in [
        "this",
        "that",
        "above-that",
        "wants-more",
        "wants-nothing-there-is",
    ] {
        assert!(
            asked
                .iter()
                .all(|path| !path.contains(&format!("/{name}_"))),
            "{name}: {asked:?}"
        );
    }
}

#[test]
fn mirrors_that_do_not_serve() {
    let Some(world) = World::new([]) else { return };
    let root = world.root();
    let run = |suite: &str, url: &str| world.run([suite.as_ref(), root.as_os_str(), url.as_ref()]);
    // A port that was free a moment ago.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    run("fake", &format!("http://{closed}"))
        .fails(5)
        .names(&[&closed.to_string()]);
    world.assert_nothing_left();
    run("absent", &world.server.url())
        .fails(5)
        .names(&["absent", &world.server.url()]);
    world.assert_nothing_left();
    run("fake", &format!("{}/no/such/place", world.server.url()))
        .fails(5)
        .names(&["/no/such/place"]);
    world.assert_nothing_left();
    run("fake", "file:/no/such/mirror")
        .fails(5)
        .names(&["/no/such/mirror"]);
    world.assert_nothing_left();
    run("fake", "http://no-such-host.invalid/")
        .fails(5)
        .names(&["no-such-host.invalid"]);
    world.assert_nothing_left();
}

#[test]
fn an_architecture_that_the_archive_has_not() {
    let Some(world) = World::new([]) else { return };
    let refused = world.make(&["--arch=sparc-of-old"]);
    assert!(matches!(refused.code, Some(2 | 5)), "{refused:?}");
    refused.names(&["sparc-of-old"]);
    world.assert_nothing_left();
}

#[test]
fn an_archive_with_nothing_in_it() {
    let world = World::bare();
    world.archive.publish(&Suite::new("fake"));
    let refused = world.make(&[]);
    assert!(matches!(refused.code, Some(4 | 6)), "{refused:?}");
    world.assert_nothing_left();
}

#[test]
fn a_package_that_the_mirror_has_not() {
    let Some(world) = World::new([]) else { return };
    world.server.fault(".deb", Fault::Missing);
    world
        .make(&["--variant=essential"])
        .fails(5)
        .names(&[".deb", &world.server.url()]);
    world.assert_nothing_left();
}

#[test]
fn scripts_that_fail() {
    let failing = |script: &str| {
        let body = "echo first words; i=0; while [ $i -lt 50 ]; do echo line $i; i=$((i+1)); done; echo the reason is here >&2; exit 3";
        Deb::new("failing", "1")
            .script(script, body)
            .file("usr/share/failing", "x")
    };
    for script in ["preinst", "postinst"] {
        let Some(world) = World::new([failing(script)]) else {
            return;
        };
        world
            .make(&["--variant=essential", "--include=failing"])
            .fails(7)
            .names(&["failing", script, "the reason is here"]);
        world.assert_nothing_left();
        world
            .run([
                "--variant=essential",
                "--include=failing",
                "fake",
                "image.tar",
                &world.server.url(),
            ])
            .fails(7);
        world.assert_nothing_left();
        let piped = world
            .run([
                "--variant=essential",
                "--include=failing",
                "fake",
                "-",
                &world.server.url(),
            ])
            .fails(7);
        assert!(piped.stdout.is_empty());
        world.assert_nothing_left();
    }
}

#[test]
fn a_script_that_is_killed_or_cannot_run() {
    let killed = Deb::new("killed", "1").script("postinst", "kill -9 $$");
    let without_interpreter =
        Deb::new("odd", "1").member("postinst", 0o755, "#!/usr/bin/no-such-shell\n");
    let without_interpreter_early =
        Deb::new("odd-early", "1").member("preinst", 0o755, "#!/usr/bin/no-such-shell\n");
    let Some(world) = World::new([killed, without_interpreter, without_interpreter_early]) else {
        return;
    };
    for name in ["killed", "odd", "odd-early"] {
        let option = format!("--include={name}");
        world
            .make(&["--variant=essential", &option])
            .fails(7)
            .names(&[name]);
        world.assert_nothing_left();
    }
}

#[test]
fn an_essential_script_that_fails() {
    let broken = Deb::new("zz-essential", "1")
        .field("Essential", "yes")
        .field("Priority", "required")
        .script("postinst", "echo no luck >&2; false");
    let Some(world) = World::new([broken]) else {
        return;
    };
    world
        .make(&["--variant=essential"])
        .fails(7)
        .names(&["zz-essential", "no luck"]);
    world.assert_nothing_left();
}

#[test]
fn a_failed_tree_can_be_kept() {
    let Some(world) = World::new([Deb::new("failing", "1").script("postinst", "false")]) else {
        return;
    };
    world
        .make(&["--keep", "--variant=essential", "--include=failing"])
        .fails(7)
        .names(&[world.root().to_str().unwrap()]);
    assert!(world.root().join("usr/bin/dpkg").exists());
    world.assert_nothing_besides_target();
}

#[test]
fn scripts_reach_neither_host_nor_network() {
    let body = "kill -0 1 2>/dev/null; echo \"$$\" >/var/lib/pid\n[ ! -e /proc/self ] || cat /proc/self/mountinfo >/var/lib/mounts\n\
                sleep 1000 & exit 0";
    let Some(world) = World::new([Deb::new("curious", "1").script("postinst", body)]) else {
        return;
    };
    world
        .make(&["--variant=essential", "--include=curious"])
        .ok();
    world.assert_nothing_besides_target();
    assert!(
        world.read("var/lib/pid").trim().parse::<u32>().unwrap() < 2000,
        "{}",
        world.read("var/lib/pid")
    );
    let mounts = fs::read_to_string(world.root().join("var/lib/mounts")).unwrap_or_default();
    assert!(
        mounts
            .lines()
            .all(|line| !line.contains("/home") && !line.contains(" /boot")),
        "{mounts}"
    );
}

#[test]
fn messages_have_one_form() {
    let Some(world) = World::new([]) else { return };
    let stderr = world
        .make(&["--include=no-such-package", "-q"])
        .fails(4)
        .stderr;
    assert!(stderr.starts_with("error: "), "{stderr}");
    let mut mistyped = Command::new(world.command().get_program());
    let stderr = outcome(
        mistyped
            .current_dir(world.directory.path())
            .args(["-q", "trixe", "root"]),
    )
    .fails(2)
    .stderr;
    insta::assert_snapshot!(stderr, @"
    error: there is no suite `trixe`

    hint: did you mean trixie?
    ");
}

#[test]
fn not_root_is_said() {
    let Some(world) = World::of(&suite([])) else {
        return;
    };
    let mut command = Command::new("setpriv");
    if outcome(Command::new("setpriv").arg("--version")).code != Some(0) {
        return crate::world::skip("needs setpriv (util-linux)");
    }
    let program = world.path("program");
    fs::copy(world.command().get_program(), &program).unwrap();
    fs::set_permissions(
        world.directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .current_dir(world.directory.path())
        .env_clear();
    command
        .env("HOME", world.path("home"))
        .env("RBOOTSTRAP_CACHE_DIR", world.path("cache"));
    outcome(command.args([
        "--keyring",
        "keyring.gpg",
        "fake",
        "root",
        &world.server.url(),
    ]))
    .fails(6)
    .names(&["root"]);
    fs::remove_file(program).unwrap();
    world.assert_nothing_left();
}
