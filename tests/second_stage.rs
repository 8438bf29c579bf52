//! Two stages: `--foreign`, then /debootstrap/debootstrap --second-stage in the tree, leave what
//! one run leaves.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tar::{directory, file};
use rbootstrap::testing::tree::{Times, dump, names};
use rustix::mount::MountFlags;

use crate::context::mounted::Mounted;
use crate::context::{Outcome, TestContext, outcome};

/// The tree of a first stage with these options.
fn first_stage(context: &TestContext, options: &[&str]) -> PathBuf {
    let tree = context.path("place");
    let mut command = context.command();
    command
        .arg("--foreign")
        .args(options)
        .arg("fake")
        .arg(&tree);
    outcome(command.arg(context.mirror.url())).ok();
    tree
}

/// Runs the script in the tree, as a caller does.
fn second_stage(tree: &PathBuf, words: &[&str]) -> Outcome {
    let mut command = Command::new("chroot");
    command.arg(tree).args(words).env_clear();
    outcome(command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"))
}

const SECOND_STAGE: [&str; 2] = ["/debootstrap/debootstrap", "--second-stage"];

/// One kind of package that a second stage could treat differently.
struct Case {
    name: &'static str,
    options: &'static [&'static str],
    debs: Vec<DebBuilder>,
}

fn cases() -> Vec<Case> {
    let user = "echo 'svc:*:101:101::/:/bin/sh' >>/etc/passwd\necho 'svc:*:101:' >>/etc/group";
    let note = "env | grep -E '^(DEB|LC_|LANG|HOME|SOURCE|TMPDIR|APT_)' | sort >/var/lib/note";
    // Scripts that call ucf see it.
    let keeps = "case $DPKG_FORCE in *confold*) echo yes;; *) echo no;; esac >/var/lib/keeps";
    let logs = "mkdir -p /var/log/x; echo x >/var/log/x/y; echo x >/tmp/z; echo x >/run/z";
    vec![
        Case {
            name: "minbase",
            options: &["--variant=minbase"],
            debs: vec![],
        },
        Case {
            name: "a user of a preinst",
            options: &["--variant=minbase", "--include=service"],
            debs: vec![
                DebBuilder::new("service", "1:1")
                    .script("preinst", user)
                    .entry(file("var/lib/x", "x").owner("svc", "svc").ids(0, 0)),
            ],
        },
        Case {
            name: "conffiles that are there before",
            options: &["--variant=essential", "--include=settings"],
            debs: vec![
                DebBuilder::new("settings", "1")
                    .conffile("etc/fstab", "own\n")
                    .conffile("etc/settings", "x\n")
                    .script("postinst", keeps),
            ],
        },
        Case {
            name: "a policy of a package",
            options: &["--variant=essential", "--include=policy"],
            debs: vec![
                DebBuilder::new("policy", "1")
                    .program("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 104\n")
                    .conffile("etc/resolv.conf", "nameserver 192.0.2.1\n"),
            ],
        },
        Case {
            name: "logs and environment",
            options: &["--variant=essential", "--include=noisy"],
            debs: vec![
                DebBuilder::new("noisy", "1")
                    .script("postinst", &format!("{note}\n{keeps}\n{logs}")),
            ],
        },
        Case {
            name: "triggers and dependencies",
            options: &["--variant=apt", "--include=late"],
            debs: vec![
                DebBuilder::new("early", "1")
                    .triggers("interest-noawait /usr/share/late\n")
                    .script("postinst", "echo \"$@\" >>/var/lib/early"),
                DebBuilder::new("late", "1")
                    .depends("early")
                    .file("usr/share/late/x", "x"),
            ],
        },
        Case {
            name: "a package that disappears",
            options: &["--variant=essential", "--include=small,large"],
            debs: vec![
                DebBuilder::new("small", "1").file("usr/share/small", "x"),
                DebBuilder::new("large", "1")
                    .field("Replaces", "small")
                    .depends("small")
                    .file("usr/share/small", "x")
                    .file("usr/share/large", "x"),
            ],
        },
        Case {
            name: "custom",
            options: &[
                "--variant=custom",
                "--include=dash,dpkg,mawk,base-files,base-passwd,libc-bin",
            ],
            debs: vec![],
        },
    ]
}

#[test]
#[ignore = "needs root, dpkg"]
fn two_stages_leave_what_one_run_leaves() {
    let cases = cases();
    for case in &cases {
        let context = TestContext::new(case.debs.clone());
        context.make(case.options).ok();
        let tree = first_stage(&context, case.options);
        second_stage(&tree, &SECOND_STAGE).ok();
        let direct = dump(&context.root(), Times::Left);
        let staged = dump(&tree, Times::Left);
        assert_eq!(direct, staged, "{}", case.name);
    }
    println!("{} cases", cases.len());
}

