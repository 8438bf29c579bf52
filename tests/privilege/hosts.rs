//! Callers of the program and the hosts around them, made of namespaces: root, and a user of
//! /etc/passwd with or without subordinate ids; without capabilities, ids or namespaces.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::DebBuilder;

use crate::context::{Outcome, TestContext, outcome};

/// The number of the user and of the group.
pub const UID: u32 = 1234;
/// What /etc/subuid and /etc/subgid usually give a user.
pub const SUBORDINATE: &str = "100000:65536";
/// No subordinate ids.
pub const NO_IDS: &str = "";

/// A caller of the program, on a host.
pub struct Host {
    pub name: &'static str,
    pub mode: &'static str,
    /// What /etc/subuid and /etc/subgid give the user.
    subordinate: &'static str,
    /// Shell code that runs the program, which is `"$@"`.
    through: &'static str,
    pub code: i32,
    pub said: &'static [&'static str],
}

const ROOT: &str = "exec \"$@\"";
const USER: &str = "exec setpriv --reuid=1234 --regid=1234 --clear-groups \"$@\"";

/// Programs with the rights of newuidmap and newgidmap that map nothing.
const FAILING_HELPERS: &str = "mount -t tmpfs tmpfs /usr/local/bin && cp /usr/bin/false \
     /usr/local/bin/newuidmap && cp /usr/bin/false /usr/local/bin/newgidmap && chmod u+s \
     /usr/local/bin/new[ug]idmap && PATH=/usr/local/bin:$PATH exec setpriv --reuid=1234 \
     --regid=1234 --clear-groups \"$@\"";

/// As above for groups alone, so that the ids of users are mapped already.
const FAILING_GROUP_HELPER: &str = "mount -t tmpfs tmpfs /usr/local/bin && cp /usr/bin/false \
     /usr/local/bin/newgidmap && chmod u+s /usr/local/bin/newgidmap && PATH=/usr/local/bin:$PATH \
     exec setpriv --reuid=1234 --regid=1234 --clear-groups \"$@\"";

/// A container without sys_admin that allows no namespaces.
const POOR_CONTAINER: &str = "exec unshare --user --map-auto --map-root-user --pid --fork --mount-proc sh -c 'echo 0 \
     >/proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-sys_admin \"$@\"' sh \"$@\"";

pub const fn host(name: &'static str, mode: &'static str, through: &'static str) -> Host {
    Host {
        name,
        mode,
        subordinate: SUBORDINATE,
        through,
        code: 0,
        said: &[],
    }
}

impl Host {
    pub const fn refused(mut self, said: &'static [&'static str]) -> Host {
        self.code = 6;
        self.said = said;
        self
    }

    const fn says(mut self, said: &'static [&'static str]) -> Host {
        self.said = said;
        self
    }

    const fn given(mut self, subordinate: &'static str) -> Host {
        self.subordinate = subordinate;
        self
    }
}

/// A chroot that is no mount, with what programs need.
macro_rules! chroot {
    ($mounts:literal) => {
        chroot!($mounts, "")
    };
    ($mounts:literal, $through:literal) => {
        concat!(
            "at=$PWD; new=$PWD/place/chroot; rm -rf --one-file-system $new; mkdir -p $new/usr $new/dev $new/proc \
             $new/etc $new/tmp $new$at && cp -a /bin /sbin /lib* $new/ 2>/dev/null; \
             mount --bind /usr $new/usr && mount --bind $at $new$at && ",
            $mounts,
            " && exec ",
            $through,
            " chroot $new sh -c 'cd \"$0\" && exec \"$@\"' $at \"$@\""
        )
    };
}

const IN_CHROOT: &str = "warning: the host allows no user namespace: maintainer scripts run as its \
                         root, with few capabilities and system calls\n";

