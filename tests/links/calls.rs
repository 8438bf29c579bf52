//! The calls of a source file that follow symlinks, found with `syn`.
//!
//! A name counts wherever it stands outside of tests: called, passed or imported, and in the
//! arguments of a macro. Which of them are allowed is in `allowed`.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::floors::sources::{Source, is_for_tests};

/// Functions of the standard library, rustix, nix and libc that follow a symlink at the path's end.
const FOLLOWING: &[&str] = &[
    "AtFlags::SYMLINK_FOLLOW",
    "File::create",
    "File::open",
    "File::options",
    "OpenOptions::new",
    "fs::access",
    "fs::canonicalize",
    "fs::chmod",
    "fs::chown",
    "fs::chroot",
    "fs::copy",
    "fs::create_dir_all",
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
    "fs::statfs",
    "fs::statvfs",
    "fs::write",
    "env::set_current_dir",
    "fcntl::open",
    "libc::AT_SYMLINK_FOLLOW",
    "libc::access",
    "libc::chdir",
    "libc::chmod",
    "libc::chown",
    "libc::chroot",
    "libc::creat",
    "libc::fopen",
    "libc::getxattr",
    "libc::listxattr",
    "libc::open",
    "libc::open64",
    "libc::opendir",
    "libc::realpath",
    "libc::removexattr",
    "libc::setxattr",
    "libc::stat",
    "libc::stat64",
    "libc::statfs",
    "libc::statvfs",
    "libc::truncate",
    "libc::utimes",
    "process::chdir",
    "process::chroot",
    "stat::stat",
    "statvfs::statvfs",
    "unistd::access",
    "unistd::chdir",
    "unistd::chown",
    "unistd::chroot",
    "unistd::truncate",
    "unix::chown",
    "unix::chroot",
];

/// Functions that follow unless a flag of the function around them forbids it.
const FOLLOWING_AT: &[&str] = &[
    "fs::accessat",
    "fs::chmodat",
    "fs::chownat",
    "fs::openat",
    "fs::statat",
    "fs::statx",
    "fs::utimensat",
    "libc::faccessat",
    "libc::fchmodat",
    "libc::fchownat",
    "libc::fstatat",
    "libc::openat",
    "libc::utimensat",
];

/// The flags that forbid it.
const NOT_FOLLOWING: [&str; 3] = ["NOFOLLOW", "SYMLINK_NOFOLLOW", "EMPTY_PATH"];

/// Methods of `Path` that follow. Other types have some of the names, too.
const METHODS: &[&str] = &[
    "canonicalize",
    "exists",
    "is_dir",
    "is_file",
    "metadata",
    "read_dir",
    "try_exists",
];

/// Calls as `file function call`.
pub(super) type Calls = BTreeSet<String>;

/// The following calls of a file, outside of its tests.
pub(super) fn following(source: &Source) -> Calls {
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

    /// A function, by its module or type and its name.
    fn function(&mut self, path: &str) {
        let method = path
            .strip_prefix("Path::")
            .or(path.strip_prefix("PathBuf::"));
        let follows = FOLLOWING.contains(&path)
            || FOLLOWING_AT.contains(&path) && !self.forbidden
            || method.is_some_and(|method| METHODS.contains(&method));
        if follows {
            self.note(path);
        }
    }

    fn method(&mut self, name: &str) {
        if METHODS.contains(&name) {
            self.note(&format!(".{name}"));
        }
    }

    /// The calls in the arguments of a macro, which are not parsed.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for tree in &tokens {
            if let TokenTree::Group(group) = tree {
                self.tokens(group.stream());
            }
        }
        for four in tokens.windows(4) {
            if let [
                TokenTree::Ident(parent),
                first,
                second,
                TokenTree::Ident(name),
            ] = four
                && is_punct(first, ':')
                && is_punct(second, ':')
            {
                self.function(&format!("{parent}::{name}"));
            }
        }
        for three in tokens.windows(3) {
            if let [dot, TokenTree::Ident(name), TokenTree::Group(arguments)] = three
                && is_punct(dot, '.')
                && arguments.stream().is_empty()
            {
                self.method(&name.to_string());
            }
        }
    }
}

fn is_punct(tree: &TokenTree, wanted: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == wanted)
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
        self.function(&names[end..].join("::"));
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        // With an argument it is a method of another type.
        if call.args.is_empty() {
            self.method(&call.method.to_string());
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
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

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
    }
}

impl Flags {
    fn tokens(&mut self, tokens: TokenStream) {
        for tree in tokens {
            match tree {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(name) => {
                    self.found |= NOT_FOLLOWING.contains(&name.to_string().as_str());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}
