//! The manifest: the inventory as the program's own JSON.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Inventory, ListedPackage};
use crate::formats::time::rfc3339;

/// The version of the document, which changes with the meaning of a field.
const VERSION: u32 = 1;

/// The document. docs/inventory.md describes its fields.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Manifest<'a> {
    pub(crate) manifest_version: u32,
    pub(crate) name: Cow<'a, str>,
    /// `debian`
    pub(crate) distribution: Cow<'a, str>,
    /// `13`
    pub(crate) release: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) architecture: Option<Cow<'a, str>>,
    /// RFC 3339.
    pub(crate) created: String,
    pub(crate) packages: Cow<'a, [ListedPackage]>,
}

impl<'a> Manifest<'a> {
    pub(super) fn of(inventory: &'a Inventory) -> Manifest<'a> {
        Manifest {
            manifest_version: VERSION,
            name: Cow::from(&inventory.name),
            distribution: Cow::from(&inventory.release.id),
            release: Cow::from(&inventory.release.version),
            architecture: inventory.architecture.as_deref().map(Cow::from),
            created: rfc3339(inventory.created),
            packages: Cow::from(&inventory.packages),
        }
    }
}
