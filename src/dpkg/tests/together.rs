//! Packages that are placed together: the essential ones, and those of the variant extract.

use std::cell::RefCell;

use super::*;
use crate::dpkg::unpack::Method;
use crate::failure::with_causes;

/// Essential packages as they are: a merged /usr that a later package ships, users that only
/// base-passwd's lists have.
pub(super) fn essentials() -> Vec<Packed> {
    let masters = vec![
        file(
            "./usr/share/base-passwd/passwd.master",
            "root:*:0:0:root:/root:/bin/sh\ngames:*:50005:60::/:/x\n",
        ),
        file(
            "./usr/share/base-passwd/group.master",
            "root:*:0:\nstaff:*:50050:\n",
        ),
    ];
    let libc = vec![
        entry("./", b'5', 0o755),
        directory("./lib/"),
        file("./lib/libc", "libc"),
        entry("./var/local/", b'5', 0o2775).owner("root", "staff"),
        file("./usr/bin/game", "game")
            .owner("games", "no-such")
            .mode(0o2755),
        entry("./var/mail/", b'5', 0o700),
        file("./etc/conf", "abc"),
    ];
    let files = vec![
        symlink("./lib", "usr/lib"),
        directory("./usr/lib/"),
        entry("./var/mail/", b'5', 0o2775),
        directory("./usr/share/"),
    ];
    vec![
        Packed(
            "libc",
            "",
            vec![
                ("conffiles", "/etc/conf\n"),
                ("preinst", "#!/bin/sh\nset -e\n"),
            ],
            libc,
        ),
        Packed(
            "base-files",
            "",
            vec![("preinst", "#!/bin/sh\ndivert\n")],
            files,
        ),
        Packed(
            "base-passwd",
            "",
            vec![("preinst", "#!/bin/sh\nmake /etc/passwd\n")],
            masters,
        ),
        Packed(
            "dpkg",
            "Version: 1.22.3ubuntu1\n",
            vec![("triggers", "interest /usr/watched\n")],
            vec![file("./usr/bin/dpkg", "dpkg")],
        ),
    ]
}

#[test]
#[ignore = "needs root"]
fn essentials_are_placed_and_registered() {
    let world = World::new();
    let seen = RefCell::new(Vec::new());
    let script = |package: &str, world: &World| {
        assert!(
            world.path("var/lib/dpkg/tmp.ci/preinst").exists()
                && world.path("var/lib/dpkg/tmp.ci/control").exists()
        );
        let status = world.text("var/lib/dpkg/status").unwrap();
        let shown = status
            .lines()
            .filter(|l| l.starts_with("Package: ") || l.starts_with("Status: "))
            .collect::<Vec<_>>()
            .join(", ");
        seen.borrow_mut().push(format!("{package}: {shown}"));
        if package == "base-files" {
            world.write(
                "var/lib/dpkg/diversions",
                "/usr/bin/dpkg\n/usr/bin/dpkg.base\nbase-files\n/usr/bin/game\n\
                 /usr/bin/game.own\nlibc\n",
            );
            world.write(
                "var/lib/dpkg/statoverride",
                "#7 root 600 /usr/share/base-passwd/group.master\n",
            );
        }
    };
    world.run(&essentials(), (4, &[]), &script).unwrap();
    assert_eq!(
        seen.into_inner(),
        [
            "base-files: Package: libc, Status: install ok unpacked, Package: base-files, Status: \
             install reinstreq half-installed",
            "base-passwd: Package: libc, Status: install ok unpacked, Package: base-files, \
             Status: install ok unpacked, \
             Package: base-passwd, Status: install reinstreq half-installed",
        ]
    );
    for (path, line) in [
        ("lib", "l 0777 0:0 ->usr/lib /lib"),
        ("var/local", "d 2775 0:50050 /var/local"),
        ("var/mail", "d 2775 0:0 /var/mail"),
    ] {
        assert_eq!(world.line(path), line);
    }
    for (path, attributes, content) in [
        ("usr/lib/libc", "f 0644 0:0 ", "libc"),
        ("etc/conf", "f 0644 0:0 ", "abc"),
        ("usr/bin/game", "f 2755 50005:1234 ", "game"),
        ("usr/bin/dpkg", "f 0644 0:0 ", "dpkg"),
        ("usr/bin/dpkg.base", "f 0644 0:0 ", "dpkg"),
        ("var/lib/dpkg/lock", "f 0640 0:0 ", ""),
        ("var/lib/dpkg/triggers/Lock", "f 0600 0:0 ", ""),
        (
            "var/lib/dpkg/triggers/File",
            "f 0644 0:0 ",
            "/usr/watched dpkg\n",
        ),
        ("var/lib/dpkg/info/format", "f 0644 0:0 ", "1\n"),
    ] {
        let line = world.line(path);
        assert!(
            line.starts_with(attributes) && !line.contains("links="),
            "{line}"
        );
        assert_eq!(world.text(path).unwrap(), content, "{path}");
        assert_eq!(world.is_shipped(path), !path.starts_with("var"), "{path}");
    }
    // dpkg has read the statoverrides when it was called, before any preinst.
    let line = world.line("usr/share/base-passwd/group.master");
    assert!(line.starts_with("f 0644 0:0 "), "{line}");
    assert!(!world.path("var/lib/dpkg/tmp.ci").exists() && !world.path(STAGING).exists());
    assert!(
        world
            .stanza("libc")
            .ends_with("Conffiles:\n /etc/conf 900150983cd24fb0d6963f7d28e17f72")
    );
    assert_eq!(
        world.list("base-files"),
        "/usr/lib\n/var/mail\n/usr/share\n/lib\n"
    );
}

#[test]
#[ignore = "needs root"]
fn extracting_leaves_no_trace_in_the_database() {
    let world = World::new();
    let packages = essentials();
    let (staging, staged) = world.stage(&packages).unwrap();
    let report = Report::silent();
    let unpacking = Unpacking {
        root: &world.root,
        staging: &staged,
        report: &report,
        interrupt: &Interrupt::default(),
        merges_usr: false,
        placed: None,
    };
    let state = State::read(&world.root).unwrap();
    extract(unpacking, &keys(&packages), Method::Extract, &state).unwrap();
    staging.finish().unwrap();
    let text = |path| world.text(path).unwrap();
    assert_eq!(
        (
            text("usr/lib/libc").as_str(),
            text("etc/conf").as_str(),
            text("var/lib/dpkg/status").as_str()
        ),
        ("libc", "abc", "")
    );
    assert_eq!(
        world
            .root
            .names(&RootPath::known("var/lib/dpkg/info"))
            .unwrap()
            .len(),
        0
    );
}

#[test]
#[ignore = "needs root"]
fn a_list_of_users_that_is_too_large_is_refused() {
    let world = World::new();
    let list = "#".repeat((1 << 20) + 1);
    let packages = [Packed(
        "base-passwd",
        "",
        Vec::new(),
        vec![file("./usr/share/base-passwd/passwd.master", list)],
    )];
    let error = world.run(&packages, (1, &[]), &|_, _| {}).unwrap_err();
    let shown = with_causes(&error);
    assert!(shown.contains("base-passwd"), "{shown}");
    assert!(shown.contains("file too large"), "{shown}");
}
