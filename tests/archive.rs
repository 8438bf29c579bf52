//! The fake archive itself, held against the tools that real archives are held against: apt, dpkg-deb, gpgv.

use std::fs;
use std::process::Command;

use crate::world::archive::{DATE, Suite};
use crate::world::reference::{self, Call};
use crate::world::{World, host_architecture, outcome};

/// What apt-get says of the archive with everything of its own below the test's directory.
fn apt(world: &World, arguments: &[&str]) -> crate::world::Outcome {
    let root = world.path("apt");
    for directory in
        ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg"]
    {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    let keyring = world.path("keyring.gpg");
    let source = format!("deb [signed-by={}] {} fake main\n", keyring.display(), world.server.url());
    fs::write(root.join("etc/apt/sources.list"), source).unwrap();
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let mut command = Command::new("apt-get");
    command
        .arg("-o")
        .arg(format!("Dir={}", root.display()))
        .arg("-o")
        .arg(format!("Dir::State::status={}/var/lib/dpkg/status", root.display()));
    command.args(["-o", "APT::Sandbox::User=root", "-o", "Dir::Etc::TrustedParts=/nonexistent", "-o", "Acquire::http::Proxy=false"]);
    command.arg("-o").arg(format!("APT::Architecture={}", host_architecture()));
    outcome(command.args(arguments))
}

#[test]
fn apt_takes_it() {
    for suite in
        [crate::world::suite([]), Suite { inline: false, ..crate::world::suite([]) }, Suite { all_apart: true, ..crate::world::suite([]) }]
    {
        let Some(world) = World::of(&suite) else { return };
        let update = apt(&world, &["update", "--error-on=any"]).ok();
        assert!(!update.stderr.contains("W:"), "{}", update.stderr);
        let plan = apt(&world, &["install", "-s", "hello", "apt"]).ok().text();
        for name in ["hello", "libhello1", "libc6", "apt"] {
            assert!(plan.contains(&format!("Inst {name} ")), "{name}: {plan}");
        }
    }
}

#[test]
fn dpkg_deb_takes_its_packages() {
    let Some(world) = World::new([]) else { return };
    for deb in crate::world::base::base() {
        let path = world.archive.root.join(format!("pool/main/{}/{}/{}", &deb.name[..1], deb.name, deb.file_name()));
        let listed = outcome(Command::new("dpkg-deb").arg("--contents").arg(&path)).ok();
        assert!(listed.text().contains("./"), "{}", deb.name);
        outcome(Command::new("dpkg-deb").arg("--info").arg(&path)).ok();
    }
}

#[test]
fn dpkg_can_configure_it() {
    let Some(world) = World::new([]) else { return };
    let find = |name: &str| crate::world::base::base().into_iter().find(|deb| deb.name == name).unwrap();
    let (hello, library) = (find("hello"), find("libhello1"));
    reference::tree(&world.root(), DATE, &[Call::Unpack(&[&library, &hello])]);
    let installed = world.installed();
    assert!(installed.iter().all(|line| line.ends_with(" install ok installed")), "{installed:#?}");
    assert_eq!(installed.len(), 10, "{installed:#?}");
    assert_eq!(outcome(Command::new("chroot").arg(world.root()).arg("/usr/bin/hello")).ok().text(), "hello\n");
    assert_eq!(world.line("bin"), "l 0777 0:0 ->usr/bin /bin");
    assert_eq!(world.line("etc/alternatives/awk"), "l 0777 0:0 ->/usr/bin/mawk /etc/alternatives/awk");
}
