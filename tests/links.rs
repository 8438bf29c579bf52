//! Finds every call that follows symlinks in the rooms that handle the tree.
//!
//! Packages and scripts decide what lies in the tree, so a call that follows a symlink there can
//! reach any file of the host. Each such call needs a row in [`ALLOWED`] that says why it cannot be
//! led astray. Paths of the tree are for `tree/rootfs`, which resolves them with `openat2`, below
//! the tree's root.

use std::collections::BTreeSet;
use std::path::Path;

use syn::visit::{self, Visit};

use crate::floors::sources::{Source, is_for_tests, sources_of};

/// The rooms that handle the tree.
const ROOMS: [&str; 5] = ["dpkg", "install", "pack", "sandbox", "tree"];

/// Functions of the standard library, rustix and libc that follow a symlink at the path's end.
const FOLLOWING: [&str; 27] = [
    "File::create",
    "File::open",
    "OpenOptions::new",
    "fs::access",
    "fs::canonicalize",
    "fs::chmod",
    "fs::chown",
    "fs::copy",
    "fs::exists",
    "fs::getxattr",
    "fs::listxattr",
    "fs::metadata",
    "fs::open",
    "fs::read",
    "fs::read_dir",
    "fs::read_to_string",
    "fs::removexattr",
    "fs::set_permissions",
    "fs::setxattr",
    "fs::stat",
    "fs::statvfs",
    "fs::write",
    "libc::chmod",
    "libc::chown",
    "libc::open",
    "libc::stat",
    "unix::chown",
];

/// Functions that follow unless a flag of the function around them forbids it.
const FOLLOWING_AT: [&str; 7] = [
    "fs::accessat",
    "fs::chmodat",
    "fs::chownat",
    "fs::openat",
    "fs::statat",
    "fs::statx",
    "fs::utimensat",
];

/// The flags that forbid it.
const NOT_FOLLOWING: [&str; 3] = ["NOFOLLOW", "SYMLINK_NOFOLLOW", "EMPTY_PATH"];

/// Methods of `Path` that follow.
const METHODS: [&str; 6] = [
    "canonicalize",
    "exists",
    "is_dir",
    "is_file",
    "read_dir",
    "try_exists",
];

/// A call, as `file function call`, and why it may follow.
const ALLOWED: [(&str, &str); 38] = [
    ("pack/output.rs sweep fs::openat", "the directory `.`"),
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
        "sandbox.rs is_in_container fs::stat",
        "/proc, before any script runs",
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
        "sandbox/init/setup.rs adopt_orphans fs::open",
        "/proc, before the tree is the root",
    ),
    (
        "sandbox/init/setup.rs open_null fs::open",
        "with NOFOLLOW, and by a process of the sandbox",
    ),
    (
        "sandbox/machine.rs foreign File::open",
        "/proc/self/exe of this process",
    ),
    ("sandbox/masks.rs names fs::open", "with NOFOLLOW"),
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
        "sandbox/mounts.rs forbid_devices fs::statvfs",
        "the current directory",
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
        "sandbox/start.rs start OpenOptions::new",
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
        "tree/target/claim.rs lock fs::stat",
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
        "tree/target/claim.rs open_parent fs::open",
        "a directory above the target, named by the user",
    ),
    (
        "tree/target/leftover.rs sweep fs::open",
        "TMPDIR, named by the user",
    ),
];

/// Calls as `file function call`.
type Calls = BTreeSet<String>;

/// The following calls of a file, outside of its tests.
fn following(source: &Source) -> Calls {
    let mut finder = Finder {
        file: source.name.clone(),
        function: String::new(),
        forbidden: false,
        found: Calls::new(),
    };
    finder.visit_file(&source.file);
    finder.found
}

struct Finder {
    file: String,
    /// The function at hand.
    function: String,
    /// Whether the function at hand has a flag that forbids to follow.
    forbidden: bool,
    found: Calls,
}

impl Finder {
    fn note(&mut self, call: &str) {
        let Finder { file, function, .. } = self;
        self.found.insert(format!("{file} {function} {call}"));
    }

    fn body(&mut self, name: &syn::Ident, block: &syn::Block) {
        let mut flags = Flags::default();
        flags.visit_block(block);
        let outer = (
            std::mem::replace(&mut self.forbidden, flags.found),
            std::mem::replace(&mut self.function, name.to_string()),
        );
        visit::visit_block(self, block);
        self.forbidden = outer.0;
        self.function = outer.1;
    }

