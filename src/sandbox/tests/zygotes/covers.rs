//! Which scripts are covered, and that the covers are nowhere but in the sandbox.

use super::*;

#[test]
#[ignore = "needs root, perl"]
fn what_a_sandbox_or_a_tree_lacks_leaves_scripts_uncovered() {
    let covered = |tree: &Tree, options: &Options, without| {
        let report = Report::silent();
        let sandbox = Sandbox::open_without(&tree.root(), options, &report, without).unwrap();
        sandbox.cover_perl_scripts().unwrap();
        let env = shell("").env;
        sandbox.start_zygotes(&PerlScript::ALL, &env).unwrap();
        let script = "n=0; for s in /usr/share/debconf/frontend /usr/bin/deb-systemd-helper; do
            while read line; do case $line in *BEGIN*) n=$((n+1));; esac; done <$s; done 2>/dev/null; echo $n";
        said(&sandbox, script)
    };
    let all = sharing();
    let tree = perl_tree();
    write_script(&tree, &script("print 1"));
    assert_eq!(covered(&tree, &all, 0), "2\n");
    assert_eq!(covered(&tree, &Options::default(), 0), "0\n", "turned off");
    for without in [refused::PID, refused::MOUNT, refused::PID | refused::MOUNT] {
        assert_eq!(covered(&tree, &all, without), "0\n", "{without}");
    }
    write_script(&tree, "#!/usr/bin/perl\nuse strict;\n");
    assert_eq!(
        covered(&tree, &all, 0),
        "0\n",
        "no comment on the second line"
    );
    write_script(&tree, &script("print 1"));
    std::fs::remove_file(tree.path().join("usr/bin/deb-systemd-helper")).unwrap();
    assert_eq!(covered(&tree, &all, 0), "1\n", "one script is not there");
    let link = tree.path().join("usr/bin/deb-systemd-helper");
    std::os::unix::fs::symlink("/usr/share/debconf/frontend", link).unwrap();
    assert_eq!(covered(&tree, &all, 0), "2\n", "one script, by both names");
    let mut perl = std::fs::read(tree.path().join("usr/bin/perl")).unwrap();
    perl[18] ^= 1;
    std::fs::write(tree.path().join("usr/bin/perl"), perl).unwrap();
    assert_eq!(covered(&tree, &all, 0), "0\n", "perl for another machine");
    std::fs::remove_file(tree.path().join("usr/bin/perl")).unwrap();
    assert_eq!(covered(&tree, &all, 0), "0\n", "no perl");
}

#[test]
#[ignore = "needs root, perl"]
fn nothing_of_the_covers_is_in_the_tree() {
    let tree = perl_tree();
    let printing = |number: u32| script(&format!("{PRINT_IF_SERVED} print {number}"));
    write_script(&tree, &printing(1));
    let path = tree.path().join("usr/bin/deb-systemd-helper");
    let sandbox = covering(&tree, &sharing(), &Report::silent());
    let run = [READY, "/usr/bin/deb-systemd-helper"].concat();
    start_zygotes(&sandbox);
    assert_eq!(said(&sandbox, &run), "served 1");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), printing(1));
    assert!(!tree.path().join("dev/.rb").exists());
    // The host can replace a covered script, which is then no longer covered.
    std::fs::write(tree.path().join("new"), printing(2)).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(tree.path().join("new"), mode).unwrap();
    std::fs::rename(tree.path().join("new"), &path).unwrap();
    start_zygotes(&sandbox);
    assert_eq!(said(&sandbox, "/usr/bin/deb-systemd-helper"), "2");
}
