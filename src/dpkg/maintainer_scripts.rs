//! Maintainer scripts that dpkg runs while it unpacks: a preinst, or the postrm of a package that
//! disappears. Scripts of packages that are configured or removed are run by the tree's own dpkg.

use std::ffi::OsString;

use rustix::fs::FileType;

use crate::formats::package::Package;
use crate::formats::package_key::PackageKey;
use crate::sandbox::{self, Command, Finished};
use crate::tree::rootfs::{self, RootPath, Rootfs};

use super::ledger::Ledger;
use super::script::{
    SCRIPT_DIRECTORY, has_effect, is_executable, names_interpreter, script_environment,
};
use super::script_failure::{Ended, LastLines, ScriptFailure};
use super::staging::Staged;
use super::unpack::{Error, Method};

/// Runs a command inside the tree.
pub(crate) type Run<'r> = dyn Fn(&Command) -> Result<Finished, sandbox::Error> + 'r;

/// Which preinsts run. The tree does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preinsts {
    /// Those that can have an effect on a fresh installation.
    WithEffect,
    /// All, as for dpkg.
    All,
}

/// Runs the scripts of packages that are unpacked.
pub(crate) struct Scripts<'a> {
    pub(crate) root: &'a Rootfs,
    pub(crate) run: &'a Run<'a>,
    pub(crate) preinsts: Preinsts,
    /// SOURCE_DATE_EPOCH, in seconds.
    pub(crate) epoch: i64,
    /// What earlier steps have asked the tree's dpkg.
    pub(crate) forces: &'a mut Forces,
}

/// dpkg's force options, as the tree's dpkg passes them to scripts. It is asked once for each
/// method; the inner value is none where it does not answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forces {
    together: Option<Option<String>>,
    in_turn: Option<Option<String>>,
}

/// A script that is in the tree.
struct Script<'a> {
    package: &'a Package,
    /// `preinst`, `postrm`
    name: &'static str,
    path: String,
    /// Whether it says by what it is run.
    names_interpreter: bool,
    arguments: Vec<String>,
}

