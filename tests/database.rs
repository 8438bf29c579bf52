//! Hard cases of what dpkg decides: conffiles, diversions, overrides, triggers, Replaces, the order of scripts; held against apt and dpkg.

use std::fs;

use crate::unpacking::same_as_dpkg;
use crate::world::deb::{Deb, Entry, Kind};
use crate::world::{World, host_architecture, reference, suite};

#[test]
fn no_md5sums_member() {
    let mut deb = Deb::new("sumless", "1")
        .file("usr/share/sumless/a", "a\n")
        .hardlink("usr/share/sumless/b", "usr/share/sumless/a")
        .conffile("etc/sumless", "c\n");
    deb.md5sums = false;
    let Some(world) = same_as_dpkg([deb], &["sumless"]) else { return };
    assert!(world.read("var/lib/dpkg/info/sumless.md5sums").contains("60b725f10c9c85c70d97880dfe8191b3  usr/share/sumless/a"));
}

#[test]
fn further_control_members() {
    let deb = Deb::new("members", "1")
        .member("templates", 0o644, "Template: x\n")
        .member("symbols", 0o644, "x\n")
        .member("shlibs", 0o644, "x 1 x\n")
        .member("config", 0o755, "#!/bin/sh\n")
        .script("prerm", "true")
        .script("postrm", "true")
        .member("odd.name", 0o644, "x")
        .file("usr/share/members", "x");
    same_as_dpkg([deb], &["members"]);
}

#[test]
fn conffiles_with_and_without_a_target() {
    let deb = Deb::new("conf", "1")
        .conffile("etc/conf/plain", "plain\n")
        .conffile("etc/conf/below/deep", "deep\n")
        .entry(Entry::new("etc/conf/private", Kind::File(b"secret\n".into())).mode(0o600));
    let mut deb = deb.field("Section", "misc");
    deb.conffiles.push("/etc/conf/private".to_owned());
    let Some(world) = same_as_dpkg([deb], &["conf"]) else { return };
    assert!(!world.read("var/lib/dpkg/status").contains("newconffile"));
}

#[test]
fn a_conffile_behind_a_symlink() {
    let first = Deb::new("first", "1").directory("etc/real").symlink("etc/alias", "real");
    let second = Deb::new("second", "1").field("Pre-Depends", "first").conffile("etc/alias/setting", "on\n");
    let Some(world) = same_as_dpkg([first, second], &["second"]) else { return };
    assert_eq!(world.read("etc/real/setting"), "on\n");
}

#[test]
fn a_conffile_that_a_preinst_put_there() {
    let put = |content: &str| format!("mkdir -p /etc/conf; printf '{content}\\n' >/etc/conf/setting");
    let same = Deb::new("same", "1").script("preinst", &put("shipped")).conffile("etc/conf/setting", "shipped\n");
    same_as_dpkg([same], &["same"]);
    // dpkg would ask whose is to stay, and there is nobody to answer: apt fails on it too.
    let other = Deb::new("other", "1").script("preinst", &put("mine")).conffile("etc/conf/setting", "shipped\n");
    let Some(world) = World::new([other]) else { return };
    world.make(&["--variant=essential", "--include=other"]).fails(7).names(&["other", "/etc/conf/setting"]);
    world.assert_nothing_left();
}

#[test]
fn an_obsolete_conffile_line() {
    let mut deb = Deb::new("conf", "1").conffile("etc/conf", "here\n");
    deb.conffiles.push("remove-on-upgrade /etc/conf.gone".to_owned());
    same_as_dpkg([deb], &["conf"]);
}

#[test]
fn a_preinst_diverts_for_its_own_package() {
    let first = Deb::new("first", "1").program("usr/bin/tool", "#!/bin/sh\necho first\n");
    let preinst = "dpkg-divert --package second --add --rename --divert /usr/bin/tool.first /usr/bin/tool";
    let second = Deb::new("second", "1")
        .field("Pre-Depends", "first")
        .script("preinst", preinst)
        .program("usr/bin/tool", "#!/bin/sh\necho second\n");
    let Some(world) = same_as_dpkg([first, second], &["second"]) else { return };
    assert!(world.read("usr/bin/tool").contains("second"));
    assert!(world.read("usr/bin/tool.first").contains("first"));
}

#[test]
fn a_path_that_an_earlier_package_diverted() {
    let preinst = "dpkg-divert --package first --add --rename --divert /usr/share/data/list.distrib /usr/share/data/list";
    let first = Deb::new("first", "1").script("preinst", preinst).file("usr/share/data/list", "first\n");
    let second = Deb::new("second", "1")
        .field("Pre-Depends", "first")
        .file("usr/share/data/list", "second\n")
        .hardlink("usr/share/data/again", "usr/share/data/list");
    let Some(world) = same_as_dpkg([first, second], &["second"]) else { return };
    assert_eq!(world.read("usr/share/data/list.distrib"), "second\n");
    assert!(world.read("var/lib/dpkg/info/second.list").contains("/usr/share/data/list\n"));
}

