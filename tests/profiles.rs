//! Secrets that scripts make, and the profiles that remove them and set an image up.

use std::fs;

use rbootstrap::testing::DebBuilder;

use crate::context::TestContext;

const KEY: &str = "-----BEGIN PRIVATE KEY-----";

/// A package whose script makes secrets, and which ships an example of a key.
fn service() -> DebBuilder {
    let make = format!(
        "mkdir -p /etc/ssh /etc/nvme /etc/iscsi /srv
         echo public >/etc/ssh/ssh_host_rsa_key.pub
         for file in /etc/ssh/ssh_host_rsa_key /srv/odd.name; do echo {KEY} >$file; done
         ln -s odd.name /srv/link
         ln -s /srv/odd.name /srv/other-link
         ln -s harmless /srv/kept-link
         echo 1234 >/etc/nvme/hostid
         echo InitiatorName=x >/etc/iscsi/initiatorname.iscsi
         chmod 600 /etc/iscsi/initiatorname.iscsi
         echo harmless >/srv/harmless
         : >/etc/machine-id"
    );
    DebBuilder::new("service", "1")
        .file("usr/share/service/example.key", KEY)
        .script("postinst", &make)
}

const FOUND: &str = "/etc/iscsi/initiatorname.iscsi (the iSCSI initiator's name), /etc/nvme/hostid \
                     (the NVMe host's identity), /etc/ssh/ssh_host_rsa_key (ssh host keys), \
                     /etc/ssh/ssh_host_rsa_key.pub (ssh host keys), /srv/odd.name (a private key)";

/// Of files that scripts made, and not of those that packages ship.
#[test]
#[ignore = "needs root, dpkg"]
fn secrets_that_scripts_make_are_named() {
    let context = TestContext::new([service()]);
    for options in [
        &["--variant=essential", "--include=service"][..],
        &[
            "--variant=essential",
            "--include=service",
            "--profile=docker",
            "--keep-secrets",
        ],
    ] {
        let made = context.make(options).ok();
        let words = format!(
            "warning: the image contains secrets made while building, which every copy of it \
             shares: {FOUND}\n"
        );
        assert!(made.stderr.contains(&words), "{}", made.stderr);
        assert!(context.root().join("srv/odd.name").exists());
        fs::remove_dir_all(context.root()).unwrap();
    }

    let plain = TestContext::new([]);
    let made = plain.make(&["--variant=essential"]).ok();
    assert!(!made.stderr.contains("secret"), "{}", made.stderr);
}

/// A package's configuration with a password in it stays and is named, whatever the profile.
#[test]
#[ignore = "needs root, dpkg"]
fn configuration_with_a_password_is_never_removed() {
    let director = "mkdir -p /etc/bacula /etc/nvme
                    echo 'Password = x' >/etc/bacula/bacula-dir.conf
                    echo 1234 >/etc/nvme/hostid";
    let package = DebBuilder::new("director", "1").script("postinst", director);
    let context = TestContext::new([package]);
    let made = context
        .make(&[
            "--variant=minbase",
            "--include=director",
            "--profile=docker",
        ])
        .ok();
    for words in [
        "removed secrets made while building: /etc/nvme/hostid (the NVMe host's identity)\n",
        "warning: the image contains secrets made while building, which every copy of it shares: \
         /etc/bacula/bacula-dir.conf (passwords of Bacula)\n",
    ] {
        assert!(made.stderr.contains(words), "{}", made.stderr);
    }
    let kept = context.read("etc/bacula/bacula-dir.conf");
    assert_eq!(kept, "Password = x\n");
}

#[test]
#[ignore = "needs root, dpkg"]
fn the_docker_profile_sets_an_image_up_and_removes_secrets() {
    let context = TestContext::new([service()]);
    let made = context
        .make(&["--variant=minbase", "--include=service", "--profile=docker"])
        .ok();
    let words = format!("removed secrets made while building: {FOUND}");
    assert!(made.stderr.contains(&words), "{}", made.stderr);
    let mut cases = 0;
    for (path, expected) in [
        ("usr/sbin/policy-rc.d", Some("f 0755 0:0")),
        ("etc/dpkg/dpkg.cfg.d/docker-apt-speedup", Some("f 0644 0:0")),
        ("etc/apt/apt.conf.d/docker-clean", Some("f 0644 0:0")),
        ("var/lib/apt/lists", Some("d 0755 0:0")),
        ("var/lib/apt/lists/partial", None),
        ("var/cache/apt", Some("d 0755 0:0")),
        ("var/cache/apt/archives", None),
        ("etc/ssh/ssh_host_rsa_key", None),
        ("etc/ssh/ssh_host_rsa_key.pub", None),
        ("etc/nvme/hostid", None),
        ("srv/odd.name", None),
        ("srv/link", None),
        ("srv/other-link", None),
        ("srv/kept-link", Some("l 0777 0:0")),
        ("srv/harmless", Some("f 0644 0:0")),
        ("usr/share/service/example.key", Some("f 0644 0:0")),
        ("etc/iscsi/initiatorname.iscsi", Some("f 0600 0:0")),
    ] {
        let line = context.line(path);
        let start = expected.unwrap_or("entity not found");
        assert!(line.starts_with(start), "{path}: {line}");
        cases += 1;
    }
    println!("docker profile: {cases} cases");
    let name = context.read("etc/iscsi/initiatorname.iscsi");
    assert_eq!(name, "GenerateName=yes\n");
    assert!(
        context
            .read("usr/sbin/policy-rc.d")
            .starts_with("#!/bin/sh\n")
    );

    // Only what the user has named counts as installed by the user.
    let states = context.read("var/lib/apt/extended_states");
    assert!(
        states.contains("Package: dpkg\n") && states.contains("Package: apt\n"),
        "{states}"
    );
    assert!(!states.contains("Package: service\n"), "{states}");
}

