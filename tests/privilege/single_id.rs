//! A user of whom one id is mapped: owners are recorded in memory, and scripts see what
//! they have set. What they see is in the image, so that an image like root's shows it.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use rbootstrap::testing::{DebBuilder, base, host_architecture};
use rustix::process::{Pid, Signal, kill_process};

use super::hosts::{self, HOSTS, NO_IDS, UID, User, context_of_all};
use crate::context::{TestContext, processes_below};
use crate::interrupt::{interrupted, start, within_a_minute};

/// Programs of the host besides those of the base.
const PROGRAMS: [&str; 6] = ["perl", "setpriv", "setcap", "getcap", "setfacl", "getfacl"];

fn tools() -> DebBuilder {
    let mut deb = DebBuilder::new("owner-tools", "1").architecture(host_architecture());
    let mut known = BTreeSet::new();
    for package in base::base() {
        known.extend(package.entries.iter().map(|entry| entry.path.clone()));
    }
    let mut entries = base::libraries(&PROGRAMS);
    for name in PROGRAMS {
        let found = base::program(name);
        entries.push(found.unwrap_or_else(|| panic!("the host has no {name}")));
    }
    entries.retain(|entry| !known.contains(&entry.path));
    for entry in entries {
        deb = deb.entry(entry);
    }
    deb
}

fn with_script(body: &str) -> DebBuilder {
    DebBuilder::new("owners", "1")
        .depends("owner-tools")
        .file("usr/share/owners/file", "content\n")
        .script("postinst", body)
}

const OPTIONS: [&str; 3] = ["--variant=essential", "--include=owners", "fake"];

fn words<'w>(image: &'w str, url: &'w str) -> Vec<&'w str> {
    [&OPTIONS[..], &[image, url]].concat()
}

/// The transcript of the script in an image.
fn transcript(context: &TestContext, image: &str) -> String {
    let mut tar = std::process::Command::new("tar");
    tar.arg("-xOf").arg(context.path(image));
    tar.arg("./usr/share/owners/transcript");
    crate::context::outcome(&mut tar).text()
}

#[test]
#[ignore = "needs root, dpkg, subuids, setpriv, unshare, perl, setcap, setfacl"]
fn scripts_see_the_owners_that_they_set() {
    let context = context_of_all([tools(), with_script(include_str!("owners.sh"))]);
    let url = context.mirror.url();
    let [root, ..] = HOSTS;
    let root = User::of(root);
    root.run(&context, &words("root.tar", &url)).ok();
    let expected = transcript(&context, "root.tar");
    let user = User::with(NO_IDS);
    let made = user.run(&context, &words("user.tar", &url));
    made.ok().names(&[
        "root of a user namespace with one id: uid 1234",
        "owners are recorded in memory",
    ]);
    let found = transcript(&context, "user.tar");
    assert_eq!(found, expected);
    let lines = expected.lines().count();
    assert!(lines > 150 && expected.contains("== search"), "{expected}");
    println!("{lines} lines");
    let digest = |image: &str| hosts::digest(&context.path(image));
    assert_eq!(digest("user.tar"), digest("root.tar"));
    root.run(&context, &words("root.oci.tar", &url)).ok();
    user.run(&context, &words("user.oci.tar", &url)).ok();
    assert_eq!(digest("user.oci.tar"), digest("root.oci.tar"));
}

