//! What is in an image: its packages with their files and licenses, as a manifest and as an SBOM.
//!
//! [`Inventory::read`] reads a tree; `run` adds where the packages are from, which a tree does not
//! say. [`Inventory::manifest`] is the program's own JSON, [`spdx`] and [`cyclonedx`] are standards
//! that scanners read. All are functions of the inventory: no host, path or time of day is in them.
//! docs/inventory.md describes the documents.

pub(crate) mod copyright;
mod cyclonedx;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod identity;
mod license;
mod manifest;
mod purl;
mod record;
mod spdx;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::formats::stanza::{Fields, stanzas};
use crate::report::Report;
use crate::tree::identity as tree_identity;
use crate::tree::readable::ReadableTree;
use crate::tree::rootfs::{Error, RootPath};
use copyright::OtherLicense;
pub(crate) use manifest::Manifest;
pub(crate) use record::{ListedPackage, PackageFileRecord};
pub(crate) use spdx::PREDICATE_TYPE;

pub(crate) const STATUS: &str = "var/lib/dpkg/status";
/// Stanzas of packages in images without dpkg, one file each, as distroless has them.
pub(crate) const STATUS_DIRECTORY: &str = "var/lib/dpkg/status.d";
const INFO: &str = "var/lib/dpkg/info";
/// dpkg, without and with a merged /usr.
const DPKG: [&str; 2] = ["usr/bin/dpkg", "bin/dpkg"];
/// Where copyright files are (Policy 12.5).
const DOCUMENTATION: &str = "usr/share/doc";

/// The release of a distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReleaseName {
    /// `debian`; empty if it is unknown.
    pub(crate) id: String,
    /// `Debian GNU/Linux`
    pub(crate) name: String,
    /// `13`, or the codename of a release without a number.
    pub(crate) version: String,
}

/// The standard that a bill of materials follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SbomFormat {
    /// SPDX 2.3.
    Spdx,
    /// CycloneDX 1.6.
    CycloneDx,
}

impl SbomFormat {
    /// The format by the ending of a name; `None` for an ending of another.
    pub(crate) fn of(path: &Path) -> Option<SbomFormat> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        if [".cdx.json", ".cyclonedx.json"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            return Some(SbomFormat::CycloneDx);
        }
        name.ends_with(".json").then_some(SbomFormat::Spdx)
    }
}

/// What is in an image.
#[derive(Clone, Debug)]
pub(crate) struct Inventory {
    /// `docker.io/library/debian:13`, or else the release and the architecture.
    pub(crate) name: String,
    pub(crate) release: ReleaseName,
    /// The native architecture.
    pub(crate) architecture: Option<String>,
    /// In seconds since 1970.
    pub(crate) created: i64,
    /// Sorted by name and architecture.
    pub(crate) packages: Vec<ListedPackage>,
    /// The licenses that SPDX does not list, by their identifiers.
    pub(crate) other_licenses: BTreeMap<String, OtherLicense>,
}

/// What is known of an image besides its tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Provenance {
    /// The image's name and tag.
    pub(crate) name: Option<String>,
    /// The time of the image, in seconds since 1970.
    pub(crate) created: i64,
    /// The release, if the tree does not say it.
    pub(crate) release: ReleaseName,
    /// The native architecture, if the tree does not say it.
    pub(crate) architecture: Option<String>,
    pub(crate) files: Vec<PackageFileRecord>,
    /// Control files of packages that dpkg's status does not have.
    pub(crate) unregistered: Vec<String>,
}

impl Inventory {
    /// Reads what is in a tree.
    ///
    /// What the tree need not have and cannot be read is left out with a warning. dpkg's status
    /// must be there where dpkg is.
    pub(crate) fn read(
        root: ReadableTree<'_>,
        provenance: &Provenance,
        report: &Report,
    ) -> Result<Inventory, Error> {
        let release = release(root, provenance, report);
        let architecture = tree_identity::architecture(root, report);
        let architecture = architecture.or_else(|| provenance.architecture.clone());
        let mut packages: BTreeMap<(String, String), ListedPackage> = BTreeMap::new();
        for stanza in status(root)? {
            add(&mut packages, &stanza, StanzaKind::Status);
        }
        for stanza in single_stanzas(root, report)? {
            add(&mut packages, &stanza, StanzaKind::Control);
        }
        for stanza in &provenance.unregistered {
            add(&mut packages, stanza, StanzaKind::Control);
        }
        for file in &provenance.files {
            let key = (file.name.clone(), file.architecture.clone());
            if let Some(package) = packages.get_mut(&key)
                && package.record.version == file.version
            {
                package.record = file.clone();
            }
        }
        let mut other_licenses = BTreeMap::new();
        for package in packages.values_mut() {
            if let Some(licenses) = licenses(root, &package.record.name, report) {
                package.license = Some(licenses.expression);
                other_licenses.extend(licenses.others);
            }
            package.purl = purl::purl(package, &release);
        }
        let name = provenance.name.clone();
        Ok(Inventory {
            name: name.unwrap_or_else(|| plain_name(&release, architecture.as_deref())),
            release,
            architecture,
            created: provenance.created,
            packages: packages.into_values().collect(),
            other_licenses,
        })
    }

    /// The manifest, as the bytes of its file.
    pub(crate) fn manifest(&self) -> serde_json::Result<Vec<u8>> {
        pretty(&Manifest::of(self))
    }

