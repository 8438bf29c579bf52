//! The steps of the variants that run no script.

use super::{Options, Step};
use crate::dpkg::unpack::Method;
use crate::formats::package_key::PackageKey;
use crate::formats::suite::Variant;
use crate::plan::LOCALES;
use crate::tree::base::BaseKind;

/// Adds the steps of a variant that runs no script. The package of the locales is unpacked as a
/// whole only for a user who has named it.
pub(super) fn add_extraction(keys: Vec<PackageKey>, options: &Options, steps: &mut Vec<Step>) {
    let is_scratch = options.variant == Variant::Scratch;
    let mut whole = keys;
    let is_partial =
        |key: &PackageKey| is_scratch && key.name() == LOCALES && !options.requested.contains(key);
    let partial: Vec<PackageKey> = whole.extract_if(.., |key| is_partial(key)).collect();
    let methods = match is_scratch {
        true => [(whole, Method::Recorded), (partial, Method::Locales)],
        false => [(whole, Method::Extract), (partial, Method::Extract)],
    };
    for (packages, method) in methods {
        if !packages.is_empty() {
            steps.push(Step::Unpack { packages, method });
        }
    }
    if is_scratch {
        steps.push(Step::Runtime);
    }
}

/// Which directories and files the tree of a variant begins with.
pub(super) fn base_kind(variant: Variant) -> BaseKind {
    match variant {
        Variant::Scratch => BaseKind::Scratch,
        _ => BaseKind::Image,
    }
}
