//! The control member `conffiles` (deb-conffiles(5)), and how the status file records conffiles.

use std::collections::HashMap;

use crate::tree::rootfs::RootPath;

use super::Error;

/// The most conffiles of a package. Real packages have up to some hundred.
const LIMIT: usize = 8192;

/// The conffiles of a package.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conffiles {
    /// In the order of the member.
    all: Vec<Conffile>,
    by_path: HashMap<RootPath, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conffile {
    pub(crate) path: RootPath,
    /// Whether the line has `remove-on-upgrade`: the package no longer ships the file, and dpkg
    /// removes it on upgrade.
    pub(crate) removed: bool,
}

/// What the status file says about a conffile's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConffileState {
    /// Unpacked as `.dpkg-new` until its package is configured.
    New,
    /// Not unpacked, because an earlier package replaces it. Holds the MD5 of that package's
    /// conffile, if it is one.
    Yielded(Option<String>),
    /// Exists under its name, possibly from another package. Holds its MD5 in hexadecimal.
    InPlace(String),
}

impl std::fmt::Display for ConffileState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConffileState::New => f.write_str("newconffile"),
            ConffileState::Yielded(None) => f.write_str("newconffile obsolete"),
            ConffileState::Yielded(Some(md5)) => write!(f, "{md5} obsolete"),
            ConffileState::InPlace(md5) => f.write_str(md5),
        }
    }
}

impl Conffiles {
    /// The conffile at a path.
    pub(crate) fn get(&self, path: &RootPath) -> Option<&Conffile> {
        let at = self.by_path.get(path)?;
        self.all.get(*at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds a conffile, unless the path has one.
    fn add(&mut self, conffile: Conffile) -> Result<(), &'static str> {
        if self.by_path.contains_key(&conffile.path) {
            return Ok(());
        }
        if self.all.len() == LIMIT {
            return Err("more conffiles than any package has");
        }
        self.by_path.insert(conffile.path.clone(), self.all.len());
        self.all.push(conffile);
        Ok(())
    }
}

impl<'c> IntoIterator for &'c Conffiles {
    type Item = &'c Conffile;
    type IntoIter = std::slice::Iter<'c, Conffile>;

    fn into_iter(self) -> std::slice::Iter<'c, Conffile> {
        self.all.iter()
    }
}

/// Parses the member.
pub(crate) fn parse_conffiles(package: &str, content: &[u8]) -> Result<Conffiles, Error> {
    let mut all = Conffiles::default();
    check_final_newline(package, "conffiles", content)?;
    for (number, line) in content.split(|&b| b == b'\n').enumerate() {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            continue;
        }
        let added = parse_line(line).and_then(|conffile| all.add(conffile));
        added.map_err(|problem| Error::Member {
            package: package.into(),
            member: "conffiles",
            line: number + 1,
            problem,
        })?;
    }
    Ok(all)
}

/// dpkg takes no last line without a newline in a control member that it reads.
pub(crate) fn check_final_newline(
    package: &str,
    member: &'static str,
    content: &[u8],
) -> Result<(), Error> {
    if content.is_empty() || content.ends_with(b"\n") {
        return Ok(());
    }
    Err(Error::Member {
        package: package.into(),
        member,
        line: content.split(|&b| b == b'\n').count(),
        problem: "it does not end with a newline",
    })
}

fn parse_line(line: &[u8]) -> Result<Conffile, &'static str> {
    let marked = line.strip_prefix(b"remove-on-upgrade ");
    let path = marked.unwrap_or(line).trim_ascii_start();
    if !path.starts_with(b"/") || (marked.is_none() && path.len() < line.len()) {
        return Err("not an absolute path");
    }
    let path = RootPath::parse(path).map_err(|_| "not a path inside the tree")?;
    if path.is_root() {
        return Err("not the path of a file");
    }
    Ok(Conffile {
        path,
        removed: marked.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_and_without_a_word() {
        let all =
            parse_conffiles("a", b"/etc/a\nremove-on-upgrade /etc/b c\n\n/etc/d  \n").unwrap();
        let conffile = |path, removed| Conffile {
            path: RootPath::known(path),
            removed,
        };
        let expected = [
            conffile("etc/a", false),
            conffile("etc/b c", true),
            conffile("etc/d", false),
        ];
        assert_eq!(all.all, expected);
        let table = [
            ("etc/a", "not an absolute path"),
            (" /etc/a", "not an absolute path"),
            ("/etc/../a", "not a path inside the tree"),
            ("remove-on-upgrade x", "not an absolute path"),
            ("/", "not the path of a file"),
        ];
        let cut = parse_conffiles("a", b"/etc/a").unwrap_err();
        assert!(cut.to_string().contains("newline"), "{cut}");
        for (bad, expected) in table {
            let error = parse_conffiles("a", format!("{bad}\n").as_bytes()).unwrap_err();
            let Error::Member {
                line: 1, problem, ..
            } = error
            else {
                panic!("{bad}: {error}");
            };
            assert_eq!(problem, expected, "{bad}");
        }
    }
}
