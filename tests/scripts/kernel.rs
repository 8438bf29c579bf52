//! System calls that reach beyond the tree, tried from a postinst as root.
//!
//! Each must be refused with the error number of a permission, so that a wrong argument does not
//! pass for a refusal. What is harmless if it is allowed is not here.

use std::process::Command;

use super::probes::{DENIED, Probe, Probing, call, code, run};
use crate::context::outcome;

const NO_CALL: &[i32] = &[libc::ENOSYS, libc::EPERM];
const NO_FAMILY: &[i32] = &[libc::EAFNOSUPPORT, libc::EPERM, libc::EACCES];
const NO_PROTOCOL: &[i32] = &[libc::EPROTONOSUPPORT, libc::EPERM, libc::EACCES];

#[test]
#[ignore = "needs root, dpkg, perl"]
fn system_calls() {
    run("system calls", probes());
}

/// Where there is no PID namespace, the sandbox's first process has another number than 1.
#[test]
#[ignore = "needs root, dpkg, perl, subuids, unshare"]
fn limits_of_other_processes_without_a_pid_namespace() {
    let look = format!(
        "my $old = \"\\0\" x 16; for my $p ($$ - 500 .. $$ - 1) {{ return 1 if sys({}, $p, 7, 0, $old) >= 0; \
         return 0 if $! != {} }} 0",
        libc::SYS_prlimit64,
        libc::ESRCH
    );
    let mut probing = Probing::new(vec![code("limit-others", &look, DENIED)]);
    let program = probing.command(&probing.context.mirror.url());
    let mut command = Command::new("unshare");
    command.env_clear();
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let code = "mount -t tmpfs tmpfs /mnt && echo root:100000:65536 >/mnt/ids && \
         mount --bind /mnt/ids /etc/subuid && mount --bind /mnt/ids /etc/subgid && \
         exec unshare --user --map-auto --map-root-user sh -c \
         'echo 0 >/proc/sys/user/max_pid_namespaces && exec \"$@\"' sh \"$@\"";
    command.args(["--mount", "--propagation=private", "sh", "-c", code, "sh"]);
    command.arg(program.get_program()).args(program.get_args());
    command.arg("--allow-weak-sandbox");
    let outcome = outcome(&mut command).ok();
    outcome.names(&["PID namespace: maintainer scripts"]);
    let failures = probing.failures(&[]);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// All of this table.
pub fn probes() -> Vec<Probe> {
    let mut probes = mounts();
    probes.extend(namespaces());
    probes.extend(kernel());
    probes.extend(clock_and_machine());
    probes.extend(processes());
    probes.extend(sockets());
    probes.extend(privileges());
    probes
}

fn mounts() -> Vec<Probe> {
    let mut probes = Vec::new();
    for (name, source, kind) in [
        ("mount-tmpfs", "none", "tmpfs"),
        ("mount-proc", "proc", "proc"),
        ("mount-sysfs", "sysfs", "sysfs"),
        ("mount-cgroup2", "none", "cgroup2"),
        ("mount-debugfs", "none", "debugfs"),
        ("mount-devtmpfs", "none", "devtmpfs"),
    ] {
        let code = format!(
            "sys({}, '{source}', '/mnt', '{kind}', 0, 0) >= 0",
            libc::SYS_mount
        );
        let code = format!("mkdir '/mnt'; {code}");
        probes.push(Probe {
            name,
            code,
            refusals: DENIED,
        });
    }
    let bind = "'/proc', '/mnt', 0, 4096, 0";
    probes.extend([
        call("mount-bind", libc::SYS_mount, bind),
        call(
            "remount-proc",
            libc::SYS_mount,
            "'none', '/proc', 0, 32 | 4096, 0",
        ),
        call(
            "remount-sys",
            libc::SYS_mount,
            "'none', '/sys', 0, 32 | 4096, 0",
        ),
        call(
            "remount-root-dev",
            libc::SYS_mount,
            "'none', '/', 0, 32 | 4096, 0",
        ),
        call("umount-proc", libc::SYS_umount2, "'/proc', 2"),
        call("umount-dev", libc::SYS_umount2, "'/dev', 2"),
        call("pivot-root", libc::SYS_pivot_root, "'.', '.'"),
        call("fsopen", libc::SYS_fsopen, "'tmpfs', 0"),
        call("fspick", libc::SYS_fspick, "-100, '/proc', 0"),
        call("fsmount", libc::SYS_fsmount, "0, 0, 0"),
        call("fsconfig", libc::SYS_fsconfig, "0, 6, 0, 0, 0"),
        call("open-tree", libc::SYS_open_tree, "-100, '/', 1"),
        call(
            "move-mount",
            libc::SYS_move_mount,
            "-100, '/proc', -100, '/mnt', 0",
        ),
        call(
            "mount-setattr",
            libc::SYS_mount_setattr,
            "-100, '/proc', 0, pack('QQQQ', 0, 1, 0, 0), 32",
        ),
    ]);
    probes
}

fn namespaces() -> Vec<Probe> {
    let mut probes = Vec::new();
    for (name, flag) in [
        ("unshare-user", libc::CLONE_NEWUSER),
        ("unshare-mount", libc::CLONE_NEWNS),
        ("unshare-pid", libc::CLONE_NEWPID),
        ("unshare-net", libc::CLONE_NEWNET),
        ("unshare-ipc", libc::CLONE_NEWIPC),
        ("unshare-uts", libc::CLONE_NEWUTS),
        ("unshare-cgroup", libc::CLONE_NEWCGROUP),
    ] {
        probes.push(call(name, libc::SYS_unshare, &flag.to_string()));
    }
    let enter = |name| {
        format!(
            "open(my $n, '<', '/proc/1/ns/{name}') or return 0; sys({}, fileno($n), 0) >= 0",
            libc::SYS_setns
        )
    };
    probes.extend([
        code("setns-mount", &enter("mnt"), DENIED),
        code("setns-user", &enter("user"), DENIED),
        call("setns-initial", libc::SYS_setns, "-10003, 0"),
        code(
            "clone-user",
            &format!(
                "my $c = sys({}, {} | 17, 0, 0, 0, 0); exit if $c == 0; $c > 0",
                libc::SYS_clone,
                libc::CLONE_NEWUSER
            ),
            DENIED,
        ),
        code(
            "clone3-user",
            &format!(
                "my $c = sys({}, pack('Q11', {}, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0), 88); exit if $c == 0; $c > 0",
                libc::SYS_clone3,
                libc::CLONE_NEWUSER
            ),
            NO_CALL,
        ),
        code(
            "open-by-handle",
            &format!(
                "sys({}, -100, pack('LlQ', 8, 1, 2), 0) >= 0",
                libc::SYS_open_by_handle_at
            ),
            DENIED,
        ),
    ]);
    probes
}

fn kernel() -> Vec<Probe> {
    vec![
        call("bpf", libc::SYS_bpf, "0, pack('L32', 2, 4, 8, 1), 128"),
        call(
            "perf-event",
            libc::SYS_perf_event_open,
            "pack('LLQ14', 1, 128), -1, 0, -1, 0",
        ),
        call("userfaultfd", libc::SYS_userfaultfd, "0"),
        call("io-uring", libc::SYS_io_uring_setup, "4, \"\\0\" x 120"),
        call("keyctl-user", libc::SYS_keyctl, "0, -4, 1"),
        call("keyctl-session", libc::SYS_keyctl, "0, -3, 1"),
        call("add-key", libc::SYS_add_key, "'user', 'canary', 'x', 1, -4"),
        call(
            "request-key",
            libc::SYS_request_key,
            "'user', 'canary', 0, 0",
        ),
        call("init-module", libc::SYS_init_module, "'x', 1, ''"),
        call("finit-module", libc::SYS_finit_module, "0, '', 0"),
        call("delete-module", libc::SYS_delete_module, "'dummy', 2048"),
        call("kexec-load", libc::SYS_kexec_load, "0, 0, 0, 0"),
        call("swapon", libc::SYS_swapon, "'/etc/passwd', 0"),
        call("swapoff", libc::SYS_swapoff, "'/etc/passwd'"),
        call("acct", libc::SYS_acct, "0"),
        call("quotactl", libc::SYS_quotactl, "0x80000100, 0, 0, 0"),
        call("syslog", libc::SYS_syslog, "3, \"\\0\" x 512, 512"),
        call("fanotify", libc::SYS_fanotify_init, "0, 0"),
        code(
            "mknod-block",
            &format!(
                "sys({}, -100, '/tmp/b', 060666, 0x700) >= 0",
                libc::SYS_mknodat
            ),
            DENIED,
        ),
        code(
            "mknod-memory",
            &format!(
                "sys({}, -100, '/tmp/m', 020666, 0x101) >= 0",
                libc::SYS_mknodat
            ),
            DENIED,
        ),
        code(
            "mknod-null",
            &format!(
                "sys({}, -100, '/tmp/n', 020666, 0x103) >= 0",
                libc::SYS_mknodat
            ),
            DENIED,
        ),
    ]
}

fn clock_and_machine() -> Vec<Probe> {
    vec![
        call(
            "clock-settime",
            libc::SYS_clock_settime,
            "0, pack('qq', time(), 0)",
        ),
        call(
            "settimeofday",
            libc::SYS_settimeofday,
            "pack('qq', time(), 0), 0",
        ),
        call("adjtimex", libc::SYS_adjtimex, "pack('L64', 0x4000)"),
        call(
            "clock-adjtime",
            libc::SYS_clock_adjtime,
            "0, pack('L64', 0x4000)",
        ),
        call("sethostname", libc::SYS_sethostname, "'canary', 6"),
        call("setdomainname", libc::SYS_setdomainname, "'canary', 6"),
        // Turns Ctrl-Alt-Del off, which is what a running system has.
        call("reboot", libc::SYS_reboot, "0xfee1dead, 672274793, 0, 0"),
        call("vhangup", libc::SYS_vhangup, ""),
    ]
}

fn processes() -> Vec<Probe> {
    const NO_PROCESS: &[i32] = &[libc::ESRCH, libc::EPERM];
    let pidfd = format!(
        "my $p = sys({}, 1, 0); return 0 if $p < 0; sys({}, $p, 0, 0) >= 0",
        libc::SYS_pidfd_open,
        libc::SYS_pidfd_getfd
    );
    let memory = "pack('PQ', \"\\0\" x 64, 64), 1, pack('QQ', 4096, 64), 1, 0";
    let read = format!("1, {memory}");
    vec![
        call("ptrace-seize", libc::SYS_ptrace, "0x4206, 1, 0, 0"),
        call("ptrace-attach", libc::SYS_ptrace, "16, 1, 0, 0"),
        call("process-vm-read", libc::SYS_process_vm_readv, &read),
        call("process-vm-write", libc::SYS_process_vm_writev, &read),
        code("pidfd-getfd", &pidfd, DENIED),
        call("kcmp", libc::SYS_kcmp, "1, 1, 0, 0, 0"),
        call(
            "limit-init",
            libc::SYS_prlimit64,
            "1, 7, pack('QQ', 1024, 4096), 0",
        ),
        code("kill-host", "kill('KILL', @PID@)", NO_PROCESS),
        code("stop-host", "kill('STOP', @PID@)", NO_PROCESS),
    ]
}

fn sockets() -> Vec<Probe> {
    const UNREACHABLE: &[i32] = &[
        libc::ECONNREFUSED,
        libc::ENETUNREACH,
        libc::EPERM,
        libc::EACCES,
    ];
    let socket = |name, family: i32, kind: i32, protocol: i32| {
        let arguments = format!("{family}, {kind}, {protocol}");
        Probe {
            refusals: NO_FAMILY,
            ..call(name, libc::SYS_socket, &arguments)
        }
    };
    let netlink = |name, protocol| Probe {
        refusals: NO_PROTOCOL,
        ..socket(name, libc::AF_NETLINK, libc::SOCK_RAW, protocol)
    };
    let inet = |name, address: &str, port: &str| {
        let code = format!(
            "socket(my $s, 2, 1, 0) or return 0; connect($s, pack('SnC4x8', 2, {port}, {address}))"
        );
        code_of(name, code, UNREACHABLE)
    };
    vec![
        socket("vsock", libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        socket("packet", libc::AF_PACKET, libc::SOCK_RAW, 0),
        socket("alg", libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
        socket("raw", libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
        netlink("netlink-audit", libc::NETLINK_AUDIT),
        netlink("netlink-netfilter", libc::NETLINK_NETFILTER),
        netlink("netlink-diag", libc::NETLINK_SOCK_DIAG),
        inet("connect-host", "127, 0, 0, 1", "@PORT@"),
        inet("connect-outside", "192, 0, 2, 1", "80"),
        code(
            "abstract-socket",
            "socket(my $s, 1, 1, 0) or return 0; connect($s, pack('S', 1) . \"\\0@SOCKET@\")",
            UNREACHABLE,
        ),
    ]
}

fn privileges() -> Vec<Probe> {
    let everything = "pack('LL', 0x20080522, 0), pack('L6', (0xffffffff) x 6)";
    let flags = |ioctl: &str| {
        format!(
            "open(my $f, '>', '/tmp/flags') or return 0; sys({}, fileno($f), {ioctl}, pack('Q', 0x10)) >= 0",
            libc::SYS_ioctl
        )
    };
    let attribute = "'/etc/passwd', 'trusted.canary', 'x', 1, 0";
    vec![
        call("capset", libc::SYS_capset, everything),
        call("nice", libc::SYS_setpriority, "0, 0, -20"),
        call(
            "fifo-scheduler",
            libc::SYS_sched_setscheduler,
            "0, 1, pack('L', 50)",
        ),
        call(
            "more-files",
            libc::SYS_prlimit64,
            "0, 7, pack('QQ', 1 << 40, 1 << 40), 0",
        ),
        call("tiocsti", libc::SYS_ioctl, "0, 0x5412, 'x'"),
        call("tioclinux", libc::SYS_ioctl, "0, 0x541c, 'x'"),
        code("immutable", &flags("0x40086602"), DENIED),
        call("trusted-attribute", libc::SYS_setxattr, attribute),
        call("prctl-mm", libc::SYS_prctl, "35, 1, 4096, 0, 0"),
    ]
}

fn code_of(name: &'static str, code: String, refusals: &'static [i32]) -> Probe {
    Probe {
        name,
        code,
        refusals,
    }
}
