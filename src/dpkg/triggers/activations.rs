//! The triggers that unpacking activates, for dpkg to process when it next runs.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use super::{Directive, Interests, UNINCORP};
use crate::dpkg::{Error, Status, lines_of};
use crate::tree::rootfs::{RootPath, Rootfs};

/// The triggers that unpacking activates, of those that a configured package is interested in.
#[derive(Debug)]
pub(crate) struct Activations {
    /// Paths that a configured package is interested in, and whether all interests are `noawait`.
    paths: HashMap<RootPath, bool>,
    names: HashMap<String, bool>,
    /// Triggers with the packages that wait for them, `-` for none.
    activated: Activated,
}

/// Packages by the trigger that they wait for.
type Activated = BTreeMap<String, Vec<String>>;

impl Activations {
    /// Takes the interests of the packages that are configured so far. dpkg notifies no others.
    pub(crate) fn listen(interests: &Interests, status: &Status) -> Activations {
        let mut all = Activations {
            paths: HashMap::new(),
            names: HashMap::new(),
            activated: BTreeMap::new(),
        };
        for (path, package) in &interests.paths {
            if status.is_configured(&package.qualified) {
                *all.paths.entry(path.clone()).or_insert(true) &= package.noawait;
            }
        }
        for (name, packages) in &interests.names {
            for package in packages {
                if status.is_configured(&package.qualified) {
                    *all.names.entry(name.clone()).or_insert(true) &= package.noawait;
                }
            }
        }
        all
    }

    /// Records that a package has unpacked this path.
    pub(crate) fn path(&mut self, path: &RootPath, qualified: &str) {
        if self.paths.is_empty() {
            return;
        }
        let mut at = path.clone();
        while !at.is_root() {
            if let Some(&noawait) = self.paths.get(&at) {
                let waiting = if noawait { "-" } else { qualified };
                add(&mut self.activated, &at.to_string(), waiting);
            }
            at = at.parent();
        }
    }

    /// Records the triggers that an unpacked package activates by its own directives.
    pub(crate) fn directives(&mut self, directives: &[Directive], qualified: &str) {
        for directive in directives {
            let Directive::Activate { trigger, noawait } = directive else {
                continue;
            };
            let waiting = if *noawait { "-" } else { qualified };
            if trigger.starts_with('/') {
                self.path(&RootPath::parse(trigger).unwrap_or_default(), waiting);
            } else if let Some(&interested_noawait) = self.names.get(trigger) {
                let waiting = if interested_noawait { "-" } else { waiting };
                add(&mut self.activated, trigger, waiting);
            }
        }
    }

    /// Adds the activations to triggers/Unincorp, which dpkg reads when it next runs. A script may
    /// have written to it too.
    pub(crate) fn write(self, root: &Rootfs) -> Result<(), Error> {
        if self.activated.is_empty() {
            return Ok(());
        }
        let mut all = Activated::new();
        for (_, line) in lines_of(root, UNINCORP)? {
            let line = String::from_utf8_lossy(&line);
            let mut words = line.split_whitespace();
            let trigger = words.next().unwrap_or_default();
            for waiting in words {
                add(&mut all, trigger, waiting);
            }
        }
        for (trigger, packages) in &self.activated {
            for waiting in packages {
                add(&mut all, trigger, waiting);
            }
        }
        let mut text = String::new();
        for (trigger, packages) in &all {
            let _ = writeln!(text, "{trigger} {}", packages.join(" "));
        }
        Ok(root.write(&RootPath::known(UNINCORP), text.as_bytes(), 0o644)?)
    }
}

fn add(activated: &mut Activated, trigger: &str, waiting: &str) {
    let packages = activated.entry(trigger.to_owned()).or_default();
    if !packages.iter().any(|known| known == waiting) {
        packages.push(waiting.into());
    }
}
