//! Scripts that end the run: they never end, or they break what the run needs. Nothing stays, and
//! the error names package, script and option.

use super::table::{Case, run};

const TIMEOUT: &[&str] = &["--script-timeout=2s"];
const HINT: &str = "--script-timeout";

#[test]
#[ignore = "needs root, dpkg, perl"]
fn scripts_that_never_end() {
    let late = |name: &str, body: &str| {
        Case::postinst(name, body)
            .with(TIMEOUT)
            .fails(7, &["did not end within 2 s", "postinst", HINT])
    };
    let cases = vec![
        late("sleeps", "sleep 1000000").says(&["the postinst script of sleeps did not end"]),
        late(
            "deaf-sleeper",
            "trap '' TERM INT HUP QUIT; while :; do sleep 1000; done",
        ),
        late("stops-dpkg", "kill -STOP $PPID"),
        late("stops-itself", "kill -STOP $$"),
        late("stops-all", "kill -STOP -1; sleep 1000"),
        late("spins", "while :; do :; done"),
        late("reads-fifo", "mkfifo /tmp/f; cat /tmp/f"),
        late("reads-terminal", "cat /dev/pts/ptmx"),
        late("writes-for-ever", "yes"),
        late("quiet-daemon", "exec >/dev/null 2>&1; sleep 1000 & wait"),
        late("double-forks-and-waits", "setsid sleep 1000 & wait"),
        late(
            "forks-for-ever",
            "perl -e '$SIG{CHLD} = IGNORE; my $n = 0; while ($n < 3000) { my $p = fork; if (!defined $p) { last } $n++; if (!$p) { sleep 1000; exit } } sleep 1000'",
        ),
        Case::script("sleeping-preinst", "preinst", "sleep 1000")
            .with(TIMEOUT)
            .fails(
                7,
                &[
                    "the preinst script of sleeping-preinst did not end within 2 s",
                    HINT,
                ],
            ),
        Case::postinst("sleeping-trigger", "[ \"$1\" != triggered ] || sleep 1000")
            .then(|deb| deb.file("usr/share/heard/x", "x"))
            .triggers("interest-noawait /usr/share/heard")
            .with(TIMEOUT)
            .fails(
                7,
                &["the postinst script of sleeping-trigger did not end", HINT],
            ),
        // Each has its own time.
        Case::postinst("takes-a-while", "sleep 3")
            .then(|deb| deb.script("postinst", "sleep 3"))
            .with(&["--script-timeout=5s"]),
        Case::postinst("no-limit", "sleep 0.1").with(&["--script-timeout=0"]),
    ];
    run("endless", cases);
}

#[test]
#[ignore = "needs root, dpkg, perl"]
fn scripts_that_fail() {
    let fails = |name: &str, body: &str| Case::postinst(name, body).fails(7, &[]);
    let cases = vec![
        fails("exits", "exit 3").says(&["the postinst script of exits failed with exit status 3"]),
        fails(
            "fails-in-flood",
            "yes | head -c 100000000; echo the-reason; exit 3",
        )
        .says(&[
            "the postinst script of fails-in-flood failed with exit status 3",
            "\n      the-reason",
        ]),
        fails("fails-with-control", "printf '\\033[2J\\n'; exit 3").says(&["\\x1b[2J"]),
        fails("kills-itself", "kill -9 $$").says(&["kills-itself", "Killed"]),
        fails("kills-dpkg", "kill -9 $PPID; sleep 1000"),
        fails("kills-all", "kill -9 -1"),
        Case::postinst("kills-pid-1", "kill -9 1; kill -STOP 1; kill -SEGV 1"),
        fails("aborts", "kill -ABRT $$"),
        fails("leaves-and-fails", "setsid sleep 1000 & exit 3"),
        fails(
            "deep-and-fails",
            "perl -e 'chdir \"/usr/share\"; for (1 .. 200) { mkdir \"x\" x 200; chdir \"x\" x 200 or die }'; exit 3",
        ),
        fails("closed-and-fails", "chmod 0 /usr/share /usr /; exit 3"),
        fails("removes-dpkg", "rm -f /usr/bin/dpkg; exit 3"),
        fails("removes-database", "rm -rf /var/lib/dpkg; exit 3"),
        fails(
            "removes-all",
            "perl -e 'exit 3' & rm -rf /usr 2>/dev/null; exit 3",
        ),
        fails(
            "links-tmp-and-fails",
            "rm -rf /tmp; ln -s @CANARY@/open /tmp; exit 3",
        ),
        fails(
            "links-all-and-fails",
            "for p in etc home var/tmp var/log; do rm -rf /$p; ln -s @CANARY@/open /$p; done; exit 3",
        ),
        Case::script(
            "preinst-links",
            "preinst",
            "rm -rf /var/tmp; ln -s @CANARY@/open /var/tmp; exit 3",
        )
        .fails(
            7,
            &["the preinst script of preinst-links failed with exit status 3"],
        ),
        Case::script(
            "preinst-leaves",
            "preinst",
            "setsid sleep 1000 & echo x >/etc/made; exit 3",
        )
        .fails(7, &[]),
        Case::postinst("replaces-dpkg", "cp /bin/true /usr/bin/dpkg").fails(7, &["replaces-dpkg"]),
        Case::postinst(
            "replaces-sh",
            "rm /bin/sh; ln -s @CANARY@/closed/program /bin/sh",
        ),
        Case::script("no-interpreter", "preinst", "true")
            .interpreter("/no/such")
            .fails(7, &["no-interpreter"]),
        Case::script("canary-interpreter", "preinst", "true")
            .interpreter("@CANARY@/closed/program")
            .fails(7, &[]),
    ];
    run("failing", cases);
}
