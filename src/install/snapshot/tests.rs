//! Lists that a snapshot cannot have, and keys of different hosts.

use crate::dpkg::StagedOrigin;
use crate::dpkg::staging::StagedContent;
use crate::formats::version::Version;

use super::*;

/// The bytes of content that the snapshots have.
const CONTENT: u64 = 10;

fn entry(path: &str, kind: SavedKind) -> SavedEntry {
    SavedEntry {
        path: RootPath::parse(path).unwrap(),
        kind,
        uid: 0,
        gid: 0,
        mode: 0o755,
        modified: SavedTime::whole(1),
        attributes: Vec::new(),
    }
}

fn directory(path: &str) -> SavedEntry {
    entry(path, SavedKind::Directory)
}

fn stored(path: &str, at: u64, size: u64) -> SavedEntry {
    entry(path, SavedKind::Stored { at, size })
}

fn placed(path: &str, package: u32) -> SavedEntry {
    let content = StagedContent {
        number: 1,
        at: 0,
        size: 1,
    };
    let origin = StagedOrigin { package, content };
    entry(path, SavedKind::Placed(origin))
}

fn link(path: &str, to: usize) -> SavedEntry {
    entry(path, SavedKind::Link { to })
}

/// A snapshot with one package, `a:amd64=1`.
pub(super) fn snapshot(entries: Vec<SavedEntry>, stand_in: &str) -> Snapshot {
    let version = Version::parse("1").unwrap();
    Snapshot {
        content: ContentFile::empty(),
        header: SnapshotHeader {
            packages: vec![PackageKey::new("a", "amd64", &version)],
            script_epoch: None,
            stand_ins: Some(vec![SavedStandIn {
                path: RootPath::parse(stand_in).unwrap(),
                has_original: false,
            }]),
            newest: 0,
            made_from: 0,
            made_until: 1,
        },
        entries,
    }
}

#[test]
fn a_list_that_names_what_is_not_there_is_malformed() {
    let root = || directory("");
    let late = SavedEntry {
        modified: SavedTime {
            nanoseconds: 1_000_000_000,
            ..SavedTime::whole(1)
        },
        ..directory("a")
    };
    let good = vec![
        root(),
        directory("d"),
        stored("d/f", 4, 6),
        placed("d/p", 0),
        link("d/l", 3),
    ];
    let policy = "usr/sbin/policy-rc.d";
    let table = [
        ("good", good.clone(), policy, true),
        ("an unknown stand-in", good, "etc/passwd", false),
        ("nothing", Vec::new(), policy, false),
        ("no root", vec![directory("d")], policy, false),
        (
            "a root that is a file",
            vec![stored("", 0, 1)],
            policy,
            false,
        ),
        ("two roots", vec![root(), root()], policy, false),
        (
            "no directory above",
            vec![root(), stored("d/f", 0, 1)],
            policy,
            false,
        ),
        (
            "a file above",
            vec![root(), placed("d", 0), directory("d/e")],
            policy,
            false,
        ),
        (
            "twice",
            vec![root(), directory("d"), placed("d", 0)],
            policy,
            false,
        ),
        (
            "too much content",
            vec![root(), stored("f", 4, 7)],
            policy,
            false,
        ),
        (
            "endless content",
            vec![root(), stored("f", 4, u64::MAX)],
            policy,
            false,
        ),
        (
            "an unknown package",
            vec![root(), placed("p", 1)],
            policy,
            false,
        ),
        (
            "a link to itself",
            vec![root(), link("l", 1)],
            policy,
            false,
        ),
        (
            "a link to nothing",
            vec![root(), link("l", 9)],
            policy,
            false,
        ),
        (
            "a link to a directory",
            vec![root(), link("l", 0)],
            policy,
            false,
        ),
        (
            "a link to a link",
            vec![root(), placed("p", 0), link("l", 1), link("m", 2)],
            policy,
            false,
        ),
        ("too many nanoseconds", vec![root(), late], policy, false),
    ];
    for (name, entries, stand_in, expected) in table {
        let found = snapshot(entries, stand_in).is_consistent(CONTENT);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn hosts_that_differ_have_keys_that_differ() {
    let usual = SnapshotHost::usual("0 0 4294967295");
    let mut hosts = vec![("usual", usual.clone())];
    let mut other = usual.clone();
    other.id_maps = "0 1000 1 1 100000 65536".to_owned();
    hosts.push(("ids", other));
    let mut other = usual.clone();
    other.kernel.push('x');
    hosts.push(("kernel", other));
    let mut other = usual.clone();
    other.has_devices = false;
    hosts.push(("devices", other));
    let mut other = usual;
    other.attributes.pop();
    hosts.push(("attributes", other));
    let step = StepKey::for_tests("step");
    let mut keys: HashMap<String, &str> = HashMap::new();
    for (name, host) in &hosts {
        let key = snapshot_key(&step, host).hexadecimal();
        assert_eq!(keys.insert(key, name), None, "{name}");
    }
}