/// The callers and the hosts, each with a mode. The first is compared with the others.
pub const HOSTS: [Host; 42] = [
    host("root", "auto", ROOT),
    host("root", "root", ROOT),
    host("root", "userns", ROOT).says(&["root of a user namespace: uid 0"]),
    host("root", "container", ROOT),
    host("root", "single-id", ROOT).says(&["one id: uid 0"]),
    host("user", "auto", USER).says(&["uid 1234 with 65536 subordinate ids"]),
    host("user", "userns", USER).says(&["uid 1234 with 65536 subordinate ids"]),
    host("user", "single-id", USER).says(&["one id: uid 1234"]),
    host("user", "root", USER).refused(&["--mode root", "--mode userns"]),
    host("user", "container", USER).refused(&["--mode root", "--mode userns"]),
    host("user of two ranges", "auto", USER)
        .given("100000:1000\n1234:300000:70000")
        .says(&["with 71000 subordinate ids"]),
    host("user without subordinate ids", "auto", USER)
        .given(NO_IDS)
        .says(&["one id: uid 1234"]),
    host("user without subordinate ids", "userns", USER)
        .given(NO_IDS)
        .refused(&[
            "/etc/subuid",
            "none for tester",
            "usermod --add-subuids",
            "single-id",
        ]),
    host("user with few subordinate ids", "auto", USER)
        .given("100000:1000")
        .says(&["one id: uid 1234"]),
    host("user with few subordinate ids", "userns", USER)
        .given("100000:1000")
        .refused(&["/etc/subuid", "1000 for tester", "usermod --add-subuids"]),
    host(
        "user without HOME",
        "auto",
        "mount -t tmpfs tmpfs /var/cache && mkdir /var/cache/rbootstrap && exec setpriv \
         --reuid=1234 --regid=1234 --clear-groups env -u HOME \"$@\"",
    )
    .says(&["not kept, because /var/cache/rbootstrap belongs to another user (--cache-dir)"]),
    host(
        "user, no_new_privs",
        "auto",
        "exec setpriv --reuid=1234 --regid=1234 --clear-groups --no-new-privs \"$@\"",
    )
    .says(&["one id: uid 1234"]),
    host(
        "user, newuidmap without setuid",
        "userns",
        "mount -t tmpfs tmpfs /usr/local/bin && cp /usr/bin/new[ug]idmap /usr/local/bin/ && \
         PATH=/usr/local/bin:$PATH exec setpriv --reuid=1234 --regid=1234 --clear-groups \"$@\"",
    )
    .refused(&["/usr/local/bin/newuidmap", "setuid", "chmod u+s"]),
    host(
        "user, newuidmap mounted nosuid",
        "userns",
        "mount --bind /usr/bin /usr/bin && mount -o remount,bind,nosuid /usr/bin && \
         exec setpriv --reuid=1234 --regid=1234 --clear-groups \"$@\"",
    )
    .refused(&["newuidmap", "nosuid"]),
    host("user, newuidmap that fails", "auto", FAILING_HELPERS).says(&["one id: uid 1234"]),
    host("user, newuidmap that fails", "userns", FAILING_HELPERS).refused(&[
        "/usr/local/bin/newuidmap: exit status: 1",
        "--mode single-id",
    ]),
    host("user, newgidmap that fails", "auto", FAILING_GROUP_HELPER).says(&["one id: uid 1234"]),
    host(
        "user, max_user_namespaces=0",
        "auto",
        "exec unshare --user --map-auto --map-root-user sh -c 'echo 0 \
         >/proc/sys/user/max_user_namespaces; exec setpriv --reuid=1234 --regid=1234 \
         --clear-groups \"$@\"' sh \"$@\"",
    )
    .refused(&["user.max_user_namespaces is 0", "sysctl -w"]),
    host(
        "user without subordinate ids, max_user_namespaces=0",
        "auto",
        "exec unshare --user --map-auto --map-root-user sh -c 'echo 0 \
         >/proc/sys/user/max_user_namespaces; exec setpriv --reuid=1234 --regid=1234 \
         --clear-groups \"$@\"' sh \"$@\"",
    )
    .given(NO_IDS)
    .refused(&["user.max_user_namespaces is 0", "sysctl -w"]),
    host(
        "unshare -Ur",
        "auto",
        "exec setpriv --reuid=1234 --regid=1234 --clear-groups unshare -Ur \"$@\"",
    )
    .says(&["one id: uid 0"]),
    host(
        "unshare -Ur without setfcap",
        "auto",
        "exec setpriv --reuid=1234 --regid=1234 --clear-groups unshare -Ur setpriv \
         --bounding-set=-setfcap \"$@\"",
    )
    .refused(&["root lacks CAP_SETFCAP", "--cap-add SETFCAP"]),
    host(
        "unshare --map-auto --map-root-user",
        "auto",
        "exec setpriv --reuid=1234 --regid=1234 --clear-groups unshare --map-auto \
         --map-root-user \"$@\"",
    ),
    host(
        "root without chown",
        "auto",
        "exec setpriv --bounding-set=-chown \"$@\"",
    )
    .refused(&["root lacks CAP_CHOWN", "--cap-add CHOWN"]),
    host(
        "root without fowner",
        "auto",
        "exec setpriv --bounding-set=-fowner \"$@\"",
    )
    .refused(&["root lacks CAP_FOWNER"]),
    host(
        "root without dac_override",
        "auto",
        "exec setpriv --bounding-set=-dac_override \"$@\"",
    )
    .refused(&["root lacks CAP_DAC_OVERRIDE"]),
    host(
        "root without fsetid, chown",
        "auto",
        "exec setpriv --bounding-set=-fsetid,-chown \"$@\"",
    )
    .refused(&["root lacks CAP_CHOWN, CAP_FSETID", "--cap-add FSETID"]),
    host(
        "root without mknod, kill, net_raw",
        "auto",
        "exec setpriv --bounding-set=-mknod,-kill,-net_raw \"$@\"",
    ),
    host(
        "root without sys_admin",
        "auto",
        "exec setpriv --bounding-set=-sys_admin \"$@\"",
    ),
    host(
        "root with no_new_privs",
        "auto",
        "exec setpriv --no-new-privs \"$@\"",
    ),
    host(
        "container without sys_admin and namespaces",
        "auto",
        POOR_CONTAINER,
    )
    .says(&[
        "the container allows no user, PID, network, mount namespace",
        "nothing but themselves in /proc",
    ]),
    host(
        "container without sys_admin and namespaces",
        "root",
        POOR_CONTAINER,
    )
    .refused(&["user, PID, network, mount", "--allow-weak-sandbox"]),
    host(
        "root without sys_admin and namespaces",
        "container",
        "exec unshare --user --map-auto --map-root-user sh -c 'echo 0 \
         >/proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-sys_admin \"$@\"' sh \
         \"$@\"",
    )
    .says(&["the container allows no user, PID, network, mount namespace"]),
    host(
        "chroot",
        "auto",
        chroot!("mount --rbind /dev $new/dev && mount --rbind /proc $new/proc"),
    )
    .says(&[IN_CHROOT]),
    host(
        "chroot without /dev",
        "auto",
        chroot!("mount --rbind /proc $new/proc"),
    )
    .says(&[IN_CHROOT]),
    host(
        "chroot without sys_admin",
        "container",
        chroot!(
            "mount --rbind /proc $new/proc",
            "setpriv --bounding-set=-sys_admin"
        ),
    ),
    host(
        "chroot without sys_admin, tree mounted nodev",
        "container",
        chroot!(
            "mount --rbind /proc $new/proc && mount -t tmpfs -o nodev,size=300m tmpfs $new$at/tmp",
            "setpriv --bounding-set=-sys_admin"
        ),
    )
    .refused(&["/dev/null", "nodev", "--tmpfs /tmp:exec,dev"]),
    host("chroot without /proc", "auto", chroot!("true"))
        .refused(&["/proc is not mounted", "mount -t proc"]),
];