impl Scripts<'_> {
    /// Whether a package's preinst has to run.
    pub(crate) fn has_to_run(&self, staged: &Staged) -> bool {
        let Some(preinst) = preinst(staged) else {
            return false;
        };
        self.preinsts == Preinsts::All || has_effect(preinst)
    }

    /// Asks the tree's dpkg, once, for the force options that it passes to scripts; not while there
    /// is no dpkg. It must be asked before the database shows a package as half-installed.
    pub(crate) fn ask_forces(
        &mut self,
        method: Method,
        package: &str,
        ledger: &Ledger,
    ) -> Result<(), Error> {
        if ledger.dpkg_version().is_none() || self.forces.of(method).is_some() {
            return Ok(());
        }
        let asked = self.forces_of(method).map_err(|source| Error::Sandbox {
            package: package.to_owned(),
            script: "preinst",
            source,
        })?;
        *self.forces.of(method) = Some(asked);
        Ok(())
    }

    /// Runs a package's preinst with its control members beside it.
    pub(crate) fn run_preinst(
        &mut self,
        staged: &Staged,
        method: Method,
        ledger: &Ledger,
    ) -> Result<(), Error> {
        let name = &staged.package.name;
        let directory = RootPath::known(SCRIPT_DIRECTORY);
        self.write_members(staged, &directory)?;
        let script = Script {
            package: &staged.package,
            name: "preinst",
            path: format!("/{SCRIPT_DIRECTORY}/preinst"),
            names_interpreter: preinst(staged).is_some_and(names_interpreter),
            arguments: vec!["install".to_owned()],
        };
        self.run(&script, method, ledger)?;
        let removed = self.root.remove_tree(&directory);
        removed.map_err(|e| Error::tree(name, e))
    }

    /// Tells the postrm of a package, if it has one, that the package disappears in favour of
    /// another (Policy 6.6).
    pub(crate) fn run_postrm(
        &mut self,
        gone: &PackageKey,
        by: &PackageKey,
        method: Method,
        ledger: &Ledger,
    ) -> Result<(), Error> {
        let Some(package) = ledger.package(gone) else {
            return Ok(());
        };
        let name = &package.name;
        let path = format!("var/lib/dpkg/info/{}.postrm", ledger.qualified(gone));
        let in_tree = parse_path(name, &path)?;
        let content = self.root.read(&in_tree);
        let Some(content) = content.map_err(|e| Error::tree(name, e))? else {
            return Ok(());
        };
        self.make_executable(&in_tree)
            .map_err(|e| Error::tree(name, e))?;
        let other = ledger.qualified(by).to_owned();
        let version = by.version().to_string();
        let script = Script {
            package,
            name: "postrm",
            path: format!("/{path}"),
            names_interpreter: names_interpreter(&content),
            arguments: vec!["disappear".to_owned(), other, version],
        };
        self.run(&script, method, ledger)
    }

    fn make_executable(&self, script: &RootPath) -> Result<(), rootfs::Error> {
        let Some(handle) = self.root.handle(script)? else {
            return Ok(());
        };
        if handle.kind() != FileType::RegularFile || is_executable(handle.stat().st_mode) {
            return Ok(());
        }
        let set = handle.set_mode(0o755);
        set.map_err(|e| self.root.error(script, "make it executable", e))
    }

    fn write_members(&self, staged: &Staged, directory: &RootPath) -> Result<(), Error> {
        let name = &staged.package.name;
        let tree = |e| Error::tree(name, e);
        let made = self.root.make_new_directory(directory, 0o755);
        made.map_err(tree)?;
        for member in &staged.members {
            let path = directory.join(&parse_path(name, &member.name)?);
            let written = self.root.write(&path, &member.content, member.mode);
            written.map_err(tree)?;
        }
        let path = directory.join(&RootPath::known("control"));
        let written = self.root.write(&path, staged.stanza.as_bytes(), 0o644);
        written.map_err(tree)
    }

    fn run(&self, script: &Script<'_>, method: Method, ledger: &Ledger) -> Result<(), Error> {
        let mut argv = Vec::new();
        if !script.names_interpreter {
            argv.push(OsString::from("/bin/sh"));
        }
        argv.push(OsString::from(&script.path));
        argv.extend(script.arguments.iter().map(OsString::from));
        let command = Command {
            argv,
            env: self.environment(script, method, ledger),
        };
        let package = &script.package.name;
        let failure = match (self.run)(&command) {
            Ok(finished) if finished.status.success() => return Ok(()),
            Ok(Finished { status, output }) => {
                ScriptFailure::new(package, script.name, status, &output)
            }
            Err(sandbox::Error::Exceeded { limit, output, .. }) => ScriptFailure {
                package: package.clone(),
                script: script.name,
                ended: Ended::Exceeding(limit),
                output: LastLines::of_output(&output),
            },
            Err(source) => {
                return Err(Error::Sandbox {
                    package: package.clone(),
                    script: script.name,
                    source,
                });
            }
        };
        Err(failure.into())
    }

    fn environment(
        &self,
        script: &Script<'_>,
        method: Method,
        ledger: &Ledger,
    ) -> Vec<(OsString, OsString)> {
        let package = script.package;
        let instances = ledger.instances(&package.name).to_string();
        let mut own = vec![
            ("DPKG_MAINTSCRIPT_PACKAGE", package.name.as_str()),
            ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", &instances),
            ("DPKG_MAINTSCRIPT_ARCH", &package.architecture),
            ("DPKG_MAINTSCRIPT_NAME", script.name),
            ("DPKG_MAINTSCRIPT_DEBUG", "0"),
            ("DPKG_ADMINDIR", "/var/lib/dpkg"),
            ("DPKG_ROOT", ""),
        ];
        if let Some(version) = ledger.dpkg_version() {
            own.push(("DPKG_RUNNING_VERSION", version));
        }
        if let Some(Some(forces)) = self.forces.get(method) {
            own.push(("DPKG_FORCE", forces));
        }
        let mut environment = script_environment(Some(self.epoch));
        for (name, value) in own {
            environment.push((name.into(), value.into()));
        }
        environment
    }

    /// The force options that are in effect for a call of the tree's dpkg, as it tells them to
    /// scripts. Its configuration may set some, so it is asked; a dpkg that does not answer (before
    /// 1.19.5) does not tell scripts either.
    fn forces_of(&self, method: Method) -> Result<Option<String>, sandbox::Error> {
        let mut argv = vec![OsString::from("dpkg")];
        if method != Method::InTurn {
            argv.push("--force-depends".into());
        }
        argv.push("--force-help".into());
        let finished = (self.run)(&Command {
            argv,
            env: script_environment(Some(self.epoch)),
        })?;
        let output = String::from_utf8_lossy(&finished.output);
        let mut lines = output.lines();
        lines.find(|line| line.starts_with("Currently enabled options:"));
        Ok(lines.next().map(|line| line.trim().to_owned()))
    }
}

impl Forces {
    fn of(&mut self, method: Method) -> &mut Option<Option<String>> {
        match method {
            Method::Extract | Method::Recorded | Method::Locales | Method::Together => {
                &mut self.together
            }
            Method::InTurn => &mut self.in_turn,
        }
    }

    fn get(&self, method: Method) -> &Option<Option<String>> {
        match method {
            Method::Extract | Method::Recorded | Method::Locales | Method::Together => {
                &self.together
            }
            Method::InTurn => &self.in_turn,
        }
    }
}

/// The content of a package's preinst.
fn preinst(staged: &Staged) -> Option<&[u8]> {
    let mut members = staged.members.iter();
    let preinst = members.find(|member| member.name == "preinst")?;
    Some(&preinst.content)
}

fn parse_path(package: &str, path: &str) -> Result<RootPath, Error> {
    RootPath::parse(path).map_err(|source| Error::Path {
        package: package.to_owned(),
        source,
    })
}
