//! The numbers of the system calls that the filters know, on each architecture (asm/unistd.h).

/// The architectures whose system calls are known, by Debian's names.
pub(super) const ARCHITECTURES: [&str; 8] = [
    "amd64", "i386", "arm64", "armhf", "riscv64", "loong64", "ppc64el", "s390x",
];

/// The number of one system call on each of `ARCHITECTURES`; `NONE` where it does not exist.
pub(in crate::sandbox) type Numbers = [u32; 8];

pub(super) const NONE: u32 = u32::MAX;

/// The calls that wait for the disk: fsync, fdatasync, sync, sync_file_range (on arm and ppc64le
/// under another name), syncfs.
pub(super) const SYNCS: [Numbers; 5] = [
    [74, 118, 82, 118, 82, 82, 118, 118],
    [75, 148, 83, 148, 83, 83, 148, 148],
    [162, 36, 81, 36, 81, 81, 36, 36],
    [277, 314, 84, 341, 84, 84, 308, 307],
    [306, 344, 267, 373, 267, 267, 348, 338],
];

pub(in crate::sandbox) const SCHED_GETAFFINITY: Numbers = [204, 242, 123, 242, 123, 123, 223, 240];
pub(super) const CLONE: Numbers = [56, 120, 220, 120, 220, 220, 120, 120];
pub(super) const OPENAT2: Numbers = [437, 437, 437, 437, 437, 437, 437, 437];
pub(super) const CLONE3: Numbers = [435, 435, 435, 435, 435, 435, 435, 435];
pub(super) const UNSHARE: Numbers = [272, 310, 97, 337, 97, 97, 282, 303];
pub(super) const MKNOD: Numbers = [133, 14, NONE, 14, NONE, NONE, 14, 14];
pub(super) const MKNODAT: Numbers = [259, 297, 33, 324, 33, 33, 288, 290];
pub(super) const SOCKET: Numbers = [41, 359, 198, 281, 198, 198, 326, 359];
pub(super) const PTRACE: Numbers = [101, 26, 117, 26, 117, 117, 26, 26];
pub(super) const PRLIMIT64: Numbers = [302, 340, 261, 369, 261, 261, 325, 334];
pub(super) const IOCTL: Numbers = [16, 54, 29, 54, 29, 29, 54, 54];

/// The calls that are denied whatever their arguments: none is needed to install a package, and
/// each reaches beyond the tree.
pub(super) const DENIED: [(&str, Numbers); 49] = [
    ("mount", [165, 21, 40, 21, 40, 40, 21, 21]),
    ("umount", [NONE, 22, NONE, NONE, NONE, NONE, 22, 22]),
    ("umount2", [166, 52, 39, 52, 39, 39, 52, 52]),
    ("move_mount", [429, 429, 429, 429, 429, 429, 429, 429]),
    ("open_tree", [428, 428, 428, 428, 428, 428, 428, 428]),
    ("open_tree_attr", [467, 467, 467, 467, 467, 467, 467, 467]),
    ("fsopen", [430, 430, 430, 430, 430, 430, 430, 430]),
    ("fsconfig", [431, 431, 431, 431, 431, 431, 431, 431]),
    ("fsmount", [432, 432, 432, 432, 432, 432, 432, 432]),
    ("fspick", [433, 433, 433, 433, 433, 433, 433, 433]),
    ("mount_setattr", [442, 442, 442, 442, 442, 442, 442, 442]),
    ("pivot_root", [155, 217, 41, 218, 41, 41, 203, 217]),
    ("setns", [308, 346, 268, 375, 268, 268, 350, 339]),
    (
        "open_by_handle_at",
        [304, 342, 265, 371, 265, 265, 346, 336],
    ),
    ("bpf", [321, 357, 280, 386, 280, 280, 361, 351]),
    ("perf_event_open", [298, 336, 241, 364, 241, 241, 319, 331]),
    ("userfaultfd", [323, 374, 282, 388, 282, 282, 364, 355]),
    ("io_uring_setup", [425, 425, 425, 425, 425, 425, 425, 425]),
    ("io_uring_enter", [426, 426, 426, 426, 426, 426, 426, 426]),
    (
        "io_uring_register",
        [427, 427, 427, 427, 427, 427, 427, 427],
    ),
    ("keyctl", [250, 288, 219, 311, 219, 219, 271, 280]),
    ("add_key", [248, 286, 217, 309, 217, 217, 269, 278]),
    ("request_key", [249, 287, 218, 310, 218, 218, 270, 279]),
    ("init_module", [175, 128, 105, 128, 105, 105, 128, 128]),
    ("finit_module", [313, 350, 273, 379, 273, 273, 353, 344]),
    ("delete_module", [176, 129, 106, 129, 106, 106, 129, 129]),
    ("kexec_load", [246, 283, 104, 347, 104, 104, 268, 277]),
    ("kexec_file_load", [320, NONE, 294, 401, 294, 294, 382, 381]),
    ("reboot", [169, 88, 142, 88, 142, 142, 88, 88]),
    ("swapon", [167, 87, 224, 87, 224, 224, 87, 87]),
    ("swapoff", [168, 115, 225, 115, 225, 225, 115, 115]),
    ("acct", [163, 51, 89, 51, 89, 89, 51, 51]),
    ("quotactl", [179, 131, 60, 131, 60, 60, 131, 131]),
    ("quotactl_fd", [443, 443, 443, 443, 443, 443, 443, 443]),
    ("syslog", [103, 103, 116, 103, 116, 116, 103, 103]),
    ("stime", [NONE, 25, NONE, NONE, NONE, NONE, 25, NONE]),
    ("settimeofday", [164, 79, 170, 79, 170, 170, 79, 79]),
    ("clock_settime", [227, 264, 112, 262, 112, 112, 245, 259]),
    (
        "clock_settime64",
        [NONE, 404, NONE, 404, NONE, NONE, NONE, NONE],
    ),
    ("clock_adjtime", [305, 343, 266, 372, 266, 266, 347, 337]),
    (
        "clock_adjtime64",
        [NONE, 405, NONE, 405, NONE, NONE, NONE, NONE],
    ),
    ("adjtimex", [159, 124, 171, 124, 171, 171, 124, 124]),
    ("iopl", [172, 110, NONE, NONE, NONE, NONE, 110, NONE]),
    ("ioperm", [173, 101, NONE, NONE, NONE, NONE, 101, NONE]),
    ("fanotify_init", [300, 338, 262, 367, 262, 262, 323, 332]),
    ("process_vm_readv", [310, 347, 270, 376, 270, 270, 351, 340]),
    (
        "process_vm_writev",
        [311, 348, 271, 377, 271, 271, 352, 341],
    ),
    ("pidfd_getfd", [438, 438, 438, 438, 438, 438, 438, 438]),
    ("kcmp", [312, 349, 272, 378, 272, 272, 354, 343]),
];
