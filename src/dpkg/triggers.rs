//! Triggers (deb-triggers(5)): which packages are interested in which. `activations` records which
//! ones unpacking activates.

mod activations;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::tree::rootfs::{RootPath, Rootfs};

use super::conffiles::check_final_newline;
use super::{Error, lines_of, malformed};

pub(crate) use activations::Activations;

const DIRECTORY: &str = "var/lib/dpkg/triggers";
const FILE: &str = "var/lib/dpkg/triggers/File";
const UNINCORP: &str = "var/lib/dpkg/triggers/Unincorp";

/// The most directives of a package. Real packages have up to some dozen.
const DIRECTIVE_LIMIT: usize = 4096;

/// A line of the control member `triggers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Directive {
    /// The package is interested in a trigger: a name, or a path if it starts with a slash.
    Interest {
        trigger: String,
        /// Whether packages that activate it need not wait.
        noawait: bool,
    },
    /// The package activates a trigger.
    Activate {
        trigger: String,
        /// Whether this package need not wait.
        noawait: bool,
    },
}

/// Parses the member `triggers`.
pub(crate) fn parse_triggers(package: &str, content: &[u8]) -> Result<Vec<Directive>, Error> {
    check_final_newline(package, "triggers", content)?;
    let mut all = Vec::new();
    for (number, line) in String::from_utf8_lossy(content).lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let directive = match all.len() {
            DIRECTIVE_LIMIT => Err("more directives than any package has"),
            _ => parse_line(line),
        };
        all.push(directive.map_err(|problem| Error::Member {
            package: package.into(),
            member: "triggers",
            line: number + 1,
            problem,
        })?);
    }
    Ok(all)
}

fn parse_line(line: &str) -> Result<Directive, &'static str> {
    let Some((word, trigger)) = line.split_once(char::is_whitespace) else {
        return Err("a directive without a trigger");
    };
    let trigger = trigger.trim().to_owned();
    if !is_name(&trigger) && !is_path(&trigger) {
        return Err("not the name of a trigger");
    }
    let noawait = word.ends_with("-noawait");
    match word {
        "interest" | "interest-await" | "interest-noawait" => {
            Ok(Directive::Interest { trigger, noawait })
        }
        "activate" | "activate-await" | "activate-noawait" => {
            Ok(Directive::Activate { trigger, noawait })
        }
        _ => Err("an unknown directive"),
    }
}

/// Whether a trigger's name can be the name of its file in triggers/.
fn is_name(trigger: &str) -> bool {
    let is_known = |c: char| c.is_ascii_graphic() && c != '/';
    trigger.chars().all(is_known) && !matches!(trigger, "." | ".." | "File" | "Unincorp" | "Lock")
}

fn is_path(trigger: &str) -> bool {
    trigger.starts_with('/')
        && RootPath::parse(trigger).is_ok()
        && !trigger.contains(char::is_whitespace)
}

/// A package that is interested in a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interested {
    qualified: String,
    noawait: bool,
}

/// The interests of all packages: the files of triggers/.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interests {
    /// The lines of triggers/File, in order.
    paths: Vec<(RootPath, Interested)>,
    /// The other files of triggers/, which have the names of triggers.
    names: BTreeMap<String, Vec<Interested>>,
}

impl Interests {
    pub(crate) fn read(root: &Rootfs) -> Result<Interests, Error> {
        let mut all = Interests::default();
        for (number, line) in lines_of(root, FILE)? {
            let line = String::from_utf8_lossy(&line);
            let (path, package) = line
                .rsplit_once(' ')
                .ok_or_else(|| malformed(FILE, number, "no package"))?;
            let path = RootPath::parse(path)
                .map_err(|_| malformed(FILE, number, "not a path inside the tree"))?;
            all.paths.push((path, Interested::parse(package)));
        }
        let directory = RootPath::known(DIRECTORY);
        for name in root.names(&directory)? {
            let Ok(name) = String::from_utf8(name) else {
                continue;
            };
            if matches!(name.as_str(), "File" | "Unincorp" | "Lock") || name.ends_with(".new") {
                continue;
            }
            let Ok(below) = RootPath::parse(&name) else {
                continue;
            };
            let text = root.read(&directory.join(&below))?.unwrap_or_default();
            let mut packages = Vec::new();
            for line in String::from_utf8_lossy(&text).lines() {
                packages.push(Interested::parse(line));
            }
            all.names.insert(name, packages);
        }
        Ok(all)
    }

    /// Adds the interests of a package, and writes the files that change.
    pub(crate) fn register(
        &mut self,
        root: &Rootfs,
        qualified: &str,
        directives: &[Directive],
    ) -> Result<(), Error> {
        let mut paths_changed = false;
        for directive in directives {
            let Directive::Interest { trigger, noawait } = directive else {
                continue;
            };
            let interested = Interested {
                qualified: qualified.into(),
                noawait: *noawait,
            };
            if trigger.starts_with('/') {
                paths_changed |= self.add_path(trigger, interested)?;
            } else if self.add_name(trigger, interested) {
                self.write_name(root, trigger)?;
            }
        }
        if paths_changed {
            self.write_paths(root)?;
        }
        Ok(())
    }

    /// True if the interest is new.
    fn add_path(&mut self, trigger: &str, interested: Interested) -> Result<bool, Error> {
        let path = RootPath::parse(trigger)
            .map_err(|_| malformed(FILE, 0, "not a path inside the tree"))?;
        for (known, package) in &self.paths {
            if *known == path && package.qualified == interested.qualified {
                return Ok(false);
            }
        }
        self.paths.push((path, interested));
        Ok(true)
    }

