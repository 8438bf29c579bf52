//! The program called `mmdebstrap`: its words, what it leaves, its lines and its exit codes.

mod rows;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tree::names;

use crate::context::{Outcome, TestContext, outcome};

/// The program under the name of mmdebstrap, with these words.
fn command(context: &TestContext, words: &[&str]) -> Command {
    let mut command = context.program();
    command.arg0("/usr/bin/mmdebstrap");
    command.env("XDG_CACHE_HOME", context.path("cache"));
    command.env("XDG_STATE_HOME", context.path("state"));
    command.args(words);
    command
}

fn mmdebstrap(context: &TestContext, words: &[&str]) -> Outcome {
    outcome(&mut command(context, words))
}

/// A command in a mount namespace, started by a script that first mounts something. `$1` is the
/// directory that it mounts or mounts on.
fn confined(program: &Command, script: &str, directory: &Path) -> Command {
    let mut confined = Command::new("unshare");
    confined.args(["--mount", "sh", "-c", script, "sh"]);
    // The name by which the program is called is not among its arguments.
    confined
        .arg(directory)
        .arg(program.get_program())
        .arg("mmdebstrap");
    confined.args(program.get_args());
    for (variable, value) in program.get_envs() {
        confined.env(variable, value.unwrap_or_default());
    }
    confined
}

/// As [`mmdebstrap`], with the archive's keyring before the words and its mirror after them.
fn made(context: &TestContext, words: &[&str]) -> Outcome {
    let keyring = format!("--keyring={}", context.path("keyring.gpg").display());
    let mirror = context.mirror.url();
    mmdebstrap(context, &[&[keyring.as_str()], words, &[&mirror]].concat())
}

fn target(context: &TestContext) -> String {
    context.root().display().to_string()
}

fn service() -> DebBuilder {
    DebBuilder::new("service", "1").script("postinst", "echo configured >/var/lib/service")
}

/// The names in a tar, as tar lists them.
fn members(tar: &str) -> Vec<String> {
    let listed = outcome(Command::new("tar").args(["-tf", tar])).ok();
    listed.text().lines().map(str::to_owned).collect()
}

/// Words, the exit code, and what the message has.
const REFUSED: [(&[&str], i32, &str); 17] = [
    (&["--unshare-helper", "true"], 1, "use unshare --map-auto"),
    (&["--nope"], 2, "Unknown option: nope"),
    (&["--m=root"], 2, "Option m is ambiguous"),
    (&["--variant"], 2, "Option variant requires an argument"),
    (
        &["--variant=fat", "s", "t"],
        1,
        "E: invalid variant. Choose from extract",
    ),
    (
        &["--mode=fast", "s", "t"],
        1,
        "E: invalid mode. Choose from auto",
    ),
    (
        &["--mode=chrootless", "s", "t"],
        1,
        "chrootless is not supported",
    ),
    (&["--mode=fakechroot", "s", "t"], 1, "--mode=unshare"),
    (
        &["--format=zip", "s", "t"],
        1,
        "E: invalid format. Choose from auto",
    ),
    (&["s", "t", "nowhere"], 1, "E: invalid mirror: nowhere"),
    (&["", "t", "http://a"], 1, "for URI with empty suite"),
    (
        &["s", "no/such/t", "http://a"],
        1,
        "path leading to no/such/t does not exist",
    ),
    (
        &["--keyring=/none", "s", "t"],
        1,
        "E: keyring \"/none\" does not exist",
    ),
    (
        &["--skip=update", "s", "t"],
        1,
        "--skip=update is not supported",
    ),
    (&["--hook-dir=/none", "s", "t"], 1, "is not a directory"),
    (
        &["--customize-hook=upload x", "s", "t"],
        1,
        "upload needs at least one path",
    ),
    (&["s", "t.tar.lz4", "http://a"], 1, ".lz4 is not supported"),
];

