//! Packages that disappear: another has taken over all that they had, as Replaces allows, and nothing needs them.
//!
//! dpkg has no further use for such a package: its postrm runs with `disappear`, and the database forgets it (Policy 7.6.2).

use crate::chroot::Command;
use crate::dpkg::{Database, InfoDirectory};
use crate::package::{Package, Relation, Version};
use crate::rootfs::{RootPath, Rootfs};

use super::Error;
use super::claims::Claims;
use super::preinst::{Run, Surroundings, environment};

/// Whether a package that has nothing left has to stay: one that is configured depends on it, or recommends it, and would be left
/// without. `successor`, which has taken its files over, counts as configured.
pub(super) fn is_needed(gone: usize, successor: usize, claims: &Claims, database: &Database<'_>) -> bool {
    let Some((_, old, _)) = claims.packages().find(|(number, ..)| *number == gone) else { return true };
    let serves = |name: &str| old.name == name || old.provides.iter().any(|provided| provided.name == name);
    let counts = |number, qualified: &str| number != gone && (number == successor || database.status.is_configured(qualified));
    let others = || claims.packages().filter(|(number, _, qualified)| counts(*number, qualified)).map(|(_, package, _)| package);
    let is_met = |relation: &Relation| others().any(|package| meets(package, relation));
    others().any(|package| {
        let groups = package.pre_depends.iter().chain(&package.depends).chain(&package.recommends);
        groups.into_iter().any(|group| group.iter().any(|relation| serves(&relation.name)) && !group.iter().any(is_met))
    })
}

/// Whether a package, by its own name or one that it provides, is what a relation asks for.
fn meets(package: &Package, relation: &Relation) -> bool {
    let admits = |version: Option<&Version>| match (&relation.constraint, version) {
        (None, _) => true,
        (Some(constraint), version) => version.is_some_and(|version| constraint.admits(version)),
    };
    let by_itself = package.name == relation.name && admits(Some(&package.version));
    by_itself || package.provides.iter().any(|provided| provided.name == relation.name && admits(provided.version.as_ref()))
}

/// Runs the postrm of a package that disappears, and takes the package out of the database.
pub(super) fn disappear(
    root: &Rootfs,
    (old, qualified): (&Package, &str),
    successor: &Package,
    surroundings: &Surroundings<'_>,
    (database, run): (&mut Database<'_>, Run<'_>),
) -> Result<(), Error> {
    let script = RootPath::known("var/lib/dpkg/info").join(&RootPath::parse(format!("{qualified}.postrm")).unwrap_or_default());
    if root.exists(&script).map_err(|e| Error::tree(&old.name, e))? {
        database.status.write(root, None)?;
        let argv = [format!("/{script}"), "disappear".into(), successor.name.clone(), successor.version.as_str().to_owned()];
        let command = Command { argv: argv.map(Into::into).to_vec(), env: environment(old, "postrm", surroundings) };
        let finished = run(&command).map_err(|source| Error::Box { package: old.name.clone(), source })?;
        if !finished.status.success() {
            let output = String::from_utf8_lossy(&finished.output).into_owned();
            return Err(Error::Script { package: old.name.clone(), script: "postrm", status: finished.status, output });
        }
        database.reread_after_script()?;
    }
    InfoDirectory::open(root)?.remove(qualified)?;
    database.status.remove(qualified);
    Ok(())
}
