//! Devices, owners, modes, times and types that no package has.

use rbootstrap::testing::TarEntry;
use rbootstrap::testing::tar::{device, directory, entry, fifo, file};

use super::case::{Case, accepted, refused};
use super::harness::{Canary, run};

fn block(major: u32, minor: u32) -> TarEntry {
    TarEntry {
        device: (major, minor),
        ..entry("./node", b'4', 0o660)
    }
}

fn devices() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, major, minor) in [
        ("loop-disk", 7, 0),
        ("scsi-disk", 8, 0),
        ("virtio-disk", 254, 0),
        ("nvme-disk", 259, 0),
        ("block-null", 1, 3),
    ] {
        let case = refused(name, "/node is a block device");
        cases.push(case.entries(&[block(major, minor)]));
    }
    for (name, major, minor) in [
        ("memory", 1, 1),
        ("kernel-memory", 1, 2),
        ("ports", 1, 4),
        ("kernel-log", 1, 11),
        ("serial-line", 4, 64),
        ("first-console", 4, 0),
        ("watchdog", 10, 130),
        ("tunnel", 10, 200),
        ("fuse", 10, 229),
        ("loop-control", 10, 237),
        ("kvm", 10, 232),
        ("no-device", 0, 0),
        ("device-of-large-numbers", 0o7_777_777, 0o7_777_777),
    ] {
        let case = refused(name, "/node is a character device");
        cases.push(case.entries(&[device("./node", major, minor)]));
    }
    let plain = [
        (1, 3),
        (1, 5),
        (1, 7),
        (1, 8),
        (1, 9),
        (5, 0),
        (5, 1),
        (5, 2),
    ];
    let mut nodes = vec![directory("./dev/")];
    for (number, (major, minor)) in plain.into_iter().enumerate() {
        nodes.push(device(format!("./dev/n{number}"), major, minor));
    }
    cases.push(accepted("devices-of-every-tree").entries(&nodes));
    cases.push(accepted("pipe").entries(&[fifo("./pipe", 0o600)]));
    cases
}

fn owners_and_times() -> Vec<Case> {
    let ids = |user, group| file("./a", "x").ids(user, group);
    vec![
        accepted("highest-owner").entries(&[ids(4_294_967_294, 4_294_967_294)]),
        accepted("owner-of-32-bits").entries(&[ids(4_294_967_295, 0)]),
        accepted("group-of-32-bits").entries(&[ids(0, 4_294_967_295)]),
        refused("owner-beyond-32-bits", "no valid owner").entries(&[ids(1 << 32, 0)]),
        refused("owner-of-64-bits", "no valid owner").entries(&[ids(u64::MAX, 0)]),
        accepted("unknown-names").entries(&[file("./a", "x").owner("../root", "\x1b[2J")]),
        accepted("setuid").entries(&[file("./a", "x").mode(0o6777).ids(0, 0)]),
        accepted("modes-beyond-permissions").entries(&[file("./a", "x").mode(0o7_777_777)]),
        accepted("no-mode").entries(&[directory("./d/").mode(0), file("./d/a", "x").mode(0)]),
        accepted("time-of-the-far-future").entries(&[file("./a", "x").modified(1 << 40)]),
        accepted("time-beyond-every-clock").entries(&[file("./a", "x").modified(1 << 62)]),
        refused("time-of-64-bits", "no valid time").entries(&[file("./a", "x").modified(u64::MAX)]),
        accepted("time-zero").entries(&[file("./a", "x").modified(0)]),
    ]
}

fn types() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, flag) in [
        ("sparse-file", b'S'),
        ("dumped-directory", b'D'),
        ("continued-file", b'M'),
        ("renamed-files", b'N'),
        ("volume-label", b'V'),
        ("solaris-attributes", b'X'),
        ("access-list", b'A'),
        ("contiguous-file", b'7'),
        ("type-of-a-letter", b'z'),
        ("type-of-a-control-character", 0x1b),
        ("type-of-no-encoding", 0xff),
    ] {
        let case = refused(name, "cannot be unpacked");
        cases.push(case.entries(&[entry("./a", flag, 0o644)]));
    }
    cases.push(accepted("file-of-v7").entries(&[entry("./a", 0, 0o644)]));
    cases
}

#[test]
#[ignore = "needs root"]
fn devices_owners_and_types() {
    let canary = Canary::new();
    let mut cases = devices();
    cases.extend(owners_and_times());
    cases.extend(types());
    run("nodes", &["--variant=extract"], &canary, &cases);
}