/// Documentation and translations, but no licence, and not what the user wants after all.
#[test]
#[ignore = "needs root, dpkg"]
fn slim_leaves_out_documentation_and_translations() {
    let paths = [
        ("usr/share/doc/one/copyright", true),
        ("usr/share/doc/one/changelog.gz", false),
        ("usr/share/doc/one/examples/run", false),
        ("usr/share/info/one.info", false),
        ("usr/share/lintian/overrides/one", false),
        ("usr/share/lintian/one", true),
        ("usr/share/locale/de/LC_MESSAGES/one.mo", false),
        ("usr/share/locale/locale.alias", true),
        ("usr/share/man/man1/one.1", false),
        ("usr/share/man/de/man1/one.1", true),
        ("usr/share/one", true),
    ];
    let mut one = DebBuilder::new("one", "1");
    for (path, _) in paths {
        one = one.file(path, "x");
    }
    let context = TestContext::new([one]);
    for options in [
        &["--slim"][..],
        &["--profile=slim"],
        &["--profile=docker", "--slim"],
    ] {
        let mut all = vec!["--variant=essential", "--include=one"];
        all.extend(options);
        all.push("--path-include=/usr/share/man/de/*");
        context.make(&all).ok();
        for (path, is_there) in paths {
            assert_eq!(context.root().join(path).exists(), is_there, "{path}");
        }
        let line = context.line("usr/share/man/man1");
        assert!(line.starts_with("d 0755 0:0"), "{line}");
        let rules = context.read("etc/dpkg/dpkg.cfg.d/rbootstrap-paths");
        assert!(rules.contains("path-exclude=/usr/share/doc/*\n"), "{rules}");
        assert!(
            rules.ends_with("path-include=/usr/share/man/de/*\n"),
            "{rules}"
        );
        let is_docker = context.root().join("usr/sbin/policy-rc.d").exists();
        assert_eq!(is_docker, options.len() > 1);
        fs::remove_dir_all(context.root()).unwrap();
    }
    println!("slim: {} paths", paths.len());
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_users_profile_takes_the_place_of_one_of_its_name() {
    let context = TestContext::new([]);
    let directory = context.path("home/.config/rbootstrap/profiles");
    fs::create_dir_all(&directory).unwrap();
    let text = "[[files]]\npath = \"/srv/own\"\ncontent = \"x\"\n\n\
                [[files]]\npath = \"/srv/apt\"\npackage = \"apt\"\ncontent = \"x\"\n";
    for name in ["docker.toml", "other.toml"] {
        fs::write(directory.join(name), text).unwrap();
    }
    let path = directory.join("other.toml").display().to_string();
    for profile in ["docker", "other", &path] {
        let option = format!("--profile={profile}");
        context.make(&["--variant=essential", &option]).ok();
        assert_eq!(context.read("srv/own"), "x", "{profile}");
        assert!(!context.root().join("srv/apt").exists());
        assert!(!context.root().join("usr/sbin/policy-rc.d").exists());
        fs::remove_dir_all(context.root()).unwrap();
    }
}

#[test]
fn bad_profiles_are_named() {
    let context = TestContext::new([]);
    let bad = context.path("home/bad.toml");
    fs::write(&bad, "[[files]]\npath = \"etc/x\"\ncontent = \"\"\n").unwrap();
    let bad = bad.display().to_string();
    for (profile, words) in [
        ("podman", &["podman", "docker"][..]),
        ("./missing.toml", &["./missing.toml"]),
        (&bad, &["bad.toml", "`etc/x` is not the absolute path"]),
    ] {
        let option = format!("--profile={profile}");
        context.make(&[&option]).fails(2).names(words);
        context.assert_nothing_left();
    }
    context
        .make(&["--keep-secrets"])
        .fails(2)
        .names(&["--profile"]);
    context
        .make(&["--profile=docker", "--foreign"])
        .fails(2)
        .names(&["--profile", "--foreign"]);
}
