//! Paths inside the target tree.

use std::ffi::CString;
use std::fmt;
use std::ops::Bound;

/// A path relative to the tree's root: normalised, without `..`, `.`, empty components or NUL. The
/// root itself is empty.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RootPath(Vec<u8>);

impl RootPath {
    /// Reads a path as archives and databases write it: `./usr/bin`, `/usr/bin`, `usr/bin/`.
    pub(crate) fn parse(path: impl AsRef<[u8]>) -> Result<RootPath, BadPath> {
        let path = path.as_ref();
        let mut clean = Vec::with_capacity(path.len());
        for component in path.split(|&b| b == b'/') {
            if component.is_empty() || component == b"." {
                continue;
            }
            if component == b".." || component.contains(&0) {
                let path = String::from_utf8_lossy(path).into_owned();
                return Err(BadPath { path });
            }
            if !clean.is_empty() {
                clean.push(b'/');
            }
            clean.extend_from_slice(component);
        }
        Ok(RootPath(clean))
    }

    /// A literal path, normalised except for a leading slash.
    pub(crate) fn known(path: &'static str) -> RootPath {
        RootPath(path.trim_start_matches('/').into())
    }

    /// The path without a leading slash.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory that contains it; the root's is the root.
    pub(crate) fn parent(&self) -> RootPath {
        RootPath(self.split().0.to_vec())
    }

    /// The last component, empty for the root.
    pub(crate) fn name(&self) -> &[u8] {
        self.split().1
    }

    /// The path with `suffix` appended to its last component, such as `.dpkg-new`.
    pub(crate) fn with_suffix(&self, suffix: &str) -> RootPath {
        RootPath([&self.0, suffix.as_bytes()].concat())
    }

    pub(crate) fn join(&self, below: &RootPath) -> RootPath {
        if self.is_root() {
            return below.clone();
        }
        if below.is_root() {
            return self.clone();
        }
        RootPath([&self.0, &b"/"[..], &below.0].concat())
    }

    /// The path of an entry that was read from this directory. Such a name is neither `.` nor `..`,
    /// and has no slash.
    pub(crate) fn entry(&self, name: &[u8]) -> RootPath {
        self.join(&RootPath(name.to_vec()))
    }

    /// The path that a symlink in this directory would name by `target`. `..` is the directory above,
    /// and symlinks on the way are not followed.
    pub(crate) fn target(&self, target: &[u8]) -> RootPath {
        let is_absolute = target.starts_with(b"/");
        let mut path = if is_absolute {
            RootPath::default()
        } else {
            self.clone()
        };
        for name in target.split(|&b| b == b'/') {
            match name {
                b"" | b"." => {}
                b".." => path = path.parent(),
                _ => path = path.entry(name),
            }
        }
        path
    }

    /// The range of an ordered map that has all paths below this one, and no others.
    pub(crate) fn range_below(&self) -> (Bound<RootPath>, Bound<RootPath>) {
        if self.is_root() {
            return (Bound::Excluded(RootPath::default()), Bound::Unbounded);
        }
        // The byte after the slash.
        let [first, end] = [b"/", b"0"].map(|last| RootPath([&self.0[..], last].concat()));
        (Bound::Included(first), Bound::Excluded(end))
    }

    /// The path that the names of entries lead to, one below the other; see [`RootPath::entry`].
    pub(crate) fn of_entries(names: &[CString]) -> RootPath {
        let mut path = Vec::new();
        for name in names {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
        }
        RootPath(path)
    }

    /// Whether this is `above` or below it.
    pub(crate) fn is_within(&self, above: &RootPath) -> bool {
        if above.is_root() {
            return true;
        }
        match self.0.strip_prefix(&above.0[..]) {
            Some(rest) => rest.is_empty() || rest[0] == b'/',
            None => false,
        }
    }

    fn split(&self) -> (&[u8], &[u8]) {
        match memchr::memrchr(b'/', &self.0) {
            Some(at) => (&self.0[..at], &self.0[at + 1..]),
            None => (&[], &self.0),
        }
    }
}

impl fmt::Display for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A path that could lead out of the tree, or that no file can have.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` is not a path inside the tree")]
pub(crate) struct BadPath {
    /// As written.
    pub(crate) path: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RootPath {
        RootPath::parse(text).unwrap()
    }

    #[test]
    fn paths_are_normalised_and_stay_inside() {
        for same in ["usr/bin", "./usr/bin", "/usr/bin/", "//usr/./bin"] {
            assert_eq!(path(same), path("usr/bin"));
        }
        for bad in ["..", "a/../b", "../a", "a\0b"] {
            let error = RootPath::parse(bad).unwrap_err();
            assert_eq!(error.path, bad);
        }
        assert!(path("./").is_root());
    }

    #[test]
    fn parents_and_names() {
        assert_eq!(path("a/b").parent(), path("a"));
        assert_eq!(path("a/b").name(), b"b");
        assert_eq!(path("a").parent(), path("/"));
        assert_eq!(path("a").entry(b"b"), path("a/b"));
        assert!(path("usr/bin").is_within(&path("usr")));
        assert!(!path("usrx").is_within(&path("usr")));
    }

    #[test]
    fn targets_are_seen_from_a_directory() {
        for (from, target, expected) in [
            ("a/b", "c", "a/b/c"),
            ("a/b", "../c/./d/", "a/c/d"),
            ("a/b", "/c//d", "c/d"),
            ("a/b", "../../../..", ""),
            ("a/b", "", "a/b"),
            ("", "./a/../b", "b"),
        ] {
            assert_eq!(
                path(from).target(target.as_bytes()),
                path(expected),
                "{from} {target}"
            );
        }
    }

    #[test]
    fn a_range_has_what_is_below() {
        let all = ["", "a", "a-b", "a/b", "a/b/c", "a0", "ab"].map(path);
        let paths = std::collections::BTreeSet::from(all.clone());
        for above in &all {
            let found: Vec<_> = paths.range(above.range_below()).collect();
            let is_below = |path: &&RootPath| path.is_within(above) && *path != above;
            assert_eq!(
                found,
                paths.iter().filter(is_below).collect::<Vec<_>>(),
                "{above}"
            );
        }
    }
}
