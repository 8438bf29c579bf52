//! Says why each package of a plan is in it.

use std::collections::BTreeSet;
use std::fmt;

use super::selectors::may_be_several;
use super::variant::VariantPackages;
use super::{Chosen, Plan, Selection};
use crate::formats::fields::PackageFields;
use crate::formats::package::Package;
use crate::formats::suite::Variant;

/// Why a package is in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is essential, and the variant demands all essential packages.
    Essential,
    /// The variant demands it.
    Variant,
    /// The user demands it.
    Requested,
    /// Another package depends on it.
    Dependency,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Essential => "essential",
            Reason::Variant => "variant",
            Reason::Requested => "requested",
            Reason::Dependency => "dependency",
        })
    }
}

impl Plan {
    /// The reason for each package, in the plan's order.
    pub(crate) fn reasons(&self, selection: &Selection) -> Vec<Reason> {
        let mut planned = BTreeSet::new();
        for chosen in self.packages() {
            planned.insert(chosen.package().name.as_str());
        }
        let mut requested = Vec::new();
        let mut has_several = false;
        for text in &selection.include {
            has_several |= !planned.contains(text.as_str()) && may_be_several(text);
            if !selection.local.iter().any(|file| file.word() == text) {
                requested.push(RequestedName::read(text, &planned));
            }
        }
        for file in &selection.local {
            requested.push(RequestedName::read(file.name(), &planned));
        }
        let mut reasons = Vec::new();
        for (number, chosen) in self.packages().iter().enumerate() {
            let package = chosen.package();
            let is_requested = requested.iter().any(|request| request.is_for(package));
            let is_base = number < self.essential_count();
            reasons.push(match selection.variant {
                own if own.has_own_packages() && is_requested => Reason::Requested,
                own if own.has_own_packages() && has_several && !chosen.is_automatic() => {
                    Reason::Requested
                }
                own if own.has_own_packages() && is_of_variant(chosen, own) => Reason::Variant,
                own if own.has_own_packages() => Reason::Dependency,
                _ if is_base && package.essential == Some(true) => Reason::Essential,
                _ if is_requested => Reason::Requested,
                // All packages of the base count as manually installed.
                _ if is_base || chosen.is_automatic() => Reason::Dependency,
                // A pattern or the variant: only the plan's maker saw the patterns' packages.
                _ if has_several && !is_of_variant(chosen, selection.variant) => Reason::Requested,
                _ => Reason::Variant,
            });
        }
        reasons
    }
}

/// Whether the variant demands a package.
fn is_of_variant(chosen: &Chosen, variant: Variant) -> bool {
    let demanded = VariantPackages::of(variant);
    let name = chosen.package().name.as_str();
    let priority = PackageFields::read(&chosen.stanza).and_then(|stanza| stanza.priority());
    let has_priority = priority.is_some_and(|priority| demanded.priorities.contains(&priority));
    demanded.names.contains(&name) || has_priority
}

/// A name that the user demands.
struct RequestedName {
    /// In lower case, as packages are named.
    name: String,
    /// No planned package has the name, so a package that provides it serves the demand.
    is_virtual: bool,
}

impl RequestedName {
    /// Reads `pkg`, `pkg+`, `pkg:arch`, `pkg=version`, `pkg/suite`.
    fn read(text: &str, planned: &BTreeSet<&str>) -> RequestedName {
        let end = text.find(['=', '/', ':']).unwrap_or(text.len());
        let name = text[..end].trim().to_ascii_lowercase();
        // A name may end in `+` itself.
        let name = match name.strip_suffix('+') {
            Some(short) if !planned.contains(&*name) => short.to_owned(),
            _ => name,
        };
        RequestedName {
            is_virtual: !planned.contains(&*name),
            name,
        }
    }

    fn is_for(&self, package: &Package) -> bool {
        let provides = |name: &str| {
            package
                .provides
                .iter()
                .any(|provided| provided.name == name)
        };
        package.name == self.name || self.is_virtual && provides(&self.name)
    }
}
