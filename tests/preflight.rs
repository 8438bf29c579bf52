//! What will not work is said before any package is downloaded, with its cause and a remedy.

use std::fs;
use std::path::Path;

use rbootstrap::testing::{DebBuilder, FakeSuite, host_architecture};
use rustix::mount::MountFlags;

use crate::context::mounted::Mounted;
use crate::context::{TestContext, outcome, suite};

/// A run that cannot succeed.
struct Case {
    name: &'static str,
    /// Prepares the directory `place` of the test and returns what is to be undone afterwards.
    prepare: fn(&TestContext) -> Option<Mounted>,
    options: &'static [&'static str],
    target: &'static str,
    code: i32,
    /// Parts of the message.
    words: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "noexec",
        prepare: |context| Some(tmpfs(context, "size=300m", MountFlags::NOEXEC)),
        options: &[],
        target: "place/root",
        code: 6,
        words: &["place/root", "noexec", "remount,exec", "--tmpfs /tmp:exec"],
    },
    Case {
        name: "read-only",
        prepare: |context| Some(tmpfs(context, "size=300m", MountFlags::RDONLY)),
        options: &[],
        target: "place/root",
        code: 6,
        words: &["place/root", "Read-only", "hint:"],
    },
    Case {
        name: "read-only, existing",
        prepare: |context| {
            let directory = context.path("archive-new");
            fs::create_dir(&directory).unwrap();
            let flags = MountFlags::RDONLY;
            Some(Mounted::bind(&context.path("place"), &directory, flags))
        },
        options: &[],
        target: "place",
        code: 6,
        words: &["place", "Read-only", "hint:"],
    },
    Case {
        name: "no room for the packages",
        prepare: |context| Some(tmpfs(context, "size=20m", MountFlags::empty())),
        options: &["--include=sized"],
        target: "place/root",
        code: 6,
        words: &["place/root", "MB free", "the packages", "hint:"],
    },
    Case {
        name: "no inodes for the packages",
        prepare: |context| {
            Some(tmpfs(
                context,
                "size=300m,nr_inodes=50",
                MountFlags::empty(),
            ))
        },
        options: &[],
        target: "place/root",
        code: 6,
        words: &["place/root", "more files", "the packages", "hint:"],
    },
    Case {
        name: "no room for the image",
        prepare: |context| Some(tmpfs(context, "size=10m", MountFlags::empty())),
        options: &["--include=sized-half"],
        target: "place/root.tar",
        code: 6,
        words: &["place/root.tar", "MB free", "the image", "hint:"],
    },
    Case {
        name: "no room for the downloads",
        prepare: |context| Some(tmpfs(context, "size=1m", MountFlags::empty())),
        options: &["--cache-dir=place", "--include=large"],
        target: "root",
        code: 6,
        words: &["place", "MB free", "the downloads", "hint:"],
    },
    Case {
        name: "no directory for the image",
        prepare: |_| None,
        options: &[],
        target: "no/such/directory/root.tar",
        code: 6,
        words: &["no/such/directory/root.tar"],
    },
    Case {
        name: "the image is a symlink of another user",
        prepare: |context| {
            let link = context.path("tmp/root.tar");
            std::os::unix::fs::symlink(context.path("keyring.gpg"), &link).unwrap();
            std::os::unix::fs::lchown(&link, Some(1000), Some(1000)).unwrap();
            None
        },
        options: &[],
        target: "tmp/root.tar",
        code: 6,
        words: &["tmp/root.tar", "symlink of another user", "hint:"],
    },
    Case {
        name: "a cache of another user",
        prepare: |context| {
            let cache = context.path("cache");
            fs::create_dir(&cache).unwrap();
            std::os::unix::fs::chown(&cache, Some(1000), Some(1000)).unwrap();
            None
        },
        options: &[],
        target: "root",
        code: 6,
        words: &["cache", "another user", "--cache-dir", "hint:"],
    },
    Case {
        name: "no such keyring",
        prepare: |_| None,
        options: &["--keyring=nowhere.gpg"],
        target: "root",
        code: 2,
        words: &["nowhere.gpg"],
    },
    Case {
        name: "a suite without a keyring",
        prepare: |_| None,
        options: &["WITHOUT-KEYRING"],
        target: "root",
        code: 2,
        words: &["--keyring"],
    },
    Case {
        name: "programs of another architecture",
        prepare: |_| None,
        options: &["--arch=riscv64"],
        target: "root",
        code: 6,
        words: &["riscv64 programs", "qemu-user-static"],
    },
];

fn tmpfs(context: &TestContext, options: &str, flags: MountFlags) -> Mounted {
    Mounted::tmpfs_with(&context.path("place"), options, flags)
}

fn shape() -> FakeSuite {
    let sized = |name, size| DebBuilder::new(name, "1").field("Installed-Size", size);
    let mut noise = vec![0; 4_000_000];
    let mut state: u64 = 1;
    for byte in &mut noise {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    let mut shape = suite([
        sized("sized", "900000"),
        sized("sized-half", "30000"),
        DebBuilder::new("large", "1").file("usr/share/large", noise),
    ]);
    shape.architectures.push("riscv64".into());
    shape
}

#[test]
#[ignore = "needs root, dpkg"]
fn what_will_not_work_is_said_before_any_download() {
    assert_ne!(host_architecture(), "riscv64");
    let shape = shape();
    for case in CASES {
        let context = TestContext::of(&shape);
        let undone = (case.prepare)(&context);
        let mut command = match case.options {
            ["WITHOUT-KEYRING"] => context.program(),
            _ => context.command(),
        };
        let options = case.options.iter().filter(|o| **o != "WITHOUT-KEYRING");
        command.arg("--variant=essential").args(options);
        command.args(["fake", case.target, &context.mirror.url()]);
        let outcome = outcome(&mut command);
        assert_eq!(
            outcome.code,
            Some(case.code),
            "{}:\n{}",
            case.name,
            outcome.stderr
        );
        for word in case.words {
            let is_named = outcome.stderr.contains(word);
            assert!(
                is_named,
                "{}: `{word}` is not in:\n{}",
                case.name, outcome.stderr
            );
        }
        assert!(!Path::new(&context.path(case.target)).exists() || case.target != "root");
        drop(undone);
        // Essential packages are fetched while the indexes are read, others are not.
        let fetched = context.mirror.debs();
        let is_large_fetched = fetched.iter().any(|path| path.contains("/large"));
        assert!(!is_large_fetched, "{}: {fetched:?}", case.name);
    }
    println!("{} cases", CASES.len());
    assert_eq!(CASES.len(), 13);
}