#[test]
fn words_without_a_run() {
    let context = TestContext::bare();
    let version = mmdebstrap(&context, &["--vers"]).ok();
    assert_eq!(version.text(), "mmdebstrap 1.5.7\n");
    let help = mmdebstrap(&context, &["-h"]).ok();
    assert!(help.text().contains("--chrooted-customize-hook VALUE"));
    let manual = mmdebstrap(&context, &["--man"]).ok();
    assert!(
        manual
            .text()
            .contains("[*SUITE* [*TARGET* [*MIRROR*...]]]\n")
    );
    for (words, code, line) in REFUSED {
        mmdebstrap(&context, words).fails(code).names(&[line]);
    }
    println!("{} cases", REFUSED.len());
    context.assert_nothing_besides_target();
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_tree_is_as_mmdebstrap_leaves_it() {
    let context = TestContext::new([service()]);
    let root = target(&context);
    let made = made(
        &context,
        &[
            "--mode=root",
            "--var=apt",
            "--include=service",
            "--aptopt=Acquire::Languages \"none\"",
            "--dpkgopt=force-unsafe-io",
            "--comp=main",
            "--skip=check/empty",
            "fake",
            &root,
        ],
    )
    .ok();
    let last = made.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("I: success in "), "{last}");
    let mirror = context.mirror.url();
    assert_eq!(
        context.read("etc/apt/sources.list"),
        format!("deb {mirror} fake main\n")
    );
    assert_eq!(
        context.read("etc/apt/apt.conf.d/99mmdebstrap"),
        "Acquire::Languages \"none\";\n"
    );
    assert_eq!(
        context.read("etc/dpkg/dpkg.cfg.d/99mmdebstrap"),
        "force-unsafe-io\n"
    );
    assert_eq!(context.read("var/lib/service"), "configured\n");
    assert!(names(&context.root().join("etc/apt/sources.list.d")).is_empty());
    assert_eq!(
        names(&context.root().join("var/lib/apt/lists")),
        ["partial"]
    );
    let hostname = fs::read_to_string("/etc/hostname").unwrap();
    assert_eq!(context.read("etc/hostname"), hostname);
    context.assert_nothing_besides_target();
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_tar_has_the_entries_of_dev_unless_they_are_skipped() {
    let context = TestContext::new([service()]);
    let all = [
        "console", "fd", "full", "null", "ptmx", "pts/", "random", "shm/", "stderr", "stdin",
        "stdout", "tty", "urandom", "zero",
    ];
    let links = ["fd", "pts/", "shm/", "stderr", "stdin", "stdout"];
    let rows: [(&str, &[&str]); 3] = [
        ("--skip=check/qemu", &all),
        ("--skip=output/mknod", &links),
        ("--skip=output/dev", &[]),
    ];
    for (skip, expected) in rows {
        let tar = context.root().with_extension("tar");
        let tar = tar.display().to_string();
        made(&context, &["--variant=apt", skip, "fake", &tar]).ok();
        let mut found = members(&tar);
        found.retain(|name| name.starts_with("./dev/") && name != "./dev/");
        let expected: Vec<String> = expected
            .iter()
            .map(|name| format!("./dev/{name}"))
            .collect();
        assert_eq!(found, expected, "{skip}");
        fs::remove_file(&tar).unwrap();
    }
    println!("{} cases", rows.len());
}

#[test]
#[ignore = "needs root, dpkg"]
fn sources_come_from_standard_input_and_the_tar_goes_to_standard_output() {
    let context = TestContext::new([service()]);
    let keyring = format!("--keyring={}", context.path("keyring.gpg").display());
    let mut command = command(
        &context,
        &[
            &keyring,
            "--variant=essential",
            "--include=service",
            "--customize-hook=cat \"$1/var/lib/service\"",
        ],
    );
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().unwrap();
    let mut input = running.stdin.take().unwrap();
    writeln!(input, "deb {} fake main", context.mirror.url()).unwrap();
    drop(input);
    let ended = running.wait_with_output().unwrap();
    let messages = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{messages}");
    assert!(messages.contains("configured\n"), "{messages}");
    let tar = context.path("root").with_extension("tar");
    fs::write(&tar, &ended.stdout).unwrap();
    let members = members(&tar.display().to_string());
    for name in ["./var/lib/service", "./etc/apt/sources.list", "./dev/null"] {
        assert!(members.iter().any(|member| member == name), "{name}");
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn the_null_format_leaves_what_hooks_took_out() {
    let context = TestContext::new([service()]);
    let taken = context.path("place");
    let hook = format!(
        "--customize=sync-out /var/lib/dpkg/info {}",
        taken.display()
    );
    made(
        &context,
        &[
            "--variant=apt",
            "--include=service",
            &hook,
            "fake",
            "/dev/null",
        ],
    )
    .ok();
    assert!(taken.join("service.postinst").exists());
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg"]
fn hooks_use_devices_where_temporary_directories_permit_none() {
    let context = TestContext::new([]);
    let place = context.path("place");
    fs::create_dir(&place).unwrap();
    let keyring = format!("--keyring={}", context.path("keyring.gpg").display());
    let tar = context.root().with_extension("tar").display().to_string();
    let hook = "--customize-hook=echo more >\"$1/dev/null\" && \
                ! head -c 1 /dev/zero 2>/dev/null >\"$1/dev/full\"";
    let mirror = context.mirror.url();
    let words = [
        keyring.as_str(),
        "--mode=root",
        "--variant=apt",
        hook,
        "--customize-hook=echo more >\"$1/dev/null\"",
        "fake",
        &tar,
        &mirror,
    ];
    let program = command(&context, &words);
    let mounted = "mount -t tmpfs -o nodev tmpfs \"$1\" && shift && exec \"$@\"";
    let mut confined = confined(&program, mounted, &place);
    outcome(confined.env("TMPDIR", &place)).ok();
    let is_packed = members(&tar).iter().any(|member| member == "./dev/null");
    assert!(is_packed);
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn hooks_install_with_the_hosts_apt() {
    let later = DebBuilder::new("later", "1").file("usr/share/later", "later\n");
    let context = TestContext::new([service(), later]);
    let root = target(&context);
    let hook = "--customize-hook=echo \"$MMDEBSTRAP_APT_CONFIG\" >\"$1/etc/told\"; \
                APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --yes install later";
    made(&context, &["--variant=apt", hook, "fake", &root]).ok();
    assert_eq!(context.read("usr/share/later"), "later\n");
    let told = context.read("etc/told");
    assert!(told.ends_with(".conf\n"), "{told}");
    assert!(!Path::new(told.trim()).exists(), "{told}");
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_failure_is_exit_code_1_and_leaves_the_directory() {
    let context = TestContext::new([service()]);
    let root = target(&context);
    let hook = "--customize-hook=exit 5";
    let failed = made(&context, &["--variant=apt", hook, "fake", &root]).fails(1);
    let failed = failed.names(&["E: the customize hook `exit 5` failed"]);
    assert!(!failed.stderr.contains("success"), "{}", failed.stderr);
    assert!(context.root().join("etc/apt").exists());
    let silent = made(&context, &["-q", "fake", &root]).fails(1);
    assert_eq!(silent.stderr, "");
}

/// A program that keeps the tar that it is given, in place of the host's tools.
const FAKE_TOOL: &str = "#!/bin/sh\nfor last; do :; done\nexec cat >\"$last\"\n";

#[test]
#[ignore = "needs root, dpkg"]
fn file_systems_are_made_by_programs_of_the_host() {
    let context = TestContext::new([service()]);
    let tools = context.path("place");
    fs::create_dir(&tools).unwrap();
    let image = context.root().with_extension("squashfs");
    let image = image.display().to_string();
    let keyring = format!("--keyring={}", context.path("keyring.gpg").display());
    let mirror = context.mirror.url();
    let words = [&keyring, "--variant=apt", "fake", &image, &mirror];
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", tools.display());
    let mut absent = command(&context, &words);
    let absent = outcome(absent.env("PATH", &tools)).fails(1);
    absent.names(&["squashfs needs tar2sqfs (squashfs-tools-ng) or sqfstar"]);
    context.assert_no_deb_requested();
    let tool = tools.join("tar2sqfs");
    fs::write(&tool, FAKE_TOOL).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    outcome(command(&context, &words).env("PATH", &path)).ok();
    let members = members(&image);
    for name in ["./dev/null", "./var/lib/dpkg/status"] {
        assert!(members.iter().any(|member| member == name), "{name}");
    }
    // The host may have either program.
    for tool in [&tool, &tools.join("sqfstar")] {
        fs::write(tool, "#!/bin/sh\nexit 1\n").unwrap();
        fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::remove_file(&image).unwrap();
    let broken = outcome(command(&context, &words).env("PATH", &path)).fails(1);
    broken.names(&["squashfs needs tar2sqfs"]);
    assert!(!Path::new(&image).exists());
}

#[test]
#[ignore = "needs root, dpkg"]
fn setup_hooks_choose_the_sources() {
    let context = TestContext::new([service()]);
    let root = target(&context);
    let line = context.path("place");
    fs::write(&line, format!("deb {} fake main\n", context.mirror.url())).unwrap();
    let words = [
        "--variant=apt",
        "--include=service",
        "--setup-hook=copy-in keyring.gpg /etc/apt/trusted.gpg.d",
        "--setup-hook=upload place /etc/apt/sources.list",
        "fake",
        &root,
        "deb http://127.0.0.1:1/ fake main",
    ];
    // apt's directory of keys is there only if a hook makes it.
    mmdebstrap(&context, &words).fails(1).names(&["copy-in"]);
    let made = [
        &[
            "--setup-hook=mkdir $1/etc/apt/trusted.gpg.d",
            "--skip=check/empty",
        ],
        &words[..],
    ];
    mmdebstrap(&context, &made.concat()).ok();
    assert_eq!(context.read("var/lib/service"), "configured\n");
}