    /// The SPDX document, as the bytes of its file.
    pub(crate) fn spdx(&self) -> serde_json::Result<Vec<u8>> {
        pretty(&spdx::SpdxDocument::of(self)?)
    }

    /// The SPDX document as an attestation has it.
    pub(crate) fn spdx_value(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(spdx::SpdxDocument::of(self)?)
    }

    /// The CycloneDX document, as the bytes of its file.
    pub(crate) fn cyclonedx(&self) -> serde_json::Result<Vec<u8>> {
        pretty(&cyclonedx::Bom::of(self)?)
    }
}

fn pretty(document: &impl serde::Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(document)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn release(root: ReadableTree<'_>, provenance: &Provenance, report: &Report) -> ReleaseName {
    let mut found = tree_identity::os_release(root, report);
    let Some(id) = found.remove("ID") else {
        return provenance.release.clone();
    };
    let version = found.remove("VERSION_ID");
    let version = version.or_else(|| found.remove("VERSION_CODENAME"));
    ReleaseName {
        name: found.remove("NAME").unwrap_or_else(|| id.clone()),
        version: version.unwrap_or_default(),
        id,
    }
}

/// `debian-13-amd64`, from the parts that are known.
fn plain_name(release: &ReleaseName, architecture: Option<&str>) -> String {
    let mut parts = vec![release.id.as_str(), &release.version];
    parts.extend(architecture);
    parts.retain(|part| !part.is_empty());
    match parts.is_empty() {
        true => "image".to_owned(),
        false => parts.join("-"),
    }
}

/// The packages that dpkg's status and the stanzas of status.d say are installed, sorted by name
/// and architecture.
pub(crate) fn installed<'a>(
    status: &str,
    single: impl IntoIterator<Item = &'a str>,
) -> Vec<PackageFileRecord> {
    let mut packages = BTreeMap::new();
    for stanza in stanzas(status) {
        add(&mut packages, stanza, StanzaKind::Status);
    }
    for stanza in single {
        add(&mut packages, stanza, StanzaKind::Control);
    }
    packages
        .into_values()
        .map(|package| package.record)
        .collect()
}

/// The packages of a tree. `None` if it has no database of packages.
///
/// # Errors
///
/// If the tree has dpkg, but no status, and if reading fails.
pub(crate) fn installed_in(
    root: ReadableTree<'_>,
    report: &Report,
) -> Result<Option<Vec<PackageFileRecord>>, Error> {
    let single = single_stanzas(root, report)?;
    if single.is_empty() && !root.exists(&RootPath::known(STATUS))? && !has_dpkg(root)? {
        return Ok(None);
    }
    let status = status(root)?.join("\n");
    Ok(Some(installed(&status, single.iter().map(String::as_str))))
}

/// Whether a stanza says how far its package is installed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StanzaKind {
    Status,
    Control,
}

fn add(packages: &mut BTreeMap<(String, String), ListedPackage>, stanza: &str, kind: StanzaKind) {
    let fields = Fields::read(stanza);
    if kind == StanzaKind::Status && !has_files(&fields) {
        return;
    }
    if let Some(package) = ListedPackage::read(&fields) {
        let key = (
            package.record.name.clone(),
            package.record.architecture.clone(),
        );
        packages.entry(key).or_insert(package);
    }
}

/// Whether dpkg's database says that files of the package are there (deb-status in dpkg(1)).
fn has_files(fields: &Fields<'_>) -> bool {
    let state = fields.one("Status").unwrap_or_default();
    match state.split_whitespace().nth(2) {
        None | Some("not-installed" | "config-files") => false,
        Some(_) => true,
    }
}

/// The stanzas of dpkg's status. Without dpkg, there need not be any.
fn status(root: ReadableTree<'_>) -> Result<Vec<String>, Error> {
    let path = RootPath::known(STATUS);
    let text = match root.read(&path)? {
        Some(content) => String::from_utf8_lossy(&content).into_owned(),
        None if has_dpkg(root)? => {
            return Err(Error {
                root: root.path().to_owned(),
                path,
                action: "read it, although dpkg is there",
                source: io::ErrorKind::NotFound.into(),
            });
        }
        None => String::new(),
    };
    Ok(stanzas(&text).map(str::to_owned).collect())
}

/// Whether a tree has dpkg or something in its database.
fn has_dpkg(root: ReadableTree<'_>) -> Result<bool, Error> {
    for path in DPKG {
        if root.exists(&RootPath::known(path))? {
            return Ok(true);
        }
    }
    let info = RootPath::known(INFO);
    Ok(root.is_directory(&info)? && !root.names(&info)?.is_empty())
}

/// The stanzas of status.d, where the checksums of a package have a file beside its stanza.
fn single_stanzas(root: ReadableTree<'_>, report: &Report) -> Result<Vec<String>, Error> {
    let directory = RootPath::known(STATUS_DIRECTORY);
    let mut found = Vec::new();
    for name in root.names(&directory)? {
        if !name.ends_with(b".md5sums") {
            let path = directory.entry(&name);
            found.extend(tree_identity::optional_text(root, &path, report));
        }
    }
    Ok(found)
}

fn licenses(root: ReadableTree<'_>, package: &str, report: &Report) -> Option<copyright::Licenses> {
    let directory = RootPath::known(DOCUMENTATION).entry(package.as_bytes());
    let path = directory.entry(b"copyright");
    let text = tree_identity::optional_text(root, &path, report)?;
    copyright::parse(&text)
}
