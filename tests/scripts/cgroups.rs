//! Scripts that take more processes or memory than there may be. What bounds them are control
//! groups, which not every host lets us make.

use super::table::{Case, run};

#[test]
#[ignore = "needs root, dpkg, perl, cgroups"]
fn processes_and_memory() {
    let bomb = "perl -e 'my $n = 0; while (1) { my $p = fork; if (!defined $p) { exit 0 }
if (!$p) { sleep 1000; exit } exit 1 if ++$n > 20000 }'";
    let tree = "perl -e '$SIG{CHLD} = IGNORE; setpgrp; if (fork) { sleep 4; exit 0 }
while (1) { fork; select undef, undef, undef, 0.001 }'";
    let hog = |name: &str, body: &str| {
        Case::postinst(name, body)
            .with(&["--script-memory=100M", "--script-timeout=60s"])
            .fails(7, &["more than 100 MiB of memory", "--script-memory"])
    };
    let take = |size: u32| format!("perl -e '$x = \"x\" x {size}; sleep 2'");
    let many = format!(
        "for i in 1 2 3 4 5; do {} & done; wait; exit 3",
        take(40_000_000)
    );
    let cases = vec![
        Case::postinst("fork-bomb", bomb).says(&["could not start more than 8192 processes"]),
        Case::postinst("branching-bomb", tree).says(&["could not start more than 8192 processes"]),
        hog("memory-hog", &take(400_000_000)).says(&["memory-hog"]),
        hog("memory-of-many", &many),
        // The shared memory of a sandbox ends with it alone.
        hog("memory-in-files", "head -c 400000000 /dev/zero >/dev/shm/x"),
        Case::postinst("enough-memory", &take(40_000_000)).with(&["--script-memory=200M"]),
    ];
    run("control groups", cases);
}
