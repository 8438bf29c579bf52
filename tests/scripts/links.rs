//! Scripts that put links, nodes and endless files where the program works next.
//!
//! Each run must end, and the canary must be as it was. A tree that is no longer one ends the run
//! with an error that names what is wrong.

use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tar::{directory, fifo, file};

use super::table::{Case, run};

#[test]
#[ignore = "needs root, dpkg, perl"]
fn links_in_the_way() {
    let mut cases = staged();
    cases.extend(of_tidy());
    cases.extend(of_the_end());
    run("links", cases);
}

#[test]
#[ignore = "needs root, dpkg, perl"]
fn files_that_are_none() {
    run("database", of_the_database());
}

/// Links where packages are staged and placed.
fn staged() -> Vec<Case> {
    let wait_for_staging = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.05; done
for d in / /var/lib/dpkg /var/lib/dpkg/rbootstrap.tmp; do ls -a $d; done >/var/lib/seen";
    let replace = "perl -e 'sub walk { my $d = shift; opendir(my $h, $d) or return; for (readdir $h) {
  next if /^\\.\\.?$/; my $p = \"$d/$_\"; next if $p =~ m{^/(proc|sys|dev)}; lstat $p or next;
  if (-d _) { walk($p) } elsif (-f _ && -s _ == 21) { open(my $f, \"<\", $p); local $/;
  if (<$f> eq \"the-staged-file-of-bb\") { unlink $p; symlink(\"@CANARY@/file\", $p) } } } } walk(\"/\")'";
    vec![
        Case::postinst("staged-link", &format!("{wait_for_staging}\n{replace}")).then(|deb| {
            let staged = file("usr/share/bb", "the-staged-file-of-bb");
            deb.entry(staged.mode(0o6777).ids(1, 1))
        }),
        Case::postinst("staging-in-sight", wait_for_staging)
            .then(|deb| deb.file("usr/share/late", "x"))
            .looks(|root| {
                let seen = std::fs::read_to_string(root.join("var/lib/seen")).unwrap();
                match seen.contains("SLOT") {
                    true => Err(seen),
                    false => Ok(()),
                }
            }),
        // A daemon that exchanges what is placed: it must be gone by then.
        Case::postinst(
            "racing-fifos",
            "perl -e 'if (fork) { exit } setpgrp; open STDOUT, \">/dev/null\"; $SIG{TERM} = IGNORE;
while (1) { for (1 .. 50) { my $p = \"/usr/share/race/$_\"; if (-p $p) { unlink $p; symlink(\"@CANARY@/file\", $p) } } }' &",
        )
        .then(|mut deb| {
            for number in 1..50 {
                let path = format!("usr/share/race/{number}");
                deb = deb.entry(fifo(path, 0o6777).ids(1, 1));
            }
            deb
        }),
        Case::postinst(
            "racing-directories",
            "perl -e 'if (fork) { exit } open STDOUT, \">/dev/null\";
while (1) { for (1 .. 50) { my $p = \"/usr/share/race/$_\"; if (-d $p && ! -l $p) { rmdir $p; symlink(\"@CANARY@/open\", $p) } } }' &",
        )
        .then(|mut deb| {
            for number in 1..50 {
                let path = format!("usr/share/race/{number}");
                deb = deb.entry(directory(path).mode(0o700).ids(1, 1));
            }
            deb
        }),
        Case::postinst("linked-directory", "mkdir -p /usr/share; ln -s @CANARY@/open /usr/share/linked")
            .then(|deb| deb.file("usr/share/linked/others", "changed\n")),
        Case::postinst("relative-link", "ln -s ../../../../../../../../../..@CANARY@/open /usr/share/linked")
            .then(|deb| deb.file("usr/share/linked/others", "changed\n")),
        Case::postinst("made-linked-directory", "mkdir -p @CANARY@/open; ln -s @CANARY@/open /usr/share/linked")
            .then(|deb| deb.file("usr/share/linked/others", "changed\n")),
        Case::postinst("linked-file", "ln -s @CANARY@/file /usr/share/linked")
            .then(|deb| deb.file("usr/share/linked", "changed\n")),
        Case::postinst("linked-conffile", "ln -s @CANARY@/file /etc/linked")
            .then(|deb| deb.conffile("etc/linked", "changed\n")),
        Case::postinst("linked-new-file", "ln -s @CANARY@/file /usr/share/linked.dpkg-new")
            .then(|deb| deb.file("usr/share/linked", "changed\n")),
        Case::postinst("divert-to-canary", "mkdir -p @CANARY@; dpkg-divert --divert @CANARY@/file --rename --add /usr/share/diverted")
            .then(|deb| deb.file("usr/share/diverted", "changed\n")),
        Case::postinst("statoverride-climbs", "mkdir -p /usr/share; echo 'root root 6777 /usr/share/over' >>/var/lib/dpkg/statoverride; ln -s @CANARY@/file /usr/share/over")
            .then(|deb| deb.file("usr/share/over", "changed\n")),
    ]
}

/// Links where the tree is tidied at the end.
fn of_tidy() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, path) in [
        ("linked-tmp", "/tmp"),
        ("linked-run", "/run"),
        ("linked-log", "/var/log"),
        ("linked-cache", "/var/cache"),
        ("linked-lists", "/var/lib/apt/lists"),
        ("linked-archives", "/var/cache/apt/archives"),
        ("linked-debconf", "/var/cache/debconf"),
        ("linked-alternatives", "/etc/alternatives"),
    ] {
        let body = format!(
            "mkdir -p @CANARY@/open {path}; rm -rf {path}; mkdir -p $(dirname {path}); ln -s @CANARY@/open {path}"
        );
        cases.push(Case::postinst(name, &body));
        let relative = format!(
            "mkdir -p {path}; rm -rf {path}; ln -s ../../../../../../../..@CANARY@/open {path}"
        );
        cases.push(Case::postinst(&format!("{name}-upwards"), &relative));
    }
    cases.push(Case::postinst(
        "linked-partial",
        "mkdir -p @CANARY@/open /var/lib/apt/lists /var/cache/apt/archives
grep -q _apt /etc/passwd || echo '_apt:*:42:65534::/nonexistent:/bin/false' >>/etc/passwd
for p in /var/lib/apt/lists/partial /var/cache/apt/archives/partial; do rm -rf $p; ln -s @CANARY@/open $p; done",
    ));
    cases.push(Case::postinst(
        "linked-log-files",
        "mkdir -p /var/log/apt; for l in dpkg.log alternatives.log apt/history.log made.log; do ln -sf @CANARY@/file /var/log/$l; done",
    ));
    cases.push(Case::postinst("no-tmp", "rm -rf /tmp"));
    cases.push(Case::postinst("tmp-is-a-file", "rm -rf /tmp; echo x >/tmp"));
    cases.push(Case::postinst(
        "deep-tmp",
        "perl -e 'chdir \"/tmp\"; for (1 .. 200) { mkdir \"x\" x 200; chdir \"x\" x 200 or die }'",
    ));
    cases.push(Case::postinst(
        "deep-log",
        "perl -e 'chdir \"/var/log\"; for (1 .. 200) { mkdir \"x\" x 200; chdir \"x\" x 200 or die }'",
    ));
    cases
}

/// Links where the program writes and reads at the end of a run.
fn of_the_end() -> Vec<Case> {
    vec![
        Case::postinst("linked-machine-id", "ln -sf @CANARY@/file /etc/machine-id"),
        Case::postinst("linked-hostname", "ln -sf @CANARY@/file /etc/hostname"),
        Case::postinst(
            "linked-policy",
            "mkdir -p @CANARY@; rm -f /usr/sbin/policy-rc.d; ln -s @CANARY@/file /usr/sbin/policy-rc.d",
        ),
        Case::postinst(
            "policy-is-a-directory",
            "rm -f /usr/sbin/policy-rc.d; mkdir /usr/sbin/policy-rc.d",
        ),
        Case::postinst(
            "linked-start-stop-daemon",
            "p=$(readlink -f /usr/sbin/start-stop-daemon); rm -f $p; ln -s @CANARY@/file $p",
        ),
        Case::postinst(
            "linked-sbin",
            "cp -a /usr/sbin /usr/other; rm -rf /usr/sbin; ln -s @CANARY@/open /usr/sbin; exit 3",
        )
        .fails(7, &["linked-sbin", "postinst"]),
        Case::postinst(
            "linked-etc",
            "mv /etc /etc2; mkdir -p @CANARY@/open; ln -s @CANARY@/open /etc; cp -a /etc2/. /etc/",
        ),
        Case::postinst(
            "linked-extended-states",
            "mkdir -p /var/lib/apt; ln -sf @CANARY@/file /var/lib/apt/extended_states",
        ),
        Case::postinst("open-root", "chmod 0 /; chown 1000 /").with(&["--tar=tree.tar"]),
    ]
}

/// What replaces a file, as commands of a shell with `$p` for its path.
const REPLACEMENTS: [(&str, &str); 6] = [
    (
        "canary",
        "mkdir -p @CANARY@; cp $p @CANARY@/passwd; ln -sf @CANARY@/passwd $p",
    ),
    ("zero", "ln -sf /dev/zero $p"),
    ("loop", "ln -sf loop $p; ln -s loop $(dirname $p)/loop"),
    ("fifo", "rm $p; mkfifo $p"),
    ("directory", "rm $p; mkdir $p"),
    ("huge", "rm $p; truncate -s 1T $p"),
];

/// Files that are read after every call of dpkg, each with the exit codes of its replacements. 6 is
/// the program's, 7 the answer of the tree's dpkg.
const FILES: [(&str, &str, [i32; 6]); 8] = [
    ("status", "/var/lib/dpkg/status", [0, 0, 0, 0, 7, 0]),
    ("diversions", "/var/lib/dpkg/diversions", [0, 7, 7, 7, 7, 7]),
    (
        "statoverride",
        "/var/lib/dpkg/statoverride",
        [0, 6, 6, 6, 6, 6],
    ),
    ("passwd", "/etc/passwd", [0, 6, 6, 6, 6, 6]),
    ("group", "/etc/group", [0, 6, 6, 6, 6, 6]),
    (
        "triggers",
        "/var/lib/dpkg/triggers/File",
        [0, 6, 6, 6, 6, 6],
    ),
    (
        "unincorporated",
        "/var/lib/dpkg/triggers/Unincorp",
        [0, 0, 7, 7, 7, 7],
    ),
    ("list", "/var/lib/dpkg/info/dash.list", [0, 6, 6, 6, 6, 6]),
];

fn of_the_database() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, path, codes) in FILES {
        for ((how, command), code) in REPLACEMENTS.into_iter().zip(codes) {
            let body = format!("p={path}; [ -e $p ] || : >$p; {command}");
            let case = Case::postinst(&format!("{name}-{how}"), &body);
            let says: &[&str] = match code {
                6 => &["cannot read it"],
                _ => &[],
            };
            // dpkg waits for a writer of a FIFO.
            cases.push(case.with(&["--script-timeout=4s"]).fails(code, says));
        }
    }
    let says = &["etc/passwd: cannot read it", "not a regular file"];
    let preinst = "echo x >/etc/made; rm -f /etc/passwd; mkfifo /etc/passwd";
    cases.push(Case::script("passwd-in-preinst", "preinst", preinst).fails(6, says));
    let shipped = DebBuilder::new("passwd-shipped", "1").symlink("etc/passwd", "/dev/zero");
    cases.push(
        Case::of(shipped)
            .with(&["--variant=extract"])
            .fails(6, says),
    );
    cases
}
