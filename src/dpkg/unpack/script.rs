//! Running a maintainer script as dpkg runs it while it unpacks: a preinst, or the postrm of a package that disappears.

use std::ffi::OsString;

use crate::dpkg::{SCRIPT_DIRECTORY, has_effect, script_environment};
use crate::formats::package::Package;
use crate::sandbox::{self, Command, Finished};
use crate::tree::rootfs::{RootPath, Rootfs};

use super::stage::Staged;
use super::{Error, Preinsts};

/// Runs a command inside the tree.
pub(super) type Run<'r> = &'r dyn Fn(&Command) -> Result<Finished, sandbox::Error>;

/// What a script hears of the world around it.
pub(super) struct Surroundings<'a> {
    /// SOURCE_DATE_EPOCH, in seconds.
    pub(super) epoch: i64,
    /// The version of the tree's dpkg, where that is known.
    pub(super) dpkg: Option<&'a str>,
    /// dpkg's force options, where it tells them.
    pub(super) forces: Option<&'a str>,
    /// How many packages of this name there are, itself counted.
    pub(super) instances: usize,
}

/// A script that is in the tree.
struct Script<'a> {
    package: &'a Package,
    /// `preinst`, `postrm`
    name: &'static str,
    path: String,
    arguments: &'a [&'a str],
}

/// Whether a package's preinst has to run.
pub(super) fn has_to_run(staged: &Staged, preinsts: Preinsts) -> bool {
    let script = staged.members.iter().find(|m| m.name == "preinst");
    script.is_some_and(|script| preinsts == Preinsts::All || has_effect(&script.content))
}

/// Runs a package's preinst, its control members beside it. That it fails is an error.
pub(super) fn run_preinst(
    root: &Rootfs,
    staged: &Staged,
    surroundings: &Surroundings<'_>,
    run: Run<'_>,
) -> Result<(), Error> {
    let name = &staged.package.name;
    let directory = RootPath::known(SCRIPT_DIRECTORY);
    let tree = |e| Error::tree(name, e);
    root.remove_tree(&directory).map_err(tree)?;
    root.make_directory(&directory, 0o755).map_err(tree)?;
    let control = ("control", staged.stanza.as_bytes(), 0o644);
    for (member, content, mode) in staged
        .members
        .iter()
        .map(|m| (m.name.as_str(), &m.content[..], m.mode))
        .chain([control])
    {
        let path = RootPath::parse(member).map_err(|source| Error::Path {
            package: name.clone(),
            source,
        })?;
        root.write(&directory.join(&path), content, mode)
            .map_err(tree)?;
    }
    let path = format!("/{SCRIPT_DIRECTORY}/preinst");
    run_script(
        &Script {
            package: &staged.package,
            name: "preinst",
            path,
            arguments: &["install"],
        },
        surroundings,
        run,
    )?;
    root.remove_tree(&directory).map_err(tree)
}

/// Tells the postrm of a package, if it has one, that the package disappears in favour of another (Policy 6.6). That it fails is an error.
pub(super) fn run_postrm(
    root: &Rootfs,
    (package, qualified): (&Package, &str),
    infavour: (&str, &Package),
    surroundings: &Surroundings<'_>,
    run: Run<'_>,
) -> Result<(), Error> {
    let path = format!("var/lib/dpkg/info/{qualified}.postrm");
    let in_tree = RootPath::parse(&path).map_err(|source| Error::Path {
        package: package.name.clone(),
        source,
    })?;
    if !root
        .exists(&in_tree)
        .map_err(|e| Error::tree(&package.name, e))?
    {
        return Ok(());
    }
    let (other, version) = (infavour.0, infavour.1.version.to_string());
    let arguments = ["disappear", other, &version];
    run_script(
        &Script {
            package,
            name: "postrm",
            path: format!("/{path}"),
            arguments: &arguments,
        },
        surroundings,
        run,
    )
}

/// The force options that are in effect for a call of the tree's dpkg with `options`, as it tells them to scripts. Its configuration
/// has a say in them, so it is asked; one that does not answer (before 1.19.5) does not tell scripts either.
pub(super) fn forces(
    options: &[&str],
    epoch: i64,
    run: Run<'_>,
) -> Result<Option<String>, sandbox::Error> {
    let argv = ["dpkg"]
        .iter()
        .chain(options)
        .chain(&["--force-help"])
        .map(OsString::from)
        .collect();
    let finished = run(&Command {
        argv,
        env: script_environment(epoch),
    })?;
    let output = String::from_utf8_lossy(&finished.output);
    let mut lines = output
        .lines()
        .skip_while(|line| !line.starts_with("Currently enabled options:"))
        .skip(1);
    Ok(lines.next().map(|line| line.trim().to_owned()))
}

fn run_script(
    script: &Script<'_>,
    surroundings: &Surroundings<'_>,
    run: Run<'_>,
) -> Result<(), Error> {
    let words = [script.path.as_str()]
        .into_iter()
        .chain(script.arguments.iter().copied());
    let command = Command {
        argv: words.map(OsString::from).collect(),
        env: environment(script, surroundings),
    };
    let (package, name) = (&script.package.name, script.name);
    let finished = run(&command).map_err(|source| Error::Box {
        package: package.clone(),
        script: name,
        source,
    })?;
    if finished.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&finished.output).into_owned();
    Err(Error::Script {
        package: package.clone(),
        script: name,
        status: finished.status,
        output,
    })
}

fn environment(script: &Script<'_>, surroundings: &Surroundings<'_>) -> Vec<(OsString, OsString)> {
    let mut all = script_environment(surroundings.epoch);
    let own = [
        ("DPKG_MAINTSCRIPT_PACKAGE", script.package.name.as_str()),
        (
            "DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT",
            &surroundings.instances.to_string(),
        ),
        ("DPKG_MAINTSCRIPT_ARCH", &script.package.architecture),
        ("DPKG_MAINTSCRIPT_NAME", script.name),
        ("DPKG_MAINTSCRIPT_DEBUG", "0"),
        ("DPKG_ADMINDIR", "/var/lib/dpkg"),
        ("DPKG_ROOT", ""),
    ];
    all.extend(own.map(|(name, value)| (name.into(), value.into())));
    all.extend(
        surroundings
            .dpkg
            .map(|version| ("DPKG_RUNNING_VERSION".into(), version.into())),
    );
    all.extend(
        surroundings
            .forces
            .map(|forces| ("DPKG_FORCE".into(), forces.into())),
    );
    all
}