impl Host {
    /// Makes an image with the package `special`.
    pub fn image(&self, context: &TestContext, image: &str) -> Outcome {
        let url = context.mirror.url();
        let mode = format!("--mode={}", self.mode);
        let arguments = [
            &*mode,
            "--variant=essential",
            "--include=special",
            "fake",
            image,
            &url,
        ];
        outcome(&mut self.command(context, &arguments))
    }

    /// The digest of such an image.
    pub fn digest(&self, context: &TestContext, image: &str) -> String {
        self.image(context, image).ok();
        digest(&context.path(image))
    }

    fn command(&self, context: &TestContext, arguments: &[&str]) -> Command {
        let program = context.command();
        let mut command = Command::new("unshare");
        command.env_clear().current_dir(context.directory.path());
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        if !self.name.starts_with("root") {
            // The user's own, below HOME.
            command.env_remove("RBOOTSTRAP_CACHE_DIR");
            command.env_remove("RBOOTSTRAP_STATE_DIR");
        }
        let accounts = context.path("home/accounts");
        fs::write(&accounts, self.accounts()).unwrap();
        let subordinate = context.path("home/subordinate");
        fs::write(&subordinate, self.subordinate_ids()).unwrap();
        let code = format!(
            "mount --bind home/accounts /etc/passwd && mount --bind home/subordinate /etc/subuid \
             && mount --bind home/subordinate /etc/subgid && {}",
            self.through
        );
        command.args(["--mount", "--propagation=private", "sh", "-c", &code, "sh"]);
        command.arg(context.path("place/rbootstrap"));
        if !matches!(arguments[0], "pack" | "rm") {
            command.args(program.get_args());
        }
        command.args(arguments);
        command
    }

    fn accounts(&self) -> String {
        let own = fs::read_to_string("/etc/passwd").unwrap();
        format!("{own}tester:x:{UID}:{UID}::/:/bin/sh\n")
    }

    /// The user's, and enough for a root that makes the namespace around a host.
    fn subordinate_ids(&self) -> String {
        match self.subordinate {
            "" => "root:100000:65536\n".into(),
            ranges => format!("root:100000:65536\ntester:{ranges}\n"),
        }
    }
}

/// The user, on a host that permits all.
pub struct User(Host);

impl User {
    pub fn of(host: Host) -> User {
        User(host)
    }

    pub fn with(subordinate: &'static str) -> User {
        User(host("user", "auto", USER).given(subordinate))
    }

    pub fn command(&self, context: &TestContext, arguments: &[&str]) -> Command {
        self.0.command(context, arguments)
    }

    pub fn run(&self, context: &TestContext, arguments: &[&str]) -> Outcome {
        outcome(&mut self.command(context, arguments))
    }
}

/// A context that the user and root can work in, with the program where the user can execute it.
pub fn context_of_all(debs: impl IntoIterator<Item = DebBuilder>) -> TestContext {
    let context = TestContext::new(debs);
    let here = context.directory.path();
    for directory in [here, &context.path("tmp")] {
        fs::set_permissions(directory, Permissions::from_mode(0o1777)).unwrap();
    }
    chown(context.path("home"), Some(UID), Some(UID)).unwrap();
    let program = context.path("place");
    fs::create_dir(&program).unwrap();
    fs::copy(context.program().get_program(), program.join("rbootstrap")).unwrap();
    context
}

/// The SHA-256 of a file, in hexadecimal.
pub fn digest(path: &Path) -> String {
    let text = outcome(Command::new("sha256sum").arg(path)).ok().text();
    text.split(' ').next().unwrap_or_default().to_owned()
}
