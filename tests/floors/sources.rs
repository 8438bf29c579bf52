//! The modules of src, and the rooms that each names, found with `syn`.
//!
//! A name counts wherever it stands: in `use`, in an expression, a type or a pattern, inside a
//! macro call, in an attribute. Items under `#[cfg(test)]` or for the feature `testing` do not
//! count.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// A file of src.
pub(crate) struct Source {
    /// Its path below src.
    pub(crate) name: String,
    /// The path of its module; empty for the crate's root.
    module: Vec<String>,
    pub(crate) file: syn::File,
}

impl Source {
    pub(crate) fn new(name: &str, module: &[&str], text: &str) -> Source {
        let file = match syn::parse_file(text) {
            Ok(file) => file,
            Err(error) => panic!("{name}: {error}"),
        };
        Source {
            name: name.to_owned(),
            module: module.iter().map(|part| (*part).to_owned()).collect(),
            file,
        }
    }

    /// The room that the file belongs to; none for the crate's root, which declares the rooms.
    pub(crate) fn room(&self) -> Option<String> {
        self.module.first().cloned()
    }
}

/// The library's files that are not for tests alone. Panics at a file that no module declares.
pub(crate) fn sources_of(directory: &Path) -> Vec<Source> {
    let mut walk = Walk {
        directory: directory.to_owned(),
        ..Walk::default()
    };
    walk.file(&directory.join("lib.rs"), &[], false);
    walk.reached.insert(directory.join("main.rs"));
    let mut all = BTreeSet::new();
    rust_files(directory, &mut all);
    let unreached: Vec<&PathBuf> = all.difference(&walk.reached).collect();
    assert!(unreached.is_empty(), "no module declares {unreached:?}");
    walk.sources
}

fn rust_files(directory: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(path);
        }
    }
}

/// Follows the `mod` items from file to file.
#[derive(Default)]
struct Walk {
    directory: PathBuf,
    sources: Vec<Source>,
    reached: BTreeSet<PathBuf>,
}

impl Walk {
    fn file(&mut self, path: &Path, module: &[&str], only_tests: bool) {
        self.reached.insert(path.to_owned());
        let text = fs::read_to_string(path).unwrap();
        let name = path.strip_prefix(&self.directory).unwrap();
        let source = Source::new(&name.display().to_string(), module, &text);
        let only_tests = only_tests || is_for_tests(&source.file.attrs);
        self.items(&source.file.items, module, only_tests);
        if !only_tests {
            self.sources.push(source);
        }
    }

    fn items(&mut self, items: &[Item], module: &[&str], only_tests: bool) {
        for item in items {
            let Item::Mod(item) = item else {
                continue;
            };
            let name = item.ident.to_string();
            let inner = [module, &[&name]].concat();
            let only_tests = only_tests || is_for_tests(&item.attrs);
            match &item.content {
                Some((_, items)) => self.items(items, &inner, only_tests),
                None => {
                    let path = self.directory.join(inner.join("/")).with_extension("rs");
                    self.file(&path, &inner, only_tests);
                }
            }
        }
    }
}

/// The rooms that a file names, without its own.
pub(super) fn room_imports(source: &Source) -> BTreeSet<String> {
    let mut named = paths_from(source, "crate");
    if let Some(own) = source.room() {
        named.remove(&own);
    }
    named
}

/// The first names after `root::`, and after `super::` or `self::` where these lead to the crate's
/// root.
pub(super) fn paths_from(source: &Source, root: &str) -> BTreeSet<String> {
    let mut finder = Finder {
        root: root.to_owned(),
        module: source.module.clone(),
        found: BTreeSet::new(),
    };
    finder.visit_file(&source.file);
    finder.found
}

struct Finder {
    root: String,
    module: Vec<String>,
    found: BTreeSet<String>,
}

impl Finder {
    /// Resolves a path to one from the crate's root, and notes its first name.
    fn note(&mut self, path: &[String]) {
        let Some((first, mut rest)) = path.split_first() else {
            return;
        };
        let mut absolute = match first.as_str() {
            "super" => self.module[..self.module.len().saturating_sub(1)].to_vec(),
            "self" => self.module.clone(),
            root if root == self.root => Vec::new(),
            _ => return,
        };
        while let Some((first, further)) = rest.split_first() {
            if first != "super" {
                break;
            }
            absolute.pop();
            rest = further;
        }
        absolute.extend_from_slice(rest);
        if let Some(name) = absolute.into_iter().next() {
            self.found.insert(name);
        }
    }

    fn use_tree(&mut self, prefix: &[String], tree: &UseTree) {
        let path = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(tree) => self.use_tree(&path(&tree.ident), &tree.tree),
            UseTree::Name(tree) => self.note(&path(&tree.ident)),
            UseTree::Rename(tree) => self.note(&path(&tree.ident)),
            UseTree::Glob(_) => self.note(prefix),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(prefix, tree);
                }
            }
        }
    }

    /// Notes the paths in the tokens of a macro or an attribute, which syn does not parse.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.note(&std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Punct(_) => self.note(&std::mem::take(&mut path)),
                TokenTree::Group(group) => {
                    self.note(&std::mem::take(&mut path));
                    self.tokens(group.stream());
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    let parts = text.trim_matches('"').split("::");
                    let parts: Vec<String> = parts.map(str::to_owned).collect();
                    self.note(&parts);
                }
            }
        }
        self.note(&path);
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !is_for_tests(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|part| part.ident.to_string());
        let names: Vec<String> = names.collect();
        // A lone `self` is the value, a lone `super` or `crate` a visibility.
        if names.len() > 1 {
            self.note(&names);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether an item is compiled for tests alone.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Meta>()
                .is_ok_and(|predicate| holds_in_tests_only(&predicate))
    })
}

fn holds_in_tests_only(predicate: &syn::Meta) -> bool {
    match predicate {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::NameValue(pair) => {
            let syn::Expr::Lit(literal) = &pair.value else {
                return false;
            };
            let syn::Lit::Str(value) = &literal.lit else {
                return false;
            };
            pair.path.is_ident("feature") && value.value() == "testing"
        }
        syn::Meta::List(list) => {
            let parser = syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated;
            let Ok(inner) = list.parse_args_with(parser) else {
                return false;
            };
            if list.path.is_ident("all") {
                inner.iter().any(holds_in_tests_only)
            } else {
                list.path.is_ident("any") && inner.iter().all(holds_in_tests_only)
            }
        }
    }
}
