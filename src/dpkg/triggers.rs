//! Triggers (deb-triggers(5)): who wants to hear of what, and what has happened that dpkg is to tell them.

use std::collections::{BTreeMap, HashMap};

use crate::tree::rootfs::{RootPath, Rootfs};

use super::{Error, Status, lines_of, malformed};

const DIRECTORY: &str = "var/lib/dpkg/triggers";
const FILE: &str = "var/lib/dpkg/triggers/File";
const UNINCORP: &str = "var/lib/dpkg/triggers/Unincorp";

/// A line of the control member `triggers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Directive {
    /// The package wants to hear of a trigger.
    Interest {
        /// Its name; a path when it begins with a slash.
        trigger: String,
        /// Whether those who activate it need not wait for it.
        noawait: bool,
    },
    /// The package activates a trigger.
    Activate {
        /// Its name.
        trigger: String,
        /// Whether it need not wait for it.
        noawait: bool,
    },
}

/// Reads the member `triggers`.
pub(crate) fn parse_triggers(package: &str, content: &[u8]) -> Result<Vec<Directive>, Error> {
    let mut all = Vec::new();
    for (number, line) in String::from_utf8_lossy(content).lines().enumerate() {
        let bad = |problem| Error::Member {
            package: package.into(),
            member: "triggers",
            line: number + 1,
            problem,
        };
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (word, trigger) = line
            .split_once(char::is_whitespace)
            .ok_or_else(|| bad("a directive without a trigger"))?;
        let trigger = trigger.trim().to_owned();
        // A trigger's name becomes the name of a file.
        let known = |c: char| c.is_ascii_graphic() && c != '/';
        let is_name = trigger.chars().all(known)
            && !matches!(trigger.as_str(), "." | ".." | "File" | "Unincorp" | "Lock");
        let is_path = trigger.starts_with('/')
            && RootPath::parse(&trigger).is_ok()
            && !trigger.contains(char::is_whitespace);
        if !is_name && !is_path {
            return Err(bad("not the name of a trigger"));
        }
        all.push(match word {
            "interest" | "interest-await" => Directive::Interest {
                trigger,
                noawait: false,
            },
            "interest-noawait" => Directive::Interest {
                trigger,
                noawait: true,
            },
            "activate" | "activate-await" => Directive::Activate {
                trigger,
                noawait: false,
            },
            "activate-noawait" => Directive::Activate {
                trigger,
                noawait: true,
            },
            _ => return Err(bad("an unknown directive")),
        });
    }
    Ok(all)
}

/// A package that wants to hear of a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interested {
    qualified: String,
    noawait: bool,
}

/// Who wants to hear of what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interests {
    /// Lines of triggers/File, in their order.
    paths: Vec<(RootPath, Interested)>,
    /// The files of triggers/ that have the names of triggers.
    names: BTreeMap<String, Vec<Interested>>,
}

impl Interests {
    /// Reads triggers/.
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
            let packages = String::from_utf8_lossy(&text)
                .lines()
                .map(Interested::parse)
                .collect();
            all.names.insert(name, packages);
        }
        Ok(all)
    }

    /// Adds the interests of a package, and writes the files of triggers/ that change.
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
                let path = RootPath::parse(trigger)
                    .map_err(|_| malformed(FILE, 0, "not a path inside the tree"))?;
                if !self
                    .paths
                    .iter()
                    .any(|(p, i)| *p == path && i.qualified == qualified)
                {
                    self.paths.push((path, interested));
                    paths_changed = true;
                }
                continue;
            }
            let packages = self.names.entry(trigger.clone()).or_default();
            if !packages.iter().any(|i| i.qualified == qualified) {
                packages.push(interested);
                let text: String = packages.iter().map(|i| format!("{i}\n")).collect();
                let name = RootPath::parse(trigger)
                    .map_err(|_| malformed(DIRECTORY, 0, "not the name of a trigger"))?;
                root.write(
                    &RootPath::known(DIRECTORY).join(&name),
                    text.as_bytes(),
                    0o644,
                )?;
            }
        }
        if paths_changed {
            let text: Vec<u8> = self
                .paths
                .iter()
                .flat_map(|(path, i)| {
                    [b"/", path.as_bytes(), format!(" {i}\n").as_bytes()].concat()
                })
                .collect();
            root.write(&RootPath::known(FILE), &text, 0o644)?;
        }
        Ok(())
    }
}

