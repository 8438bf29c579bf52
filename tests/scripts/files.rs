//! Files through which a script could reach the host: of PID 1, of the kernel, of devices.

use super::probes::{Probe, code, run};

/// A file may be missing, hidden, read-only, or not what it is on the host.
const CLOSED: &[i32] = &[
    libc::EPERM,
    libc::EACCES,
    libc::EROFS,
    libc::ENOENT,
    libc::ENXIO,
    libc::ENODEV,
    libc::ENOTDIR,
    libc::EISDIR,
];

/// Perl's value of an expression that is false without an error.
const EMPTY: &[i32] = &[0, libc::EPERM, libc::EACCES, libc::ENOENT];

#[test]
#[ignore = "needs root, dpkg, perl"]
fn files_of_the_host() {
    run("files", probes());
}

/// All of this table.
pub fn probes() -> Vec<Probe> {
    let mut probes = of_pid_1();
    probes.extend(of_the_kernel());
    probes.extend(of_devices());
    probes.extend(of_the_caller());
    probes
}

fn of_pid_1() -> Vec<Probe> {
    vec![
        code("environ", "readable('/proc/1/environ')", EMPTY),
        // Not read: address 0 is never mapped, so that a read fails in any case.
        code("memory", "open(my $f, '<', '/proc/1/mem')", CLOSED),
        code("maps", "readable('/proc/1/maps')", EMPTY),
        code("exe", "stat('/proc/1/exe')", CLOSED),
        code("chmod-exe", "chmod(06777, '/proc/1/exe')", CLOSED),
        code("root", "opendir(my $d, '/proc/1/root/')", CLOSED),
        code("cwd", "opendir(my $d, '/proc/1/cwd/')", CLOSED),
        code(
            "descriptors",
            "for (0 .. 30) { return 1 if stat(\"/proc/1/fd/$_\") } 0",
            CLOSED,
        ),
        code(
            "above-descriptors",
            "for (0 .. 30) { return 1 if -e \"/proc/1/fd/$_/../../../../../../..@CANARY@/file\" } 0",
            CLOSED,
        ),
        code(
            "map-files",
            "opendir(my $d, '/proc/1/map_files') or return 0; for (readdir $d) { return 1 if /[0-9a-f]/ } $! = 13; 0",
            CLOSED,
        ),
        code(
            "spare-from-oom",
            "open(my $f, '+<', '/proc/self/oom_score_adj') or return 0; syswrite($f, '-1000')",
            CLOSED,
        ),
    ]
}

fn of_the_kernel() -> Vec<Probe> {
    let mut probes = vec![
        code("kernel-core", "readable('/proc/kcore')", EMPTY),
        code("keys", "readable('/proc/keys')", EMPTY),
        code("sysrq", "writable('/proc/sysrq-trigger')", CLOSED),
        code(
            "addresses",
            "open(my $f, '<', '/proc/kallsyms') or return 0; while (<$f>) { return 1 if /^0*[1-9a-f]/ } 0",
            EMPTY,
        ),
    ];
    for (name, path) in [
        ("core-pattern", "/proc/sys/kernel/core_pattern"),
        ("modprobe", "/proc/sys/kernel/modprobe"),
        ("drop-caches", "/proc/sys/vm/drop_caches"),
        ("pid-max", "/proc/sys/kernel/pid_max"),
        ("user-namespaces", "/proc/sys/user/max_user_namespaces"),
        ("uevent-helper", "/sys/kernel/uevent_helper"),
        ("power", "/sys/power/state"),
        ("firmware", "/sys/class/firmware/timeout"),
        ("loop-queue", "/sys/block/loop0/queue/read_ahead_kb"),
        ("release-agent", "/sys/fs/cgroup/release_agent"),
        ("cgroup", "/sys/fs/cgroup/cgroup.procs"),
        ("loginuid", "/proc/1/loginuid"),
        ("id-map", "/proc/1/uid_map"),
    ] {
        probes.push(code_for(name, format!("writable('{path}')")));
    }
    probes
}

fn of_devices() -> Vec<Probe> {
    let mut probes = Vec::new();
    for (name, path) in [
        ("kernel-log", "/dev/kmsg"),
        ("physical-memory", "/dev/mem"),
        ("ports", "/dev/port"),
        ("virtual-machines", "/dev/kvm"),
        ("loop-control", "/dev/loop-control"),
        ("loop-device", "/dev/loop0"),
        ("fuse", "/dev/fuse"),
        ("tunnel", "/dev/net/tun"),
        ("vsock-device", "/dev/vsock"),
        ("serial-console", "/dev/ttyS0"),
        ("terminal", "/dev/tty"),
        ("disk", "/dev/vda"),
        ("watchdog", "/dev/watchdog"),
    ] {
        // A new file of that name in the sandbox's own /dev would be nothing of the host's.
        probes.push(code_for(
            name,
            format!("open(my $f, '+<', '{path}') && (-c $f || -b $f)"),
        ));
    }
    probes
}

fn of_the_caller() -> Vec<Probe> {
    vec![
        code(
            "variable",
            "for (values %ENV) { return 1 if /hunter2/ } $! = 2; 0",
            CLOSED,
        ),
        code(
            "variables-of-processes",
            "for (processes()) { open(my $f, '<', \"/proc/$_/environ\") or next; local $/; return 1 if <$f> =~ /hunter2/ } $! = 2; 0",
            CLOSED,
        ),
        code(
            "processes",
            "for (processes()) { open(my $f, '<', \"/proc/$_/cmdline\") or next; local $/; my $c = <$f>; return 1 if index($c, \"@CANARY@\") >= 0 or $c =~ /3600/ } $! = 2; 0",
            CLOSED,
        ),
        code("canary", "stat('@CANARY@/file')", CLOSED),
        code(
            "out-of-chroot",
            "mkdir '/tmp/jail'; open(my $d, '<', '/'); chroot('/tmp/jail') or return 0; chdir '..' for 1 .. 50; chroot('.'); stat('@CANARY@/file')",
            CLOSED,
        ),
        code(
            "out-by-directory",
            "my $up = '..' . '/..' x 50; chdir('/'); stat(\"$up@CANARY@/file\")",
            CLOSED,
        ),
        code("write-canary", "open(my $f, '>>', '@CANARY@/file')", CLOSED),
    ]
}

fn code_for(name: &'static str, code: String) -> Probe {
    Probe {
        name,
        code,
        refusals: CLOSED,
    }
}