/// Each tries to have the supervisor, which is not in the sandbox, reach a file of the host's or
/// fail. The file has a setuid bit, which a change of its owner would take.
const HOSTILE: [(&str, &str); 9] = [
    (
        "absolute",
        "chown 5:5 @CANARY@; chown 5:5 /../../../../..@CANARY@",
    ),
    (
        "relative",
        "cd /usr/share; chown 5:5 ../../../../../../..@CANARY@; mkdir ../../../../../../..@CANARY@.d",
    ),
    (
        "links",
        "ln -s /../../../..@CANARY@ /root/l; chown 5:5 /root/l; chown 5:5 /root/l/; ln -s / /root/up; \
         chown 5:5 /root/up/../../..@CANARY@",
    ),
    (
        "links of /proc",
        "for p in 1 self thread-self; do for l in root cwd exe fd/0 fd/3 root/../..@CANARY@ \
         cwd/../../../..@CANARY@; do chown 5:5 /proc/$p/$l; stat /proc/$p/$l; \
         mkdir /proc/$p/$l.d; done; done",
    ),
    (
        "files of another user",
        "setpriv --reuid=6 --regid=12 --clear-groups sh -c 'echo x >/../../..@CANARY@.w; cd /; \
         echo x >../../../..@CANARY@.w; mkdir ../../..@CANARY@.w'",
    ),
    (
        "races",
        "cd /root; echo x >in; (i=0; while [ $i -lt 400 ]; do ln -sfn in swap; \
         ln -sfn /../../../../..@CANARY@ swap; ln -sfn ../../../../../..@CANARY@ swap; i=$((i + 1)); \
         done) & i=0; while [ $i -lt 400 ]; do chown 5:5 swap; chown 5:5 /root/swap; i=$((i + 1)); done; \
         wait",
    ),
    (
        "addresses",
        "[ $(uname -m) = x86_64 ] || exit 0; perl -e 'for my $n (4, 5, 6, 92, 93, 94, 260, 262, 332, 257, \
         258, 259, 266, 83, 88, 133, 2, 85, 118, 120, 115, 116, 188, 189, 190, 191, 192, 193, 194, 195, 196) \
         { for my $a (0, 8, 1 << 46, -1) { syscall($n, $a, $a, $a, $a, $a, $a); \
         syscall($n, -100, $a, 64, $a, $a) } }'",
    ),
    (
        "floods",
        "chown 5:5 /root; for i in 1 2 3 4 5 6 7 8; do (while :; do stat /root /etc/passwd; done) & done \
         >/dev/null; i=0; while [ $i -lt 20 ]; do setpriv --reuid=$i true & kill -9 $!; i=$((i + 1)); done",
    ),
    (
        "many files",
        "cd /root; perl -e 'for (1 .. 30000) { open F, \">f\"; chown 5, 5, \"f\"; unlink \"f\" } \
         for (1 .. 3000) { open F, \">f$_\"; chown 5, 5, \"f$_\" } \
         print \"bad\\n\" if grep { (stat \"f$_\")[4] != 5 } 1 .. 3000' | grep . && exit 1; rm -f f*",
    ),
];

#[test]
#[ignore = "needs root, dpkg, subuids, setpriv, unshare, perl, setcap, setfacl"]
fn hostile_scripts_reach_nothing_of_the_host() {
    let mut cases = 0;
    let mut controls = 0;
    for (name, body) in HOSTILE {
        let canary = tempfile::Builder::new()
            .prefix("rbootstrap-canary-")
            .tempdir_in("/var/tmp")
            .unwrap();
        fs::set_permissions(canary.path(), Permissions::from_mode(0o777)).unwrap();
        let file = canary.path().join("file");
        fs::write(&file, "content").unwrap();
        chown(&file, Some(UID), Some(UID)).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o4755)).unwrap();
        let script = with_twin(name, body, &file);
        let context = context_of_all([tools(), with_script(&script)]);
        let url = context.mirror.url();
        let made = User::with(NO_IDS).run(&context, &words("image.tar", &url));
        assert_eq!(made.code, Some(0), "{name}: {}", made.stderr);
        let found = fs::metadata(&file).unwrap();
        let expected = (0o104_755, UID, UID);
        assert_eq!((found.mode(), found.uid(), found.gid()), expected, "{name}");
        let entries = fs::read_dir(canary.path()).unwrap().count();
        assert_eq!(entries, 1, "{name}");
        assert!(within_a_minute(no_process_is_left), "{name}");
        cases += 1;
        if body.contains("@CANARY@") {
            let [root, ..] = HOSTS;
            User::of(root).run(&context, &words("root.tar", &url)).ok();
            assert_ne!(transcript(&context, "root.tar"), UNTOUCHED, "{name}");
            controls += 1;
        }
    }
    println!("{cases} scripts, of which {controls} reach a file where they may");
}

/// What a transcript says of a twin that no script has reached.
const UNTOUCHED: &str = "1:1 4755\nfile\n";

/// A script with a twin of the canary: a file in the tree that has the canary's path. A probe that
/// reaches it as root works, and would have reached the canary.
fn with_twin(name: &str, body: &str, canary: &Path) -> String {
    let body = body.replace("@CANARY@", canary.to_str().unwrap());
    let body = match name {
        "many files" => body,
        _ => format!("set +e; {body} 2>/dev/null; true"),
    };
    let file = canary.display();
    let directory = canary.parent().unwrap().display();
    format!(
        "mkdir -p {directory}; chmod 777 {directory}; echo content >{file}; chown 1:1 {file}; \
         chmod 4755 {file}\n{body}\n\
         exec >/usr/share/owners/transcript; stat -c '%u:%g %a' {file}; ls -A {directory}"
    )
}

