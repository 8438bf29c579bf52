//! The calls that follow symlinks, each with the reason why nothing in the tree can lead it astray.
//!
//! A row names the file below src, the function and the call. The test fails for a call that is not
//! here, and for a row whose call is gone.

/// A call, as `file function call`, and why it may follow.
pub(super) const ALLOWED: [(&str, &str); 95] = [
    (
        "sandbox/zygote/cover.rs is_native fs::open",
        "in the sandbox, whose root is the tree; only the head of a file is read",
    ),
    (
        "sandbox/zygote/cover.rs read_script fs::open",
        "in the sandbox, whose root is the tree",
    ),
    (
        "sandbox/zygote/cover.rs write fs::open",
        "in the sandbox, and a new file",
    ),
    (
        "install/hooks/copying.rs is_fifo .metadata",
        "the user's own file on the host, of which only the type counts",
    ),
    (
        "install/hooks/copying.rs open OpenOptions::new",
        "the user's own file or archive on the host, which a helper reads",
    ),
    (
        "pack/tool.rs unwritable fs::open",
        "an open descriptor, by its name in /proc",
    ),
    (
        "sandbox/memory.rs available_memory fs::read_to_string",
        "a file of the host's in /proc",
    ),
    (
        "sandbox/memory.rs group fs::read_to_string",
        "a file of the host's in the cgroup file system",
    ),
    (
        "sandbox/memory.rs own_groups fs::read_to_string",
        "files of the host's in /proc",
    ),
    (
        "install/hooks/copying.rs create OpenOptions::new",
        "the user's own file on the host, which a helper writes",
    ),
    (
        "install/hooks/running.rs is_program fs::accessat",
        "the user's own program on the host",
    ),
    (
        "install/tarball.rs unpack_tarball File::open",
        "the user's own tarball on the host",
    ),
    (
        "sandbox/hooks.rs enter fs::open",
        "the caller's root directory, by a descriptor in /proc",
    ),
    (
        "sandbox/hooks.rs hold fs::open",
        "the caller's root directory",
    ),
    (
        "sandbox/hooks.rs hold process::chdir",
        "the tree, by the path that the user names; nothing in it",
    ),
    (
        "sandbox/hooks.rs hook_process process::chdir",
        "the directory that the user has called the program in",
    ),
    (
        "sandbox/hooks.rs make_root process::chroot",
        "the current directory, which a descriptor has opened",
    ),
    (
        "sandbox/hooks.rs make_dev fs::open",
        "in a tmpfs that was just mounted and is empty",
    ),
    (
        "sandbox/hooks.rs has_no_devices fs::statvfs",
        "only the flags of a mount count; nothing is opened or changed",
    ),
    (
        "sandbox/hooks.rs mount_nodes fs::stat",
        "only the type counts, of whatever it is; nothing is opened or changed",
    ),
    (
        "sandbox/hooks.rs open_namespace File::open",
        "the namespace's file in /proc",
    ),
    (
        "sandbox/hooks.rs open_namespace fs::open",
        "the root directory of a process, in /proc",
    ),
    (
        "pack/oci/open_layout.rs open fs::openat",
        "an image to join, which the user names; nothing of a tree",
    ),
    (
        "pack/oci/open_layout.rs members .is_file",
        "the type in a tar header, not a path",
    ),
    (
        "pack/oci/open_layout.rs look_up .metadata",
        "of a file that is open",
    ),
    ("pack/temporary.rs sweep fs::openat", "the directory `.`"),
    (
        "pack/temporary.rs link AtFlags::SYMLINK_FOLLOW",
        "/proc/self/fd of the new image",
    ),
    (
        "pack/place.rs is_in fs::openat",
        "the directories `.` and `..`",
    ),
    (
        "pack/place.rs open fs::openat",
        "the directory of the image, named by the user or a symlink of this user's or root's",
    ),
    (
        "pack/place.rs open_descriptor fs::openat",
        "a link of /proc to an open file, named by the user",
    ),
    (
        "sandbox/control_group.rs around fs::read_to_string",
        "/proc of this process",
    ),
    (
        "sandbox/control_group.rs count fs::read_to_string",
        "the cgroup file system, which scripts cannot write",
    ),
    (
        "sandbox/control_group.rs is_old .metadata",
        "an entry of the kernel's cgroup file system; DirEntry::metadata follows no symlink",
    ),
    (
        "sandbox/control_group.rs remove_stale fs::read_dir",
        "the cgroup file system, which scripts cannot write",
    ),
    (
        "sandbox/control_group.rs write OpenOptions::new",
        "the cgroup file system, which scripts cannot write",
    ),
    (
        "sandbox/ids.rs map_all OpenOptions::new",
        "/proc of a process that runs no script yet",
    ),
    (
        "sandbox/ids.rs map_all fs::read_to_string",
        "/proc of this process",
    ),
    (
        "sandbox/emulator.rs copy File::open",
        "an emulator of the host's, which may be a symlink",
    ),
    (
        "sandbox/emulator.rs find .is_file",
        "an emulator of the host's, which may be a symlink",
    ),
    (
        "sandbox/init/emulation.rs register fs::openat",
        "a new file system of the kernel's, which has no links",
    ),
    (
        "sandbox/init/setup.rs adopt_orphans fs::open",
        "/proc, before the tree is the root",
    ),
    (
        "sandbox/init/setup.rs limit_inotify fs::open",
        "/proc, before the tree is the root",
    ),
    (
        "kernel/descriptors.rs open_descriptors fs::open",
        "/proc, before the tree is the root or by a process of the sandbox",
    ),
    (
        "sandbox/init/setup.rs open_null fs::open",
        "with NOFOLLOW, and by a process of the sandbox",
    ),
    (
        "sandbox/machine.rs foreign File::open",
        "/proc/self/exe of this process",
    ),
    ("sandbox/masks.rs list fs::open", "with NOFOLLOW"),
    (
        "sandbox/mounts.rs bind_node fs::open",
        "in the sandbox's own new /dev",
    ),
    (
        "sandbox/mounts.rs can_be_opened fs::open",
        "in the sandbox's own new /dev",
    ),
    ("sandbox/mounts.rs enter fs::open", "the root directory"),
    (
        "sandbox/mounts.rs enter process::chdir",
        "the root directory",
    ),
    (
        "sandbox/mounts.rs enter process::chroot",
        "the current directory, which is the tree's root",
    ),
    (
        "sandbox/mounts.rs forbid_devices fs::statvfs",
        "the current directory",
    ),
    (
        "sandbox/mounts.rs leave_chroot fs::open",
        "the directories `.`, `..` and `/`, before any script runs",
    ),
    (
        "sandbox/mounts.rs leave_chroot fs::statat",
        "the directories `.`, `..` and `/`, before any script runs",
    ),
    (
        "sandbox/mounts.rs leave_chroot process::chdir",
        "the directories `.`, `..` and `/`, before any script runs",
    ),
    (
        "sandbox/mounts.rs leave_chroot process::chroot",
        "the directories `.`, `..` and `/`, before any script runs",
    ),
    (
        "sandbox/mounts.rs make_dev fs::chmodat",
        "in the sandbox's own new /dev",
    ),
    (
        "sandbox/program.rs own_file File::open",
        "/proc/self/exe of this process",
    ),
    (
        "sandbox/start.rs null OpenOptions::new",
        "the host's /dev/null",
    ),
    (
        "tree/rootfs.rs open fs::open",
        "the tree's root, named by the user",
    ),
    (
        "tree/rootfs/handle.rs open fs::open",
        "/proc/self/fd of a descriptor that is a regular file",
    ),
    (
        "tree/rootfs/handle.rs open_special fs::open",
        "/proc/self/fd of a descriptor for the image, outside of the tree",
    ),
    (
        "tree/rootfs/handle.rs set_mode fs::chmod",
        "/proc/self/fd of a descriptor that is no symlink",
    ),
    (
        "tree/rootfs/remove.rs is_immutable fs::openat",
        "the directory `.`",
    ),
    (
        "tree/rootfs/resolve.rs mount_of fs::read_to_string",
        "/proc of this process",
    ),
    (
        "tree/rootfs/resolve.rs open_below_by_step fs::openat",
        "its callers' flags have NOFOLLOW",
    ),
    (
        "tree/rootfs/resolve.rs walk fs::openat",
        "the directory `.`",
    ),
    ("tree/target.rs hold fs::openat", "the directory `.`"),
    (
        "tree/target.rs temporary .exists",
        "a directory that this run has created",
    ),
    (
        "tree/target/claim.rs adopt fs::open",
        "the directory above the target, named by the user",
    ),
    (
        "tree/target/removal.rs remove fs::open",
        "the directory of the tree, named by the user",
    ),
    (
        "tree/target/removal.rs remove fs::openat",
        "the directory `.`",
    ),
    (
        "tree/target/claim.rs refuse_system fs::stat",
        "the host's root directory",
    ),
    (
        "tree/target/claim.rs open_existing fs::openat",
        "the target, a symlink of this user's or root's",
    ),
    (
        "tree/target/claim.rs open_or_create fs::open",
        "the target, named by the user as a root or with `..`",
    ),
    (
        "tree/target/claim.rs open_any fs::open",
        "the target, named by the user as a root or with `..`",
    ),
    (
        "tree/target/claim.rs open_parent fs::open",
        "a directory above the target, named by the user",
    ),
    (
        "tree/target/leftover.rs sweep fs::open",
        "TMPDIR, named by the user",
    ),
    (
        "kernel/caller.rs memory fs::openat",
        "a file of /proc/PID, which has no symlinks of the tree",
    ),
    (
        "kernel/caller.rs open_own fs::openat",
        "what the calling process has open or runs in, by its name in /proc",
    ),
    (
        "kernel/caller.rs read_through_proc fs::openat",
        "a file of /proc/PID, which has no symlinks of the tree",
    ),
    (
        "kernel/caller.rs status_field fs::openat",
        "a file of /proc/PID, which has no symlinks of the tree",
    ),
    (
        "sandbox/init/own_proc.rs open_processes fs::open",
        "the container's /proc",
    ),
    (
        "sandbox/init/own_proc/answers.rs access fs::accessat",
        "an open descriptor of the calling process, or what it runs in, by its name in /proc",
    ),
    (
        "sandbox/init/own_proc/answers.rs open_target fs::openat",
        "an open descriptor of the calling process, or what it runs in, by its name in /proc",
    ),
    (
        "sandbox/init/own_proc/changes.rs attribute fs::getxattr",
        "an open descriptor of the calling process, or what it runs in, by its name in /proc",
    ),
    (
        "sandbox/init/own_proc/changes.rs attribute fs::listxattr",
        "an open descriptor of the calling process, or what it runs in, by its name in /proc",
    ),
    (
        "sandbox/init/own_proc/changes.rs attribute fs::removexattr",
        "an open descriptor of the calling process, or what it runs in, by its name in /proc",
    ),
    (
        "sandbox/init/own_proc/changes.rs attribute fs::setxattr",
        "an open descriptor of the calling process, or what it runs in, by its name in /proc",
    ),
    (
        "sandbox/init/own_proc/changes.rs link AtFlags::SYMLINK_FOLLOW",
        "an open descriptor of the calling process, or what it runs in, by its name in /proc",
    ),
    (
        "sandbox/init/own_proc/changes.rs link libc::AT_SYMLINK_FOLLOW",
        "asks which flags a call has",
    ),
    (
        "sandbox/init/own_proc/changes.rs on_target fs::chmodat",
        "an open descriptor of the calling process, or what it runs in, by its name in /proc",
    ),
    (
        "sandbox/init/own_proc/changes.rs on_target fs::chownat",
        "an open descriptor of the calling process, or what it runs in, by its name in /proc",
    ),
    (
        "sandbox/init/own_proc/changes.rs on_target process::chdir",
        "in the sandbox, whose root is the tree",
    ),
    (
        "sandbox/init/own_proc/changes.rs set_times fs::utimensat",
        "an open descriptor of the calling process, or what it runs in, by its name in /proc",
    ),
];