    /// True if the interest is new.
    fn add_name(&mut self, trigger: &str, interested: Interested) -> bool {
        let packages = self.names.entry(trigger.to_owned()).or_default();
        for known in packages.iter() {
            if known.qualified == interested.qualified {
                return false;
            }
        }
        packages.push(interested);
        true
    }

    fn write_name(&self, root: &Rootfs, trigger: &str) -> Result<(), Error> {
        let mut text = String::new();
        for package in &self.names[trigger] {
            let _ = writeln!(text, "{package}");
        }
        let name = RootPath::parse(trigger)
            .map_err(|_| malformed(DIRECTORY, 0, "not the name of a trigger"))?;
        let path = RootPath::known(DIRECTORY).join(&name);
        Ok(root.write(&path, text.as_bytes(), 0o644)?)
    }

    fn write_paths(&self, root: &Rootfs) -> Result<(), Error> {
        let mut text = Vec::new();
        for (path, package) in &self.paths {
            text.push(b'/');
            text.extend_from_slice(path.as_bytes());
            text.extend_from_slice(format!(" {package}\n").as_bytes());
        }
        Ok(root.write(&RootPath::known(FILE), &text, 0o644)?)
    }
}

impl Interested {
    fn parse(text: &str) -> Interested {
        let without = text.strip_suffix("/noawait");
        Interested {
            qualified: without.unwrap_or(text).into(),
            noawait: without.is_some(),
        }
    }
}

impl std::fmt::Display for Interested {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let suffix = if self.noawait { "/noawait" } else { "" };
        write!(f, "{}{suffix}", self.qualified)
    }
}

#[cfg(test)]
mod tests {
    use crate::dpkg::Status;

    use super::*;

    fn read(root: &Rootfs, path: &'static str) -> String {
        String::from_utf8(
            root.read(&RootPath::known(path))
                .unwrap()
                .unwrap_or_default(),
        )
        .unwrap()
    }

    #[test]
    fn directives_are_read_and_checked() {
        let all = parse_triggers(
            "a",
            b"# x\ninterest-noawait /usr/share/x\nactivate ldconfig # y\n\ninterest a-b\n",
        )
        .unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(
            all[1],
            Directive::Activate {
                trigger: "ldconfig".into(),
                noawait: false
            }
        );
        let table = [
            ("interest", "a directive without a trigger"),
            ("interest a b", "not the name of a trigger"),
            ("interest ../x", "not the name of a trigger"),
            ("interest File", "not the name of a trigger"),
            ("await x", "an unknown directive"),
            ("activate /a/../b", "not the name of a trigger"),
            ("interest .", "not the name of a trigger"),
        ];
        let cut = parse_triggers("a", b"activate x").unwrap_err();
        assert!(cut.to_string().contains("newline"), "{cut}");
        for (bad, expected) in table {
            let error = parse_triggers("a", format!("{bad}\n").as_bytes()).unwrap_err();
            let Error::Member {
                line: 1, problem, ..
            } = error
            else {
                panic!("{bad}: {error}");
            };
            assert_eq!(problem, expected, "{bad}");
        }
    }

    #[test]
    fn interests_are_registered_and_only_the_configured_hear() {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        root.make_directories(&RootPath::known(DIRECTORY)).unwrap();
        let mut interests = Interests::read(&root).unwrap();
        let man = parse_triggers("man-db", b"interest-noawait /usr/share/man\n").unwrap();
        let libc =
            parse_triggers("libc-bin", b"interest ldconfig\ninterest /usr/share/x\n").unwrap();
        interests.register(&root, "man-db", &man).unwrap();
        interests.register(&root, "libc-bin", &libc).unwrap();
        interests.register(&root, "other:i386", &libc).unwrap();
        assert_eq!(
            read(&root, FILE),
            "/usr/share/man man-db/noawait\n/usr/share/x libc-bin\n/usr/share/x other:i386\n"
        );
        assert_eq!(
            read(&root, "var/lib/dpkg/triggers/ldconfig"),
            "libc-bin\nother:i386\n"
        );

        let mut nobody = Activations::listen(&interests, &Status::default());
        nobody.path(&RootPath::known("usr/share/man/man1"), "a");
        nobody.write(&root).unwrap();
        assert_eq!(read(&root, UNINCORP), "");

        let status = "Package: man-db\nStatus: install ok installed\n\nPackage: libc-bin\n\
                      Status: install ok triggers-awaited\n\n";
        root.write(
            &RootPath::known("var/lib/dpkg/status"),
            status.as_bytes(),
            0o644,
        )
        .unwrap();
        root.write(&RootPath::known(UNINCORP), b"ldconfig z\n", 0o644)
            .unwrap();
        let interests = Interests::read(&root).unwrap();
        let mut heard = Activations::listen(&interests, &Status::read(&root).unwrap());
        for path in [
            "usr/share/man/man1/a.1",
            "usr/share/man",
            "usr/share/manx",
            "usr/share",
            "usr/share/x",
        ] {
            heard.path(&RootPath::known(path), "a");
        }
        heard.directives(
            &parse_triggers(
                "a",
                b"activate ldconfig\nactivate nobody\nactivate-noawait ldconfig\n",
            )
            .unwrap(),
            "a",
        );
        heard.write(&root).unwrap();
        assert_eq!(
            read(&root, UNINCORP),
            "/usr/share/man -\n/usr/share/x a\nldconfig z a -\n"
        );
    }
}