#[test]
fn a_local_diversion() {
    let first = Deb::new("first", "1").script("preinst", "dpkg-divert --local --add --rename --divert /usr/share/x.off /usr/share/x");
    let second = Deb::new("second", "1").field("Pre-Depends", "first").file("usr/share/x", "x\n");
    let Some(world) = same_as_dpkg([first, second], &["second"]) else { return };
    assert_eq!(world.read("usr/share/x.off"), "x\n");
}

#[test]
fn a_statoverride_in_preinst() {
    let first = Deb::new("first", "1").script(
        "preinst",
        "dpkg-statoverride --add man shadow 2750 /usr/bin/guarded\ndpkg-statoverride --add root man 0770 /var/lib/guarded",
    );
    let second = Deb::new("second", "1").field("Pre-Depends", "first").program("usr/bin/guarded", "x").directory("var/lib/guarded");
    let Some(world) = same_as_dpkg([first, second], &["second"]) else { return };
    assert!(world.line("usr/bin/guarded").starts_with("f 2750 6:42"), "{}", world.line("usr/bin/guarded"));
}

#[test]
fn a_user_made_in_preinst_owns_files() {
    let preinst = "echo 'svc:*:101:101::/:/bin/sh' >>/etc/passwd\necho 'svc:*:101:' >>/etc/group";
    let deb = Deb::new("service", "1")
        .script("preinst", preinst)
        .entry(Entry::new("var/lib/service/data", Kind::File(b"x".into())).owned((0, "svc"), (0, "svc")));
    let Some(world) = same_as_dpkg([deb], &["service"]) else { return };
    assert!(world.line("var/lib/service/data").starts_with("f 0644 101:101"));
}

#[test]
fn scripts_see_what_dpkg_shows_them() {
    let note = |name: &str| {
        format!(
            "{{ echo {name} \"$@\"; env | grep -E '^(DPKG|DEB|LC_|LANG|HOME|SOURCE|TMPDIR|APT_)' | sort | grep -v DPKG_RUNNING; pwd; id -u; ls -l /proc/self/fd/0 2>/dev/null | sed 's/.* //'; }} >>/var/lib/note"
        )
    };
    let deb = |name: &str| {
        Deb::new(name, "1.5-2")
            .script("preinst", &note("preinst"))
            .script("postinst", &note("postinst"))
            .file(&format!("usr/share/{name}"), "x")
    };
    let status = "dpkg-query -W -f '${Package} ${Version} ${Status}\\n' >>/var/lib/note-status";
    let second = Deb::new("second", "1").depends("first").script("preinst", status).script("postinst", status);
    let world = World::new([deb("first"), second]);
    let Some(world) = world else { return };
    world.make(&["--variant=essential", "--include=second"]).ok();
    let expected = world.path("expected");
    reference::tree(&world, &expected, &["second"]);
    let read = |root: &std::path::Path, name: &str| fs::read_to_string(root.join("var/lib").join(name)).unwrap();
    assert_eq!(read(&world.root(), "note-status"), read(&expected, "note-status"));
    // apt adds names of its own (DPKG_FRONTEND_LOCKED…); the chroot of the reference has no /proc.
    let foreign = ["FRONTEND", "HOOK", "APT_CONFIG", "DPKG_COLORS"];
    let own = |text: String| -> Vec<String> {
        let is_own = |line: &&str| !line.starts_with('/') && !foreign.iter().any(|name| line.contains(name));
        text.lines().filter(is_own).map(str::to_owned).collect()
    };
    assert_eq!(own(read(&world.root(), "note")), own(read(&expected, "note")));
}

#[test]
fn preinsts_run_in_apts_order_before_their_own_files() {
    let chain = ["third", "second", "first"];
    let mut debs = Vec::new();
    for (at, name) in chain.iter().enumerate() {
        let mut deb = Deb::new(name, "1").file(&format!("usr/share/{name}"), "x");
        deb = deb.script("preinst", &format!("{{ echo {name}; ls /usr/share | grep -xE 'first|second|third' || true; }} >>/var/lib/order"));
        deb = deb.script("postinst", &format!("echo {name} configured >>/var/lib/order"));
        if let Some(needed) = chain.get(at + 1) {
            deb = deb.field("Pre-Depends", needed);
        }
        debs.push(deb);
    }
    let Some(world) = same_as_dpkg(debs, &["third"]) else { return };
    let order = world.read("var/lib/order");
    assert_eq!(
        order.lines().collect::<Vec<_>>(),
        ["first", "first configured", "second", "first", "second configured", "third", "first", "second", "third configured"]
    );
}

