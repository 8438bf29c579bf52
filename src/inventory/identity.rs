//! Identifiers that are functions of what they name.

use serde::Serialize;

use super::{Inventory, Manifest};
use crate::formats::digest::{Algorithm, digest};

/// A UUID of version 8 (RFC 9562, appendix B.2) from the SHA-256 of what is in the inventory, for
/// documents of one kind.
pub(super) fn uuid(inventory: &Inventory, kind: &'static str) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Identified<'a> {
        kind: &'static str,
        version: &'static str,
        manifest: Manifest<'a>,
    }
    let identified = Identified {
        kind,
        version: env!("CARGO_PKG_VERSION"),
        manifest: Manifest::of(inventory),
    };
    let mut digits = digest(Algorithm::Sha256, &serde_json::to_vec(&identified)?).hexadecimal();
    digits.truncate(32);
    digits.replace_range(12..13, "8");
    // The variant, in two bits.
    digits.replace_range(16..17, "8");
    Ok(format!(
        "{}-{}-{}-{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..]
    ))
}

/// The identifier of an element: letters, digits, `.` and `-`. Other characters become `.` and
/// their code, so that different names stay different.
pub(super) fn element(parts: &[&str]) -> String {
    let mut id = "SPDXRef".to_owned();
    for part in parts {
        id.push('-');
        for character in part.chars() {
            match character {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' => id.push(character),
                other => id.push_str(&format!(".{:X}", u32::from(other))),
            }
        }
    }
    id
}
