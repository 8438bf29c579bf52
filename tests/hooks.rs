//! `--hook`, `--hook-dir`, `--apt-opt` and `--dpkg-opt`: what runs when, what it sees, and what is
//! left.

mod archives;
mod copies;
mod helpers;
mod place;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tree::names;

use crate::context::TestContext;

fn service() -> DebBuilder {
    DebBuilder::new("service", "1")
        .script("postinst", "echo configured >/var/lib/service")
        .file("usr/share/man/service.1", "manual")
        .file("usr/share/man/keep.1", "kept")
}

/// Notes what a stage sees: its own name, and whether the shell and the service are there.
fn note(file: &str) -> String {
    format!(
        "echo \"$MMDEBSTRAP_HOOK $(test -x \"$1/bin/sh\" && echo sh) \
         $(test -e \"$1/var/lib/service\" && echo service)\" >>{file}"
    )
}

#[test]
#[ignore = "needs root, dpkg"]
fn hooks_run_between_the_steps() {
    let context = TestContext::new([service()]);
    let directory = context.path("place");
    fs::create_dir(&directory).unwrap();
    let script = directory.join("customize50");
    fs::write(
        &script,
        "#!/bin/sh\necho from-directory >\"$1/etc/script\"\n",
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(directory.join("setup-not-executable"), "exit 1").unwrap();
    fs::write(directory.join("outside"), "from outside").unwrap();
    let seen = directory.join("seen").display().to_string();
    let mut words = vec![
        "--variant=minbase".to_owned(),
        "--include=service".to_owned(),
    ];
    for stage in ["setup", "extract", "essential", "customize"] {
        words.push("--hook".to_owned());
        words.push(format!("{stage}={}", note(&seen)));
    }
    words.push(format!("--hook-dir={}", directory.display()));
    for hook in [
        "customize-in-tree=echo $MMDEBSTRAP_SUITE $(id -u) >/etc/inside",
        "customize=copy-in place/outside /etc",
        "customize=upload place/outside /etc/renamed",
        "customize=copy-out /etc/inside place/out",
        "customize=download /etc/inside place/inside",
        "customize=tar-out /var/lib/dpkg place/dpkg.tar",
        "customize=test -e \"$1/proc/self\"",
        "customize=chroot \"$1\" sh -c 'echo x >/dev/null'",
    ] {
        words.push(format!("--hook={hook}"));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    context.make(&words).ok();
    assert_eq!(
        fs::read_to_string(&seen).unwrap(),
        "setup  \nextract sh \nessential sh \ncustomize sh service\n"
    );
    assert_eq!(context.read("etc/script"), "from-directory\n");
    assert_eq!(context.read("etc/inside"), "fake 0\n");
    assert_eq!(context.read("etc/outside"), "from outside");
    assert_eq!(context.read("etc/renamed"), "from outside");
    for name in ["out/inside", "inside"] {
        let copied = fs::read_to_string(directory.join(name)).unwrap();
        assert_eq!(copied, "fake 0\n", "{name}");
    }
    assert!(directory.join("dpkg.tar").metadata().unwrap().len() > 10_240);
    // Nothing of the hooks' mounts is on the host.
    assert_eq!(names(&context.root().join("proc")), Vec::<String>::new());
    context.assert_nothing_besides_target();
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_hook_that_fails_ends_the_run() {
    let context = TestContext::new([service()]);
    let rows = [
        ("setup=exit 3", "the setup hook `exit 3` failed"),
        ("extract=false", "the extract hook `false` failed"),
        (
            "essential-in-tree=exit 4",
            "the essential hook `exit 4` failed",
        ),
        (
            "customize=no-such-program",
            "cannot execute no-such-program",
        ),
        ("customize=copy-in no-such /etc", "copy-in: ./no-such"),
        (
            "customize=copy-in keyring.gpg /no/such",
            "root/no/such is not a directory",
        ),
        ("customize=download /etc place", "etc is not a file"),
    ];
    for (hook, words) in &rows {
        let failed = context.make(&["--variant=minbase", "--hook", hook]);
        failed.fails(7).names(&[words]);
        context.assert_nothing_left();
    }
    println!("{} cases", rows.len());
}

#[test]
fn words_that_are_no_hooks() {
    let context = TestContext::new([service()]);
    let rows = [
        ("customize", "expected STAGE=COMMAND"),
        ("later=x", "expected STAGE=COMMAND"),
        ("customize=", "expected STAGE=COMMAND"),
        ("setup-in-tree=x", "a setup hook cannot run in the tree"),
        ("setup=upload x", "upload needs at least one path"),
    ];
    for (hook, words) in &rows {
        context.make(&["--hook", hook]).fails(2).names(&[words]);
    }
    let empty = context.path("home").display().to_string();
    context
        .make(&["--hook-dir", &empty])
        .fails(2)
        .names(&["no executable file has the name of a stage"]);
    context
        .make(&["--foreign", "--hook", "setup=true"])
        .fails(2)
        .names(&["--hook and --hook-dir cannot be used with --foreign"]);
    println!("{} cases", rows.len() + 2);
    context.assert_no_deb_requested();
}

#[test]
#[ignore = "needs root, dpkg"]
fn configuration_is_obeyed_and_kept() {
    let context = TestContext::new([service()]);
    let file = context.path("place");
    fs::write(&file, "path-include=/usr/share/man/keep*").unwrap();
    context
        .make(&[
            "--variant=minbase",
            "--include=service",
            "--apt-opt=Acquire::Languages \"none\"",
            "--apt-opt=Acquire::Retries 1;",
            "--dpkg-opt=path-exclude=/usr/share/man/*",
            &format!("--dpkg-opt={}", file.display()),
            "--dpkg-opt=force-unsafe-io",
        ])
        .ok();
    assert_eq!(
        context.read("etc/apt/apt.conf.d/99rbootstrap"),
        "Acquire::Languages \"none\";\nAcquire::Retries 1;\n"
    );
    assert_eq!(
        context.read("etc/dpkg/dpkg.cfg.d/99rbootstrap"),
        "path-exclude=/usr/share/man/*\npath-include=/usr/share/man/keep*\nforce-unsafe-io\n"
    );
    let manuals = names(&context.root().join("usr/share/man"));
    assert_eq!(manuals, ["keep.1"]);
}

#[test]
fn configuration_that_would_choose_other_packages_is_refused() {
    let context = TestContext::new([service()]);
    let rows = [
        (
            "APT::Install-Recommends \"true\"",
            "recommended packages are never added",
        ),
        (
            "Apt { Install-Suggests yes; };",
            "suggested packages are never added",
        ),
        ("APT::Solver \"aspcud\"", "apt's own resolver"),
        ("APT::Default-Release \"sid\"", "pkg/suite"),
        ("APT::Architectures { \"i386\"; }", "--arch NATIVE,FOREIGN"),
        ("A \"b", "a quote is not closed"),
    ];
    for (setting, words) in &rows {
        let refused = context.make(&["--apt-opt", setting]);
        refused.fails(2).names(&[words]);
    }
    println!("{} cases", rows.len());
    let proxied = context.print_debs(&[
        "--apt-opt=Acquire::http::Proxy \"http://127.0.0.1:1\"",
        "--apt-opt=Acquire::Retries \"0\"",
    ]);
    proxied.fails(5);
    assert!(!Path::new(&context.root()).exists());
}

#[test]
#[ignore = "needs root"]
fn hooks_are_told_the_format() {
    let context = TestContext::new([]);
    let rows = [
        ("root", "directory"),
        ("x.tar.gz", "tar"),
        ("x.oci.tar", "oci"),
    ];
    for (target, format) in rows {
        let told = context.path("told").display().to_string();
        let hook = format!("--hook=setup=echo $MMDEBSTRAP_FORMAT >{told}; exit 1");
        let url = context.mirror.url();
        context
            .run(["--variant=essential", &hook, "fake", target, &url])
            .fails(7);
        assert_eq!(fs::read_to_string(told).unwrap().trim(), format, "{target}");
    }
    println!("{} cases", rows.len());
}