#[test]
fn dependencies_that_go_round_in_a_circle() {
    let debs = [("ring-a", "ring-b"), ("ring-b", "ring-c"), ("ring-c", "ring-a")]
        .map(|(name, needs)| Deb::new(name, "1").depends(needs).file(&format!("usr/share/{name}"), "x").script("postinst", "true"));
    same_as_dpkg(debs, &["ring-b"]);
}

#[test]
fn a_named_trigger_before_and_after_its_interest() {
    let hear = "[ \"$1\" != triggered ] || echo \"heard $2\" >>/var/lib/heard";
    let interested = Deb::new("m-interested", "1").triggers("interest-noawait cache-refresh").script("postinst", hear);
    let early = Deb::new("a-early", "1").triggers("activate-noawait cache-refresh").file("usr/share/early", "x");
    let late = Deb::new("z-late", "1").depends("m-interested").triggers("activate-noawait cache-refresh").file("usr/share/late", "x");
    let by_hand = Deb::new("y-by-hand", "1").depends("m-interested").script("postinst", "dpkg-trigger cache-refresh");
    let Some(world) = same_as_dpkg([interested, early, late, by_hand], &["a-early", "z-late", "y-by-hand"]) else { return };
    assert!(world.read("var/lib/heard").contains("heard cache-refresh"));
    assert!(world.read("var/lib/dpkg/triggers/cache-refresh").contains("m-interested/noawait"));
}

#[test]
fn a_file_trigger() {
    let hear = "[ \"$1\" != triggered ] || echo \"heard $2\" >>/var/lib/heard";
    let interested = Deb::new("cache", "1").triggers("interest-noawait /usr/share/icons").script("postinst", hear);
    let user = Deb::new("icons", "1").field("Pre-Depends", "cache").file("usr/share/icons/theme/icon", "x");
    let other = Deb::new("other", "1").field("Pre-Depends", "cache").file("usr/share/iconsets/none", "x");
    let Some(world) = same_as_dpkg([interested, user, other], &["icons", "other"]) else { return };
    assert_eq!(world.read("var/lib/heard"), "heard /usr/share/icons\n");
}

#[test]
fn a_trigger_that_is_awaited() {
    let hear = "[ \"$1\" != triggered ] || echo \"heard $2\" >>/var/lib/heard";
    let interested = Deb::new("index", "1").triggers("interest /usr/lib/plugins").script("postinst", hear);
    let user = Deb::new("plugin", "1").field("Pre-Depends", "index").file("usr/lib/plugins/one", "x");
    let Some(world) = same_as_dpkg([interested, user], &["plugin"]) else { return };
    assert!(world.read("var/lib/heard").contains("heard /usr/lib/plugins"));
}

#[test]
fn the_newer_replaces_the_older() {
    let old = Deb::new("old-owner", "1").file("usr/share/thing", "old\n").file("usr/share/old-only", "old\n");
    let new =
        Deb::new("new-owner", "1").field("Pre-Depends", "old-owner").field("Replaces", "old-owner (<< 2)").file("usr/share/thing", "new\n");
    let Some(world) = same_as_dpkg([old, new], &["new-owner"]) else { return };
    assert_eq!(world.read("usr/share/thing"), "new\n");
    assert!(!world.read("var/lib/dpkg/info/old-owner.list").contains("/usr/share/thing"));
}

#[test]
fn the_older_replaces_the_newer() {
    let old = Deb::new("keeper", "1").field("Replaces", "comer").file("usr/share/thing", "kept\n");
    let new = Deb::new("comer", "1").field("Pre-Depends", "keeper").file("usr/share/thing", "come\n").file("usr/share/comer", "x");
    let Some(world) = same_as_dpkg([old, new], &["comer"]) else { return };
    assert_eq!(world.read("usr/share/thing"), "kept\n");
    assert!(!world.read("var/lib/dpkg/info/comer.list").contains("/usr/share/thing"));
}

#[test]
fn a_package_without_anything_left_disappears() {
    let postrm = "echo \"$DPKG_MAINTSCRIPT_PACKAGE $DPKG_MAINTSCRIPT_NAME\" \"$@\" >>/var/lib/gone";
    let postinst = "echo configured >/var/lib/never";
    let old = Deb::new("a-old", "1").file("usr/share/thing", "old\n").triggers("interest-noawait old-news");
    let old = old.script("postrm", postrm).script("postinst", postinst);
    let new = Deb::new("b-new", "2:3").field("Replaces", "a-old").file("usr/share/thing", "new\n").file("usr/share/more", "");
    let user = Deb::new("user", "1").depends("a-old | b-new");
    let Some(world) = same_as_dpkg([old, new, user], &["a-old", "b-new", "user"]) else { return };
    assert_eq!(world.read("var/lib/gone"), "a-old postrm disappear b-new 2:3\n");
    assert!(!world.read("var/lib/dpkg/status").contains("Package: a-old\n"));
    assert!(!world.root().join("var/lib/never").exists());
}