#[test]
#[ignore = "needs root, dpkg, subuids, setpriv, unshare, perl, setcap, setfacl"]
fn the_supervisor_ends_with_the_run() {
    let body = "chown 33:33 /var/lib/dpkg/info; echo x >/sign; sleep 1000";
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let context = context_of_all([tools(), with_script(body)]);
        let url = context.mirror.url();
        let user = User::with(NO_IDS);
        let mut child = start(&mut user.command(&context, &words("image.tar", &url)));
        assert!(
            within_a_minute(|| has_signed(&context)),
            "the script never ran"
        );
        match signal {
            Signal::KILL => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            _ => drop(interrupted(child, signal)),
        }
        // It notices the end of the last process, and ends then.
        assert!(within_a_minute(no_process_is_left), "{signal:?}");
        if signal != Signal::KILL {
            context.assert_nothing_left();
        }
    }
}

#[test]
#[ignore = "needs root, dpkg, subuids, setpriv, unshare, perl, setcap, setfacl"]
fn a_run_without_its_supervisor_fails_and_leaves_nothing() {
    let scripts = [
        "sleep 1000",
        "while :; do chown 33:33 /var/lib/dpkg/info; stat / >/dev/null; done",
    ];
    for script in scripts {
        let body = format!("chown 33:33 /var/lib/dpkg/info; echo x >/sign; {script}");
        let context = context_of_all([tools(), with_script(&body)]);
        let url = context.mirror.url();
        let user = User::with(NO_IDS);
        let mut child = start(&mut user.command(&context, &words("image.tar", &url)));
        assert!(
            within_a_minute(|| has_signed(&context)),
            "the script never ran"
        );
        kill_process(supervisor_of(child.id()), Signal::KILL).unwrap();
        if !within_a_minute(|| child.try_wait().unwrap().is_some()) {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let expected = "the process that records the owners of files ended before the run";
        assert!(said.contains(expected), "{said}");
        assert!(within_a_minute(no_process_is_left), "{script}");
        assert!(!context.path("image.tar").exists());
        context.assert_nothing_left();
    }
}

/// Whether a script has made its file `sign` in the tree of an image.
fn has_signed(context: &TestContext) -> bool {
    let temporary = context.path("tmp");
    let trees = fs::read_dir(&temporary).into_iter().flatten().flatten();
    trees.into_iter().any(|tree| {
        let parts = fs::read_dir(tree.path()).into_iter().flatten().flatten();
        let found = tree.path().join("sign").exists();
        found
            || parts
                .into_iter()
                .any(|part| part.path().join("sign").exists())
    })
}

/// The child of a run that has its arguments, because it was forked.
fn supervisor_of(run: u32) -> Pid {
    let arguments = |process: &str| fs::read(format!("/proc/{process}/cmdline")).ok();
    let expected = arguments(&run.to_string());
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        if status.contains(&format!("\nPPid:\t{run}\n")) && arguments(&name) == expected {
            return Pid::from_raw(name.parse().unwrap()).unwrap();
        }
    }
    panic!("the run has no supervisor");
}

/// Whether the user has no process.
fn no_process_is_left() -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    !processes.into_iter().any(|entry| {
        let is_process = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.parse::<u32>().is_ok());
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let is_zombie = status.contains("\nState:\tZ");
        is_process && !is_zombie && status.contains(&format!("\nUid:\t{UID}\t"))
    })
}

#[test]
#[ignore = "needs root, dpkg, subuids, setpriv, unshare, perl, setcap, setfacl"]
fn what_one_id_cannot_make_is_refused_before_any_download() {
    let context = context_of_all([]);
    let url = context.mirror.url();
    let user = User::with(NO_IDS);
    let table: [(&[&str], &[&str]); 3] = [
        (
            &["--mode=single-id", "fake", "root", &url],
            &["--mode single-id makes no directory", "hint: name an image"],
        ),
        (
            &["--mode=single-id", "--tar=image.tar", "fake", "root", &url],
            &["--mode single-id makes no directory"],
        ),
        (
            &["fake", "root", &url],
            &["/etc/subuid", "none for tester", "--mode single-id"],
        ),
    ];
    for (arguments, said) in table {
        let outcome = user.run(&context, arguments).fails(6).names(said);
        assert!(!outcome.stderr.contains("download"), "{}", outcome.stderr);
    }
    let mut hosts = HOSTS.into_iter();
    let failing = hosts.find(|host| host.name == "user, newuidmap that fails");
    let outcome = User::of(failing.unwrap()).run(&context, &["fake", "root", &url]);
    outcome
        .fails(6)
        .names(&["/usr/local/bin/newuidmap: exit status: 1"]);
    if host_architecture() == "amd64" {
        let arguments = ["--mode=single-id", "--arch=i386", "fake", "image.tar", &url];
        let outcome = user.run(&context, &arguments).fails(6);
        outcome.names(&["--mode single-id cannot make trees of i386 here"]);
    }
    // A supervisor ends right after its run.
    let left = || processes_below(context.directory.path());
    assert!(within_a_minute(|| left().is_empty()), "{:?}", left());
    context.assert_nothing_left();
}