/// `mount` is extracted although it is not essential, since scripts need /proc.
#[test]
#[ignore = "needs root, dpkg"]
fn shared_directories_have_the_times_of_one_run() {
    let shared = |seconds| directory("usr/share/shared").modified(seconds);
    let context = TestContext::new([
        DebBuilder::new("first", "1")
            .field("Essential", "yes")
            .entry(shared(1000)),
        DebBuilder::new("mount", "1")
            .field("Priority", "required")
            .entry(shared(2000)),
    ]);
    let options = ["--variant=minbase"];
    context.make(&options).ok();
    let tree = first_stage(&context, &options);
    second_stage(&tree, &SECOND_STAGE).ok();
    for root in [context.root(), tree] {
        let found = fs::metadata(root.join("usr/share/shared")).unwrap();
        assert_eq!(found.mtime(), 1000, "{}", root.display());
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn the_first_stage_runs_nothing_and_records_what_callers_read() {
    let deb = DebBuilder::new("service", "1:1").script("preinst", "exit 1");
    let context = TestContext::new([deb]);
    let tree = first_stage(&context, &["--variant=essential", "--include=service"]);
    let read = |name: &str| fs::read_to_string(tree.join("debootstrap").join(name)).unwrap();
    let mirror = context.mirror.url();
    let mirror = mirror.trim_end_matches('/');
    assert_eq!(read("suite"), "fake\n");
    assert_eq!(read("mirror"), format!("{mirror}\n"));
    assert_eq!(read("variant"), "essential\n");
    assert_eq!(read("base"), "service\n");
    assert!(read("required").contains("base-files"));
    let path = "/var/cache/apt/archives/service_1%3a1_all.deb";
    assert!(read("debpaths").contains(&format!("service {path}\n")));
    assert!(read("deburis").contains(&format!("service 1:1 {mirror}/pool/")));
    assert!(tree.join(&path[1..]).exists());
    assert_eq!(fs::read(tree.join("var/lib/dpkg/status")).unwrap(), b"");
    assert!(tree.join("debootstrap/suite-script").exists());
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_second_stage_that_failed_continues_where_it_stopped() {
    let postinst = "[ -e /ok ] || { echo not yet; exit 3; }\nrm /ok\n: >/var/lib/worked";
    let deb = DebBuilder::new("demanding", "1").script("postinst", postinst);
    let other = DebBuilder::new("easy", "1").script("postinst", "echo x >>/var/lib/easy");
    let context = TestContext::new([deb, other]);
    let options = ["--variant=essential", "--include=easy,demanding"];
    let tree = first_stage(&context, &options);
    let failed = second_stage(&tree, &SECOND_STAGE).fails(1);
    failed.names(&[
        "not yet",
        "the package demanding",
        "run it again",
        "debootstrap.log",
    ]);
    assert!(!tree.join("usr/sbin/policy-rc.d").exists());
    assert!(!tree.join("etc/resolv.conf").exists());
    fs::write(tree.join("ok"), "").unwrap();
    let again = [
        "/bin/sh",
        "/debootstrap/debootstrap",
        "--no-check-gpg",
        "--second-stage",
    ];
    let done = second_stage(&tree, &again).ok();
    assert!(
        done.text()
            .ends_with("I: Base system installed successfully.\n")
    );
    assert!(!tree.join("debootstrap").exists());
    assert_eq!(fs::read(tree.join("var/lib/easy")).unwrap(), b"x\n");
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_second_stage_finds_its_target() {
    let context = TestContext::new([]);
    let tree = first_stage(&context, &["--variant=essential"]);
    let script = tree.join("debootstrap/debootstrap");
    let mut refused = Command::new("/bin/sh");
    outcome(refused.arg(&script))
        .fails(1)
        .names(&["E: ", "--second-stage"]);
    let mut command = Command::new("/bin/sh");
    command.arg(&script).arg("--second-stage");
    let target = format!("--second-stage-target={}", tree.display());
    outcome(command.args([&target, "--keep-debootstrap-dir"])).ok();
    let kept = names(&tree.join("debootstrap"));
    assert!(kept.contains(&"debootstrap.log".to_owned()), "{kept:?}");
    assert!(!tree.join("var/log/bootstrap.log").exists());
}

/// Its functions only say that they ran: a guard that fails must not finish the host.
#[test]
#[ignore = "needs root, dpkg"]
fn a_second_stage_without_a_target_runs_in_its_tree_only() {
    let context = TestContext::new([]);
    let state = context.path("place/debootstrap");
    fs::create_dir_all(&state).unwrap();
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/install/second_stage/debootstrap"
    );
    fs::copy(script, state.join("debootstrap")).unwrap();
    fs::write(state.join("calls"), "").unwrap();
    fs::write(state.join("functions"), "second_stage() { echo ran; }\n").unwrap();
    let run = |environment: Option<&PathBuf>| {
        let mut command = Command::new("/bin/sh");
        command
            .arg(state.join("debootstrap"))
            .arg("--second-stage")
            .env_remove("DEBOOTSTRAP_DIR");
        if let Some(directory) = environment {
            command.env("DEBOOTSTRAP_DIR", directory);
        }
        outcome(&mut command)
    };
    run(None)
        .fails(1)
        .names(&["run it in the tree", "--second-stage-target=DIR"]);
    assert_eq!(run(Some(&state)).ok().text(), "ran\n");
}

/// A directory of the host that is mounted in the tree, with a file that has to stay.
struct Place {
    at: &'static str,
    file: &'static str,
    /// A path in the tree that is a symlink to it.
    link: Option<&'static str>,
}

const fn place(at: &'static str, file: &'static str) -> Place {
    Place {
        at,
        file,
        link: None,
    }
}

impl Place {
    /// Mounts the directory with what the tree has there.
    fn mount(&self, tree: &Path, outside: &Path) -> Mounted {
        fs::create_dir(outside).unwrap();
        let at = tree.join(self.at);
        let moved = self.link.map_or_else(|| at.clone(), |link| tree.join(link));
        fs::create_dir_all(&moved).unwrap();
        for name in names(&moved) {
            fs::rename(moved.join(&name), outside.join(&name)).unwrap();
        }
        fs::remove_dir(&moved).unwrap();
        if self.link.is_some() {
            std::os::unix::fs::symlink(format!("/{}", self.at), &moved).unwrap();
        }
        let file = outside.join(self.file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "x").unwrap();
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        Mounted::bind(&at, outside, MountFlags::empty())
    }
}

/// What is mounted in the tree may be the host's.
#[test]
#[ignore = "needs root, dpkg"]
fn a_second_stage_leaves_alone_what_is_mounted() {
    leaves_alone(
        "",
        &[
            place("run", "host.deb"),
            place("tmp/x/a b", "host.deb"),
            place("tmp/y/a %s b", "host.deb"),
            place("var/log/y", "host.deb"),
            place("var/cache/apt/archives", "host.deb"),
            place("srv/[z]", "host.deb"),
            place("debootstrap/x", "preseed-0"),
        ],
    );
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_second_stage_leaves_alone_what_is_below_a_mount() {
    leaves_alone(
        "99999999999999999999\n",
        &[
            Place {
                link: Some("var/cache"),
                ..place("srv/cache", "apt/archives/host.deb")
            },
            place("var/lib/apt", "lists/host"),
            place("var/log", "bootstrap.log"),
        ],
    );
}

/// Runs a second stage with these mounts, and with this number of calls that are said to be
/// completed, which is none.
fn leaves_alone(completed: &str, places: &[Place]) {
    let context = TestContext::new([]);
    let tree = first_stage(&context, &["--variant=essential"]);
    let proc = tree.join("proc");
    fs::remove_dir(&proc).unwrap();
    let mut mounts = vec![Mounted::bind(&proc, "/proc".as_ref(), MountFlags::empty())];
    let outside = |number: usize| context.path(&format!("outside-{number}"));
    for (number, place) in places.iter().enumerate() {
        mounts.push(place.mount(&tree, &outside(number)));
    }
    fs::write(tree.join("tmp/mine"), "x").unwrap();
    fs::write(tree.join("debootstrap/completed"), completed).unwrap();
    let began = fs::metadata(tree.join("tmp/mine"))
        .unwrap()
        .modified()
        .unwrap();
    second_stage(&tree, &SECOND_STAGE).ok();
    drop(mounts);
    for (number, Place { at, file, .. }) in places.iter().enumerate() {
        let file = outside(number).join(file);
        assert_eq!(fs::read(&file).unwrap_or_default(), b"x", "{at}");
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        let age = began.duration_since(time).unwrap_or_default();
        assert!(age.as_secs() < 600, "{at}: the time was changed");
    }
    assert!(!tree.join("tmp/mine").exists());
    assert!(!tree.join("debootstrap/calls").exists());
    let status = fs::read_to_string(tree.join("var/lib/dpkg/status")).unwrap();
    assert!(status.contains("\nStatus: install ok installed\n"));
    println!("{} cases", places.len());
}

#[test]
#[ignore = "needs root, dpkg"]
fn no_answers_stay_with_the_directory() {
    let context = TestContext::new([DebBuilder::new("debconf", "1")]);
    let answers = context.path("answers");
    fs::write(&answers, "x x/password password secret\n").unwrap();
    let preseed = format!("--preseed={}", answers.display());
    let options = ["--variant=essential", "--include=debconf", &preseed];
    let tree = first_stage(&context, &options);
    let directory = tree.join("debootstrap");
    assert!(names(&directory).contains(&"preseed-0".to_owned()));
    let calls = fs::read_to_string(directory.join("calls")).unwrap();
    let completed = format!("{}\n", calls.lines().count());
    fs::write(directory.join("completed"), completed).unwrap();
    let words = [SECOND_STAGE[0], SECOND_STAGE[1], "--keep-debootstrap-dir"];
    second_stage(&tree, &words).ok();
    let kept = names(&directory);
    assert!(kept.contains(&"calls".to_owned()), "{kept:?}");
    assert!(!kept.contains(&"preseed-0".to_owned()), "{kept:?}");
}
