//! What each variant demands: packages by name, and the priorities whose packages it has.

use super::scratch;
use crate::formats::package::Priority;
use crate::formats::suite::Variant;

/// What a variant demands besides the essential packages.
#[derive(Clone, Copy, Debug)]
pub(super) struct VariantPackages {
    pub(crate) names: &'static [&'static str],
    pub(crate) priorities: &'static [Priority],
}

impl VariantPackages {
    pub(super) fn of(variant: Variant) -> VariantPackages {
        use Priority::{Important, Required, Standard};
        let names: &[&str] = match variant {
            Variant::Custom | Variant::Extract | Variant::Essential => &[],
            Variant::Scratch => &scratch::PACKAGES,
            Variant::Apt | Variant::Minbase | Variant::Important | Variant::Standard => &["apt"],
            Variant::Buildd => &["apt", "build-essential"],
        };
        let priorities: &[Priority] = match variant {
            Variant::Custom | Variant::Extract | Variant::Scratch | Variant::Essential => &[],
            Variant::Apt | Variant::Buildd => &[],
            Variant::Minbase => &[Required],
            Variant::Important => &[Required, Important],
            Variant::Standard => &[Required, Important, Standard],
        };
        VariantPackages { names, priorities }
    }
}
