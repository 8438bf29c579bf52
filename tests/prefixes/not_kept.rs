//! Systems of which no snapshot is kept: those with secrets, hooks or unsigned packages.

use rbootstrap::testing::DebBuilder;

use super::Images;

/// A case of what is not kept.
struct NotKept {
    name: &'static str,
    options: &'static [&'static str],
    script: &'static str,
    /// How many snapshots there are nevertheless.
    kept: usize,
    /// What is told.
    told: &'static str,
}

const NOT_KEPT: [NotKept; 12] = [
    NotKept {
        name: "nothing odd",
        options: &[],
        script: "true",
        kept: 2,
        told: "snapshot after step 4: ",
    },
    NotKept {
        name: "a private key",
        options: &[],
        script: "echo '-----BEGIN PRIVATE KEY-----' >/etc/key",
        kept: 0,
        told: "/etc/key is a private key",
    },
    NotKept {
        name: "a host key",
        options: &[],
        script: "mkdir -p /etc/ssh; echo x >/etc/ssh/ssh_host_rsa_key",
        kept: 0,
        told: "/etc/ssh/ssh_host_rsa_key is ssh host keys",
    },
    // It is emptied at the end.
    NotKept {
        name: "a machine ID",
        options: &[],
        script: "echo 0123456789abcdef0123456789abcdef >/etc/machine-id",
        kept: 1,
        told: "/etc/machine-id is the machine ID",
    },
    NotKept {
        name: "a password",
        options: &[],
        script: "mkdir -p /var/cache/debconf; echo 'Value: x' >/var/cache/debconf/passwords.dat",
        kept: 0,
        told: "an answer to a question for a password",
    },
    NotKept {
        name: "a key that is no text",
        options: &[],
        script: "mkdir -p /etc/munge; echo x >/etc/munge/munge.key",
        kept: 0,
        told: "/etc/munge/munge.key is MUNGE's key",
    },
    NotKept {
        name: "a user's password",
        options: &[],
        script: "echo 'admin:$y$j9T$x:1::::::' >>/etc/shadow",
        kept: 0,
        told: "/etc/shadow is a list with passwords",
    },
    // The packages of the base are known.
    NotKept {
        name: "a private file, after packages of the user's",
        options: &["--snapshots=all", "--include=other"],
        script: "echo x >/etc/own; chmod 640 /etc/own",
        kept: 1,
        told: "only some users can read /etc/own,",
    },
    NotKept {
        name: "a file in a private directory",
        options: &["--snapshots=all", "--include=other"],
        script: "mkdir -m 750 /etc/own; mkdir /etc/own/below; echo x >/etc/own/below/file",
        kept: 1,
        told: "only some users can read /etc/own/below/file",
    },
    NotKept {
        name: "a hook before the packages",
        options: &["--hook=setup=true"],
        script: "true",
        kept: 0,
        told: "",
    },
    NotKept {
        name: "a hook after the packages",
        options: &["--hook=customize=true"],
        script: "true",
        kept: 1,
        told: "snapshot after step 4: ",
    },
    NotKept {
        name: "no signatures",
        options: &["--no-check-gpg"],
        script: "true",
        kept: 0,
        told: "",
    },
];

#[test]
#[ignore = "needs root, dpkg, setcap"]
fn what_has_a_secret_or_no_signature_is_not_kept() {
    for case in NOT_KEPT {
        let essential = DebBuilder::new("secretive", "1").field("Essential", "yes");
        let essential = essential.script("postinst", case.script);
        let images = Images::new(vec![essential, DebBuilder::new("other", "1")]);
        let made = images.run(case.options);
        let name = case.name;
        assert!(made.stderr.contains(case.told), "{name}: {}", made.stderr);
        let kept = images.snapshots().len();
        assert_eq!(kept, case.kept, "{name}: {}", made.stderr);
    }
    println!("not kept: {} cases, 0 failed", NOT_KEPT.len());
}