    fn use_tree(&mut self, parent: &str, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(tree) => self.use_tree(&tree.ident.to_string(), &tree.tree),
            syn::UseTree::Name(tree) => self.imported(parent, &tree.ident),
            syn::UseTree::Rename(tree) => self.imported(parent, &tree.ident),
            syn::UseTree::Glob(_) => {}
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(parent, tree);
                }
            }
        }
    }

    /// A function that is imported would be called without its module.
    fn imported(&mut self, parent: &str, name: &syn::Ident) {
        let path = format!("{parent}::{name}");
        if FOLLOWING.contains(&path.as_str()) || FOLLOWING_AT.contains(&path.as_str()) {
            self.note(&format!("use {path}"));
        }
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_for_tests(&item.attrs) {
            self.body(&item.sig.ident, &item.block);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            self.body(&item.sig.ident, &item.block);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree("", &item.tree);
    }

    /// A path counts without a call, too: a function can be passed.
    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        let mut names: Vec<String> = Vec::new();
        for segment in &path.path.segments {
            names.push(segment.ident.to_string());
        }
        let end = names.len().saturating_sub(2);
        let name = names[end..].join("::");
        let follows = FOLLOWING.contains(&name.as_str());
        if follows || FOLLOWING_AT.contains(&name.as_str()) && !self.forbidden {
            self.note(&name);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let name = call.method.to_string();
        // With an argument it is a method of another type.
        if call.args.is_empty() && METHODS.contains(&name.as_str()) {
            self.note(&format!(".{name}"));
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// Looks for a flag that forbids to follow.
#[derive(Default)]
struct Flags {
    found: bool,
}

impl<'ast> Visit<'ast> for Flags {
    fn visit_ident(&mut self, name: &'ast syn::Ident) {
        self.found |= NOT_FOLLOWING.contains(&name.to_string().as_str());
    }
}

#[test]
fn calls_that_follow_symlinks_have_a_reason() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Calls::new();
    for source in sources_of(&project.join("src")) {
        let room = source.room().unwrap_or_default();
        if ROOMS.contains(&room.as_str()) {
            found.extend(following(&source));
        }
    }
    println!("{} calls", found.len());
    let mut wrong = Vec::new();
    for call in &found {
        if !ALLOWED.iter().any(|(allowed, _)| allowed == call) {
            wrong.push(format!("src/{call} follows symlinks"));
        }
    }
    for (call, _) in ALLOWED {
        if !found.contains(call) {
            wrong.push(format!("src/{call} is not there any more"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn planted_calls_are_found() {
    let table = [
        ("fn f() { std::fs::read(p); }", "fs::read"),
        ("fn f() { let _ = p.map(rustix::fs::chmod); }", "fs::chmod"),
        ("impl T { fn f() { File::open(p); } }", "File::open"),
        ("use std::fs; fn f() { fs::metadata(p); }", "fs::metadata"),
        ("use rustix::fs::{Mode, open};", "use fs::open"),
        ("fn f() { if p.exists() {} }", ".exists"),
        (
            "fn f() { rustix::fs::open(p, OFlags::PATH, M); }",
            "fs::open",
        ),
        (
            "fn f() { rustix::fs::statat(d, p, AtFlags::empty()); }",
            "fs::statat",
        ),
        (
            "fn f() { let x = || rustix::fs::openat(d, p, F, M); }",
            "fs::openat",
        ),
    ];
    for (text, call) in table {
        let calls = following(&Source::new("a.rs", &["a"], text));
        let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
        let function = if call.starts_with("use") { "" } else { "f" };
        assert_eq!(calls, [format!("a.rs {function} {call}")], "{text}");
    }
    let none = [
        "fn f() { rustix::fs::statat(d, p, AtFlags::SYMLINK_NOFOLLOW); }",
        "fn f() { let flags = OFlags::NOFOLLOW; rustix::fs::openat(d, p, flags, M); }",
        "fn f() { Rootfs::open(p); root.read(p); file.metadata(); }",
        "#[cfg(test)] mod tests { fn f() { std::fs::read(p); } }",
    ];
    for text in none {
        let calls = following(&Source::new("a.rs", &["a"], text));
        assert_eq!(calls, Calls::new(), "{text}");
    }
}
