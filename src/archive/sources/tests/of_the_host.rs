//! The mirrors that the host's own apt uses.

use super::super::host::{HostMirrors, host_mirrors};
use super::super::*;

/// A system with these sources.
fn host(id: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("etc/apt/sources.list.d")).unwrap();
    fs::write(
        root.path().join("etc/os-release"),
        format!("NAME=\"X\"\nID={id}\n"),
    )
    .unwrap();
    for (name, text) in files {
        fs::write(root.path().join("etc/apt").join(name), text).unwrap();
    }
    root
}

#[test]
fn mirrors_of_the_host_are_found() {
    let suites = ["trixie", "stable", "bookworm", "buster"];
    let mirrors =
        |id: &str, files: &[(&str, &str)]| host_mirrors(host(id, files).path(), "debian", &suites);
    let deb822 = "Types: deb\nURIs: http://near/debian/\nSuites: trixie trixie-updates\n\
                  Components: main\n\
                  Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
                  Types: deb\nURIs: http://near/debian-security\nSuites: trixie-security\n\
                  Components: main\n";
    let near = HostMirrors {
        main: vec!["http://near/debian".into()],
        security: vec!["http://near/debian-security".into()],
    };
    assert_eq!(
        mirrors("debian", &[("sources.list.d/debian.sources", deb822)]),
        near
    );
    assert_eq!(
        mirrors("\"debian\"", &[("sources.list.d/debian.sources", deb822)]),
        near
    );
    assert_eq!(
        mirrors("ubuntu", &[("sources.list.d/debian.sources", deb822)]),
        HostMirrors::default()
    );
    assert_eq!(
        host_mirrors(Path::new("/nowhere"), "debian", &suites),
        HostMirrors::default()
    );

    let old = "deb http://a/debian bookworm main\n\
               deb http://a/debian-security buster/updates main\ndeb http://b/debian stable main\n";
    let found = mirrors("debian", &[("sources.list", old)]);
    assert_eq!(
        (found.main.concat(), found.security.concat()),
        (
            "http://a/debianhttp://b/debian".into(),
            "http://a/debian-security".into()
        )
    );
}

/// A host that was installed from a disc has such a line.
#[test]
fn a_disc_among_the_hosts_sources_is_passed_over() {
    let list = "deb cdrom:[Debian GNU/Linux 13 _Trixie_ - amd64 DVD]/ trixie main\n\
                deb http://m/debian trixie main\n";
    let found = host_mirrors(
        host("debian", &[("sources.list", list)]).path(),
        "debian",
        &["trixie"],
    );
    assert_eq!(found.main, ["http://m/debian"]);
}

#[test]
fn third_party_archives_are_not_mirrors() {
    let suites = ["trixie"];
    let others = "deb http://vendor/debian/13/prod trixie main\n\
                  deb [signed-by=/etc/apt/vendor.gpg] http://vendor/debian trixie main\n\
                  deb http://vendor/linux/debian trixie stable\n\
                  deb [trusted=yes] http://vendor/debian trixie main\n\
                  deb [check-valid-until=no] http://snapshot/debian trixie main\n\
                  deb http://m/debian trixie-backports main\n\
                  deb http://m/debian-llvm llvm-trixie main\n";
    let found = host_mirrors(
        host("debian", &[("sources.list", others)]).path(),
        "debian",
        &suites,
    );
    assert_eq!(found, HostMirrors::default());
    // Files that cannot be read are skipped.
    let files = [
        ("sources.list", "nonsense"),
        ("sources.list.d/z.list", "deb http://m/debian trixie main"),
    ];
    assert_eq!(
        host_mirrors(host("debian", &files).path(), "debian", &suites).main,
        ["http://m/debian"]
    );
}

#[test]
fn the_mirror_of_the_host_comes_first() {
    let mirrors = HostMirrors {
        main: vec!["http://near/debian".into()],
        security: Vec::new(),
    };
    let suites = crate::formats::suite::Suites::load(&[]).unwrap();
    let mut pockets = suites.find("trixie").unwrap().pockets_for("amd64");
    let taken: Vec<_> = pockets
        .iter_mut()
        .map(|pocket| mirrors.prefer(pocket))
        .collect();
    assert_eq!(
        taken,
        [
            Some("http://near/debian".into()),
            Some("http://near/debian".into()),
            None
        ]
    );
    assert_eq!(
        pockets[0].uris,
        ["http://near/debian", "http://ftp.debian.org/debian"]
    );
    assert_eq!(
        pockets[2].uris,
        ["http://security.debian.org/debian-security"]
    );
}