impl Interested {
    fn parse(text: &str) -> Interested {
        let (qualified, noawait) = text
            .strip_suffix("/noawait")
            .map_or((text, false), |name| (name, true));
        Interested {
            qualified: qualified.into(),
            noawait,
        }
    }
}

impl std::fmt::Display for Interested {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}{}",
            self.qualified,
            if self.noawait { "/noawait" } else { "" }
        )
    }
}

/// What happens while packages are unpacked that configured packages want to hear of.
#[derive(Debug)]
pub(crate) struct Activations {
    /// Paths that somebody configured has an interest in, and whether he lets others go on.
    paths: HashMap<RootPath, bool>,
    names: HashMap<String, bool>,
    /// Triggers with those who wait for them, `-` for nobody.
    activated: BTreeMap<String, Vec<String>>,
}

impl Activations {
    /// Begins to listen for what the packages configured so far want to hear of. Nobody else can be told.
    pub(crate) fn listen(interests: &Interests, status: &Status) -> Activations {
        let mut all = Activations {
            paths: HashMap::new(),
            names: HashMap::new(),
            activated: BTreeMap::new(),
        };
        for (path, interested) in interests
            .paths
            .iter()
            .filter(|(_, i)| status.is_configured(&i.qualified))
        {
            *all.paths.entry(path.clone()).or_insert(true) &= interested.noawait;
        }
        for (name, packages) in &interests.names {
            for interested in packages
                .iter()
                .filter(|i| status.is_configured(&i.qualified))
            {
                *all.names.entry(name.clone()).or_insert(true) &= interested.noawait;
            }
        }
        all
    }

    /// A package has brought this path.
    pub(crate) fn path(&mut self, path: &RootPath, qualified: &str) {
        if self.paths.is_empty() {
            return;
        }
        let mut at = path.clone();
        while !at.is_root() {
            if let Some(&noawait) = self.paths.get(&at) {
                let trigger = String::from_utf8_lossy(at.as_bytes());
                Self::note(
                    &mut self.activated,
                    format!("/{trigger}"),
                    if noawait { "-" } else { qualified },
                );
            }
            at = at.parent();
        }
    }

    /// A package has been unpacked that activates triggers by itself.
    pub(crate) fn directives(&mut self, directives: &[Directive], qualified: &str) {
        for directive in directives {
            let Directive::Activate { trigger, noawait } = directive else {
                continue;
            };
            let path = trigger
                .starts_with('/')
                .then(|| RootPath::parse(trigger).unwrap_or_default());
            match path {
                Some(path) if *noawait => self.path(&path, "-"),
                Some(path) => self.path(&path, qualified),
                None => {
                    if let Some(interested_noawait) = self.names.get(trigger) {
                        let waits = !(*noawait || *interested_noawait);
                        Self::note(
                            &mut self.activated,
                            trigger.clone(),
                            if waits { qualified } else { "-" },
                        );
                    }
                }
            }
        }
    }

    fn note(activated: &mut BTreeMap<String, Vec<String>>, trigger: String, waiting: &str) {
        let all = activated.entry(trigger).or_default();
        if !all.iter().any(|w| w == waiting) {
            all.push(waiting.into());
        }
    }

    /// Adds what happened to triggers/Unincorp, which dpkg reads when it next runs. A script may have written there too.
    pub(crate) fn write(self, root: &Rootfs) -> Result<(), Error> {
        if self.activated.is_empty() {
            return Ok(());
        }
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (_, line) in lines_of(root, UNINCORP)? {
            let line = String::from_utf8_lossy(&line);
            let mut words = line.split_whitespace().map(str::to_owned);
            if let Some(trigger) = words.next() {
                words.for_each(|word| Self::note(&mut all, trigger.clone(), &word));
            }
        }
        for (trigger, waiting) in self.activated {
            waiting
                .iter()
                .for_each(|word| Self::note(&mut all, trigger.clone(), word));
        }
        let text: String = all
            .iter()
            .map(|(trigger, waiting)| format!("{trigger} {}\n", waiting.join(" ")))
            .collect();
        Ok(root.write(&RootPath::known(UNINCORP), text.as_bytes(), 0o644)?)
    }
}

#[cfg(test)]
mod tests {
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
        for bad in [
            "interest",
            "interest a b",
            "interest ../x",
            "interest File",
            "await x",
            "activate /a/../b",
            "interest .",
        ] {
            assert!(parse_triggers("a", bad.as_bytes()).is_err(), "{bad}");
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

        let status = "Package: man-db\nStatus: install ok installed\n\nPackage: libc-bin\nStatus: install ok triggers-awaited\n\n";
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
