//! The whole flow as users know it: a suite becomes a directory, or an answer.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::world::archive::Suite;
use crate::world::deb::Deb;
use crate::world::{World, host_architecture, outcome, suite, tree};

/// What the base distribution's essential set is.
const ESSENTIAL: [&str; 8] = [
    "base-files",
    "base-passwd",
    "coreutils",
    "dash",
    "dpkg",
    "libc-bin",
    "libc6",
    "mawk",
];

/// The names that dpkg has as `state`, without architectures.
fn names(world: &World, state: &str) -> Vec<String> {
    let installed = world.installed();
    for line in &installed {
        assert!(line.ends_with(state), "{line}");
    }
    installed
        .iter()
        .map(|line| line.split([' ', ':']).next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_variant_has_its_packages() {
    let on_top = |more: &[&str]| {
        let mut names: Vec<String> = ESSENTIAL
            .iter()
            .chain(more)
            .map(|name| (*name).to_owned())
            .collect();
        names.sort();
        names
    };
    let rows: [(&str, &[&str]); 9] = [
        ("essential", &[]),
        ("apt", &["apt"]),
        ("minbase", &["apt"]),
        ("required", &["apt"]),
        ("buildd", &["apt", "build-essential"]),
        ("important", &["apt", "netbase"]),
        ("debootstrap", &["apt", "netbase"]),
        ("-", &["apt", "netbase"]),
        ("standard", &["apt", "manual-pages", "netbase"]),
    ];
    for (variant, more) in rows {
        let Some(world) = World::new([]) else { return };
        world.make(&["--variant", variant]).ok();
        assert_eq!(
            names(&world, "install ok installed"),
            on_top(more),
            "{variant}"
        );
    }
}

#[test]
fn important_is_the_default() {
    let Some(world) = World::new([]) else { return };
    world.make(&[]).ok();
    assert!(names(&world, "install ok installed").contains(&"netbase".to_owned()));
}

#[test]
fn custom_is_what_is_included() {
    let Some(world) = World::new([]) else { return };
    world
        .make(&[
            "--variant=custom",
            "--include=dpkg,dash,coreutils,libc-bin,base-files,base-passwd",
            "--include",
            "hello",
        ])
        .ok();
    assert!(names(&world, "install ok installed").contains(&"hello".to_owned()));
}

#[test]
fn extract_unpacks_and_runs_nothing() {
    let ghost = Deb::new("ghost", "1")
        .file("usr/share/ghost/boo", "boo\n")
        .script("preinst", "touch /ran")
        .script("postinst", "touch /ran");
    let Some(world) = World::new([ghost]) else {
        return;
    };
    world
        .make(&["--variant=extract", "--include=base-files,ghost"])
        .ok();
    assert_eq!(world.read("usr/share/ghost/boo"), "boo\n");
    assert!(!world.root().join("ran").exists());
    assert!(world.read("usr/lib/os-release").contains("ID=fake"));
}

#[test]
fn a_tree_can_be_used() {
    let Some(world) = World::new([]) else { return };
    world.make(&["--include=hello"]).ok();
    assert_eq!(
        outcome(
            Command::new("chroot")
                .arg(world.root())
                .arg("hello")
                .env("PATH", "/usr/sbin:/usr/bin")
        )
        .ok()
        .text(),
        "hello\n"
    );
    let audit = outcome(
        Command::new("dpkg")
            .arg("--root")
            .arg(world.root())
            .arg("--audit"),
    )
    .ok();
    assert_eq!(audit.text(), "");
    assert!(
        world.line("tmp").starts_with("d 1777 0:0"),
        "{}",
        world.line("tmp")
    );
    let root = fs::metadata(world.root()).unwrap();
    assert_eq!(
        (root.mode() & 0o7777, root.uid(), root.gid()),
        (0o755, 0, 0)
    );
    assert!(!world.root().join("usr/sbin/policy-rc.d").exists());
    world.assert_nothing_besides_target();
}

#[test]
fn an_excluded_package_stays_out() {
    let Some(world) = World::new([]) else { return };
    world.make(&["--exclude=netbase"]).ok();
    assert!(!names(&world, "install ok installed").contains(&"netbase".to_owned()));
}

#[test]
fn an_excluded_need_is_a_contradiction() {
    let Some(world) = World::new([]) else { return };
    world
        .make(&["--include=hello", "--exclude=libhello1"])
        .fails(4)
        .names(&["hello", "libhello1"]);
    world.assert_nothing_left();
}

#[test]
fn versions_suites_and_absences_are_understood() {
    let newer = Deb::new("libhello1", "2.12-1")
        .architecture(host_architecture())
        .field("Multi-Arch", "same");
    let Some(world) = World::new([newer]) else {
        return;
    };
    world
        .make(&["--variant=essential", "--include=hello,libhello1=2.10-1"])
        .ok();
    assert!(
        world
            .installed()
            .iter()
            .any(|line| line.contains("libhello1") && line.contains(" 2.10-1 ")),
        "{:?}",
        world.installed()
    );

    let either = Deb::new("either", "1").depends("one | other");
    let Some(world) = World::new([either, Deb::new("one", "1"), Deb::new("other", "1")]) else {
        return;
    };
    world
        .make(&["--variant=essential", "--include=either,one-"])
        .ok();
    let names = names(&world, "install ok installed");
    assert!(
        names.contains(&"other".to_owned()) && !names.contains(&"one".to_owned()),
        "{names:?}"
    );
}

#[test]
fn the_highest_version_wins() {
    let debs = ["2.12-1", "2.9-1", "1:1.0", "2.10~rc1"]
        .map(|version| Deb::new("many", version).file("usr/share/many/version", version));
    let Some(world) = World::new(debs) else {
        return;
    };
    world.make(&["--variant=essential", "--include=many"]).ok();
    assert_eq!(world.read("usr/share/many/version"), "1:1.0");
}

#[test]
fn print_debs_prints_the_plan_and_nothing_else() {
    let Some(world) = World::new([]) else { return };
    let printed = world
        .make(&["--variant=essential", "--include=hello", "--print-debs"])
        .ok();
    let mut lines: Vec<String> = printed.text().lines().map(str::to_owned).collect();
    lines.sort();
    let here = host_architecture();
    let expected = [
        ("base-files", "13"),
        ("base-passwd", "3.6"),
        ("coreutils", "9.1"),
        ("dash", "0.5.12"),
        ("dpkg", "1.21.22"),
        ("hello", "2.10-1"),
        ("libc-bin", "2.36"),
        ("libc6", "2.36"),
        ("libhello1", "2.10-1"),
        ("mawk", "1.3.4"),
    ];
    assert_eq!(
        lines,
        expected.map(|(name, version)| format!("{name}={version}:{here}"))
    );
    assert!(
        world
            .server
            .paths()
            .iter()
            .all(|path| !path.ends_with(".deb")),
        "{:?}",
        world.server.paths()
    );
    world.assert_nothing_left();
}

#[test]
fn simulate_shows_the_plan_to_a_person() {
    let Some(world) = World::new([]) else { return };
    for option in ["--simulate", "--dry-run"] {
        let shown = world
            .make(&["--include=hello", option])
            .ok()
            .names(&["libhello1", "2.10-1"]);
        assert!(shown.stdout.is_empty());
    }
    assert!(
        world
            .server
            .paths()
            .iter()
            .all(|path| !path.ends_with(".deb"))
    );
    world.assert_nothing_left();
}

#[test]
fn download_only_fills_the_cache() {
    let Some(world) = World::new([]) else { return };
    world.make(&["--download-only"]).ok();
    world.assert_nothing_left();
    let fetched = world
        .server
        .paths()
        .iter()
        .filter(|path| path.ends_with(".deb"))
        .count();
    assert_eq!(fetched, ESSENTIAL.len() + 2);
    world.server.forget();
    world.make(&[]).ok();
    assert!(
        world
            .server
            .paths()
            .iter()
            .all(|path| !path.ends_with(".deb")),
        "{:?}",
        world.server.paths()
    );
}

#[test]
fn a_second_run_fetches_no_package_and_gives_the_same_bytes() {
    let Some(world) = World::new([]) else { return };
    let url = world.server.url();
    let first = world
        .run(["--include=hello", "fake", "-", &url])
        .ok()
        .stdout;
    let mut debs: Vec<String> = world
        .server
        .paths()
        .into_iter()
        .filter(|path| path.ends_with(".deb"))
        .collect();
    let fetched = debs.len();
    debs.sort();
    debs.dedup();
    assert_eq!(debs.len(), fetched, "a package was fetched twice");
    world.server.forget();
    let second = world
        .run(["--include=hello", "fake", "-", &url])
        .ok()
        .stdout;
    assert!(
        world
            .server
            .paths()
            .iter()
            .all(|path| !path.ends_with(".deb")),
        "{:?}",
        world.server.paths()
    );
    assert!(
        first == second,
        "{} and {} bytes",
        first.len(),
        second.len()
    );
}

#[test]
fn what_is_decoded_in_the_cache_gives_the_same_bytes_and_is_not_trusted_for_it() {
    let Some(world) = World::new([]) else { return };
    let url = world.server.url();
    let make = |options: &[&str]| {
        world.server.forget();
        world
            .run([&["--include=hello"], options, &["fake", "-", &url]].concat())
            .ok()
            .stdout
    };
    let derived = || {
        let mut found = Vec::new();
        tree::walk(&world.path("cache/derived"), &mut |path, metadata| {
            found.extend(metadata.is_file().then(|| path.to_owned()))
        });
        found
    };
    let slow = make(&["--no-cache", "--jobs=1"]);
    assert!(make(&[]) == slow);
    assert!(
        derived().len() > ESSENTIAL.len(),
        "packages, the index and the plan: {:?}",
        derived()
    );
    assert!(make(&[]) == slow);
    assert!(
        world
            .server
            .paths()
            .iter()
            .all(|path| path.ends_with("/InRelease")),
        "{:?}",
        world.server.paths()
    );
    // Damaged ones are made anew, from downloads that are still there.
    for file in derived() {
        let mut content = fs::read(&file).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        fs::write(&file, content).unwrap();
    }
    assert!(make(&[]) == slow);
    // Those of another host, whose key this one has not, count for nothing either.
    fs::remove_dir_all(world.path("state")).unwrap();
    assert!(make(&[]) == slow);
    assert!(
        world
            .server
            .paths()
            .iter()
            .all(|path| !path.ends_with(".deb")),
        "{:?}",
        world.server.paths()
    );
}

#[test]
fn a_plan_is_found_again_without_an_index_while_the_archive_stays_as_it_is() {
    let world = World::bare();
    let shape = |version: &str| suite([Deb::new("one", version).field("Essential", "yes")]);
    world.archive.publish(&shape("1"));
    let plan = |options: &[&str]| {
        world.server.forget();
        world
            .make(&[&["--variant=essential", "--print-debs"], options].concat())
            .ok()
            .text()
    };
    let first = plan(&[]);
    fs::remove_dir_all(world.path("cache/SHA256")).unwrap();
    fs::remove_dir_all(world.path("cache/derived/index")).unwrap();
    assert_eq!(plan(&[]), first);
    assert!(
        world
            .server
            .paths()
            .iter()
            .all(|path| path.ends_with("/InRelease")),
        "{:?}",
        world.server.paths()
    );
    // Asked for something else, the archive is read anew; when the archive changes, too.
    assert_eq!(plan(&["--exclude=two"]), first);
    assert!(
        world
            .server
            .paths()
            .iter()
            .any(|path| path.contains("Packages") || path.contains("by-hash")),
        "{:?}",
        world.server.paths()
    );
    world.archive.publish(&shape("2"));
    assert_eq!(plan(&[]), first.replace("=1:", "=2:"));
    assert_eq!(plan(&[]), first.replace("=1:", "=2:"));
}

#[test]
fn the_cache_keeps_within_its_bound() {
    let Some(world) = World::new([]) else { return };
    world
        .make(&["--cache-max-size=1K", "-v"])
        .ok()
        .names(&["the cache has", "were freed"]);
    let mut left = 0;
    tree::walk(&world.path("cache"), &mut |_, metadata| {
        left += if metadata.is_file() {
            metadata.len()
        } else {
            0
        }
    });
    assert!(left <= 1024, "{left} bytes");
    world
        .run(["--cache-max-size=many", "fake", "x"])
        .fails(2)
        .names(&["many", "not a size"]);
}

#[test]
fn without_a_cache_nothing_is_kept() {
    let Some(world) = World::new([]) else { return };
    // The command line outweighs the environment, where the world names a cache.
    world.make(&["--variant=essential", "--no-cache"]).ok();
    assert!(!world.path("cache").exists());
    world.assert_nothing_besides_target();
}

#[test]
fn the_host_leaves_no_trace() {
    let Some(world) = World::new([]) else { return };
    world.make(&["--include=hello"]).ok();
    for path in [
        "etc/resolv.conf",
        "etc/hostname",
        "var/log/dpkg.log",
        "var/lib/dpkg/status-old",
        "var/cache/ldconfig/aux-cache",
        "var/lib/dpkg/tmp.ci",
    ] {
        assert!(!world.root().join(path).exists(), "{path}");
    }
    let strange: Vec<String> = world
        .tree()
        .into_iter()
        .filter(|line| {
            line.contains(".dpkg-") || line.contains("rbootstrap") || line.contains("staging")
        })
        .collect();
    assert_eq!(strange, Vec::<String>::new());
    assert_eq!(
        crate::world::names(&world.root().join("tmp")),
        Vec::<String>::new()
    );
}

#[test]
fn suites_are_listed() {
    let world = World::bare();
    let mut suites = Command::new(world.command().get_program());
    let listed = outcome(suites.arg("suites")).ok();
    for name in ["trixie", "bookworm", "sid", "noble", "jammy", "stable"] {
        assert!(listed.text().contains(name), "{name}: {}", listed.text());
    }
}

#[test]
fn the_environment_speaks_for_options() {
    let Some(world) = World::new([]) else { return };
    let mut command = Command::new(world.command().get_program());
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir(world.directory.path());
    let settings = BTreeMap::from([
        ("RBOOTSTRAP_MIRROR", world.server.url()),
        (
            "RBOOTSTRAP_KEYRING",
            world.path("keyring.gpg").display().to_string(),
        ),
        (
            "RBOOTSTRAP_CACHE_DIR",
            world.path("elsewhere").display().to_string(),
        ),
        ("RBOOTSTRAP_VARIANT", "essential".to_owned()),
        ("RBOOTSTRAP_INCLUDE", "hello".to_owned()),
        ("RBOOTSTRAP_JOBS", "2".to_owned()),
        ("TMPDIR", world.path("tmp").display().to_string()),
    ]);
    outcome(command.envs(settings).args(["fake", "root"])).ok();
    assert!(names(&world, "install ok installed").contains(&"hello".to_owned()));
    assert!(world.path("elsewhere").is_dir());
}

#[test]
fn progress_and_logs_go_where_they_should() {
    let Some(world) = World::new([]) else { return };
    let log = world.path("run.log");
    let made = world
        .make(&["--progress=json", "--log", log.to_str().unwrap()])
        .ok();
    assert!(made.stdout.is_empty());
    for line in made.stderr.lines().filter(|line| line.starts_with('{')) {
        assert!(line.ends_with('}'), "{line}");
    }
    assert!(
        made.stderr
            .lines()
            .filter(|line| line.starts_with('{'))
            .count()
            > 10,
        "{}",
        made.stderr
    );
    assert!(fs::metadata(log).unwrap().len() > 0);
    fs::remove_dir_all(world.root()).unwrap();
    let quiet = world.make(&["-q"]).ok();
    assert_eq!(quiet.stderr, "");
}

#[test]
fn a_foreign_architecture_comes_beside() {
    let foreign = if host_architecture() == "amd64" {
        "i386"
    } else {
        "amd64"
    };
    let shared = Deb::new("libhello1", "2.10-1")
        .architecture(foreign)
        .field("Multi-Arch", "same")
        .file("usr/share/doc/libhello1/copyright", "free\n");
    let mut shape: Suite = suite([shared]);
    shape.architectures.push(foreign.to_owned());
    let Some(world) = World::of(&shape) else {
        return;
    };
    let both = format!("{},{foreign}", host_architecture());
    world
        .make(&[
            "--arch",
            &both,
            "--variant=essential",
            &format!("--include=hello,libhello1:{foreign}"),
        ])
        .ok();
    assert_eq!(
        world.read("var/lib/dpkg/arch"),
        format!("{}\n{foreign}\n", host_architecture())
    );
    let installed = world.installed();
    assert!(
        installed
            .iter()
            .any(|line| line.starts_with(&format!("libhello1:{foreign} "))),
        "{installed:?}"
    );
}
