//! The control member `conffiles` (deb-conffiles(5)) and what the status says of its files.

use crate::tree::rootfs::RootPath;

use super::Error;

/// A line of the member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conffile {
    /// Its path.
    pub(crate) path: RootPath,
    /// Whether the line has `remove-on-upgrade`: the package no longer ships the file and wants it gone.
    pub(crate) removed: bool,
}

/// What is known of a conffile's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConffileState {
    /// It waits as `.dpkg-new` until its package is configured.
    New,
    /// It was not unpacked, since an earlier package replaces this one; what the database says of that one's, if it is a conffile.
    Yielded(Option<String>),
    /// It is in place, be it another package's so far; its MD5 in hexadecimal.
    InPlace(String),
}

impl std::fmt::Display for ConffileState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConffileState::New => f.write_str("newconffile"),
            ConffileState::Yielded(digest) => {
                write!(f, "{} obsolete", digest.as_deref().unwrap_or("newconffile"))
            }
            ConffileState::InPlace(md5) => f.write_str(md5),
        }
    }
}

/// Reads the member.
pub(crate) fn parse_conffiles(package: &str, content: &[u8]) -> Result<Vec<Conffile>, Error> {
    let mut all: Vec<Conffile> = Vec::new();
    for (number, line) in content.split(|&b| b == b'\n').enumerate() {
        let bad = |problem| Error::Member {
            package: package.into(),
            member: "conffiles",
            line: number + 1,
            problem,
        };
        let line = line.trim_ascii_end();
        if line.is_empty() {
            continue;
        }
        let (removed, path) = match line.strip_prefix(b"remove-on-upgrade ") {
            Some(path) => (true, path.trim_ascii_start()),
            None => (false, line),
        };
        if !path.starts_with(b"/") {
            return Err(bad("not an absolute path"));
        }
        let path = RootPath::parse(path).map_err(|_| bad("not a path inside the tree"))?;
        if path.is_root() {
            return Err(bad("not the path of a file"));
        }
        if all.iter().all(|c| c.path != path) {
            all.push(Conffile { path, removed });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_and_without_a_word() {
        let all =
            parse_conffiles("a", b"/etc/a\nremove-on-upgrade /etc/b c\n\n/etc/d  \n").unwrap();
        let shown: Vec<_> = all
            .iter()
            .map(|c| (c.path.to_string(), c.removed))
            .collect();
        assert_eq!(
            shown,
            [
                ("/etc/a".into(), false),
                ("/etc/b c".into(), true),
                ("/etc/d".into(), false)
            ]
        );
        for bad in ["etc/a", "/etc/../a", "remove-on-upgrade x", "/"] {
            assert!(parse_conffiles("a", bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