#[test]
fn a_package_that_is_needed_stays_without_anything() {
    let old = Deb::new("old-owner", "1").file("usr/share/thing", "old\n");
    let user = Deb::new("user", "1").depends("old-owner");
    // By then what depends on the old one is configured.
    let new = Deb::new("new-owner", "1").field("Replaces", "old-owner").field("Pre-Depends", "user").file("usr/share/thing", "new\n");
    let Some(world) = same_as_dpkg([old, user, new], &["new-owner"]) else { return };
    assert!(world.read("var/lib/dpkg/status").contains("Package: old-owner\n"));
    assert_eq!(world.read("usr/share/thing"), "new\n");
}

#[test]
fn an_overwrite_without_leave_names_all_three() {
    let first = Deb::new("owner", "1").file("usr/share/disputed", "mine\n");
    let second =
        Deb::new("taker", "1").field("Pre-Depends", "owner").field("Replaces", "owner (<< 1)").file("usr/share/disputed", "no, mine\n");
    let Some(world) = World::new([first, second]) else { return };
    world.make(&["--variant=essential", "--include=taker"]).fails(7).names(&["owner", "taker", "/usr/share/disputed"]);
    world.assert_nothing_left();
}

#[test]
fn an_overwrite_in_one_batch_is_found_too() {
    let debs = ["alpha", "beta"].map(|name| Deb::new(name, "1").file("usr/share/disputed", name));
    let Some(world) = World::new(debs) else { return };
    world.make(&["--variant=essential", "--include=alpha,beta"]).fails(7).names(&["alpha", "beta", "/usr/share/disputed"]);
    world.assert_nothing_left();
}

#[test]
fn a_versioned_provides() {
    let provider = Deb::new("provider", "9").field("Provides", "feature (= 2.5), other-feature").file("usr/share/provider", "x");
    let user = Deb::new("user", "1").depends("feature (>= 2)").file("usr/share/user", "x");
    same_as_dpkg([provider, user], &["user"]);
    let [provider, greedy] = [
        Deb::new("provider", "9").field("Provides", "feature (= 2.5), other-feature"),
        Deb::new("greedy", "1").depends("other-feature (>= 1)"),
    ];
    let Some(world) = World::new([provider, greedy]) else { return };
    world.make(&["--include=greedy"]).fails(4).names(&["greedy", "other-feature"]);
}

#[test]
fn alternatives_are_the_trees_own() {
    let install = "update-alternatives --quiet --install /usr/bin/editor editor /usr/bin/ed 5 --slave /usr/share/man/editor.1 editor.1 /usr/share/man/ed.1";
    let deb = Deb::new("ed", "1").program("usr/bin/ed", "x").file("usr/share/man/ed.1", "x").script("postinst", install);
    let Some(world) = same_as_dpkg([deb], &["ed"]) else { return };
    assert_eq!(world.line("etc/alternatives/editor"), "l 0777 0:0 ->/usr/bin/ed /etc/alternatives/editor");
}

#[test]
fn one_package_of_two_architectures() {
    let foreign = if host_architecture() == "amd64" { "i386" } else { "amd64" };
    let library = |architecture: &str, own: &str| {
        Deb::new("libtwin", "1")
            .architecture(architecture)
            .field("Multi-Arch", "same")
            .file("usr/share/doc/libtwin/copyright", "free\n")
            .file(own, "x")
    };
    let mut shape = suite([library(host_architecture(), "usr/lib/native/libtwin.so"), library(foreign, "usr/lib/foreign/libtwin.so")]);
    shape.architectures.push(foreign.to_owned());
    let Some(world) = World::of(&shape) else { return };
    let both = format!("{},{foreign}", host_architecture());
    world.make(&["--arch", &both, "--variant=essential", &format!("--include=libtwin,libtwin:{foreign}")]).ok();
    for architecture in [host_architecture(), foreign] {
        let list = world.read(&format!("var/lib/dpkg/info/libtwin:{architecture}.list"));
        assert!(list.contains("/usr/share/doc/libtwin/copyright\n"), "{architecture}: {list}");
    }
    assert!(world.read("var/lib/dpkg/status").matches("Package: libtwin\nStatus: install ok installed\n").count() == 2);
}
