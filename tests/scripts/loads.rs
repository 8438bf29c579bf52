//! Scripts that leave processes, write without end or take what there is, and yet succeed.

use super::table::{Case, run};

#[test]
#[ignore = "needs root, dpkg, perl"]
fn loads() {
    let mut cases = daemons();
    cases.extend(output());
    cases.extend(resources());
    run("loads", cases);
}

/// Processes that outlive their script. None may run when the next step begins.
fn daemons() -> Vec<Case> {
    let note = "echo still here >/usr/share/daemon-was-here; sleep 0.02";
    let check = |name: &str, start: &str| {
        Case::postinst(
            name,
            &start.replace("LOOP", &format!("while :; do {note}; done")),
        )
        .then(|deb| deb.file("usr/share/later", "x"))
        .says(&["processes running"])
    };
    vec![
        check("background", "(LOOP) &"),
        check("quiet-background", "(LOOP) </dev/null >/dev/null 2>&1 &"),
        check("double-fork", "( ( (LOOP) & ) & )"),
        check("own-session", "setsid sh -c 'LOOP' &"),
        check("deaf", "(trap '' TERM INT HUP QUIT PIPE; LOOP) &"),
        check("stopped", "sleep 1000 & kill -STOP $!"),
        check(
            "many",
            "i=0; while [ $i -lt 100 ]; do sleep 1000 & i=$((i+1)); done",
        ),
        check(
            "other-user",
            "perl -e 'if (fork) { exit } $) = $( = 65534; $> = $< = 65534; sleep 1000'",
        ),
        check(
            "forking",
            "perl -e 'if (fork) { exit } $SIG{CHLD} = IGNORE; while (1) { fork and exit; select undef, undef, undef, 0.001 }'",
        ),
        Case::script(
            "daemon-of-preinst",
            "preinst",
            "(trap '' TERM; sleep 1000) & echo x >/etc/made",
        )
        .says(&["processes running"]),
        Case::postinst(
            "daemon-of-trigger",
            "[ \"$1\" != triggered ] || (sleep 1000 &)",
        )
        .then(|deb| deb.file("usr/share/heard/x", "x"))
        .triggers("interest-noawait /usr/share/heard")
        .says(&["processes running"]),
        Case::postinst("no-daemon", "sleep 0.01 & wait").never_says(&["processes running"]),
    ]
}

fn output() -> Vec<Case> {
    let yes = "yes | head -c";
    vec![
        Case::postinst("yes", &format!("{yes} 1073741824"))
            .says(&["more bytes of output were dropped"]),
        Case::postinst("no-newline", "tr '\\0' x </dev/zero | head -c 268435456"),
        Case::postinst("binary", "head -c 16777216 /dev/urandom"),
        Case::postinst(
            "imitated-dpkg",
            "yes 'Setting up you (1) ...' | head -c 16777216",
        ),
        Case::postinst(
            "imitated-error",
            "yes 'dpkg: error processing package dash (--configure):' | head -c 16777216",
        ),
        Case::postinst(
            "control-characters",
            "printf '\\033]0;title\\007\\033[2J\\033[31mred\\r\\b\\0\\177\\302\\233' ",
        )
        .says(&["\\x1b]0;title\\x07", "\\x1b[2J"]),
        Case::postinst("closed-output", "exec >&- 2>&- <&-; sleep 0.01 || true"),
        Case::postinst("full-output", "exec >/dev/full 2>&1; echo x || true"),
        Case::postinst(
            "held-output",
            "perl -e 'if (fork) { exit } sleep 1000' & yes | head -c 1000000",
        ),
    ]
}

fn resources() -> Vec<Case> {
    vec![
        Case::postinst(
            "descriptors",
            "perl -e 'my @f; while (open(my $f, \"<\", \"/dev/null\")) { push @f, $f; last if @f > 2e6 } exit(@f > 1100000)'",
        ),
        Case::postinst(
            "staging",
            "cd /var/lib/dpkg/rbootstrap.tmp && [ -z \"$(ls -A)\" ] && ! touch x 2>/dev/null",
        ),
        Case::postinst("full-dev", "head -c 10000000 /dev/zero >/dev/fill || true"),
        Case::postinst(
            "nested",
            "perl -e 'chdir \"/usr/share\"; for (1 .. 200) { mkdir \"n\" x 200; chdir \"n\" x 200 or die }'",
        ),
        Case::postinst(
            "many-files",
            "mkdir /usr/share/many; perl -e 'for (1 .. 20000) { open(my $f, \">\", \"/usr/share/many/$_\") }'",
        ),
        Case::postinst("sparse", "truncate -s 4T /usr/share/sparse"),
        Case::postinst("closed-directories", "chmod 0 /usr/share /var/log"),
        Case::postinst(
            "odd-names",
            "perl -e 'for (1 .. 255) { next if $_ == 47; open(my $f, \">\", \"/usr/share/\" . chr($_)) }'",
        ),
        Case::postinst(
            "no-info",
            "rm -rf /var/lib/dpkg/info/hello.*; touch /var/lib/dpkg/info/x.list",
        ),
    ]
}
