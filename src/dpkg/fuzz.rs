//! What must hold for any control members (see `testing::fuzz`).

#![allow(clippy::unwrap_used, reason = "a property that does not hold panics")]

use super::conffiles::parse_conffiles;
use super::triggers::{Directive, parse_triggers};
use crate::tree::rootfs::RootPath;

/// The members `conffiles` and `triggers`: no path leaves the tree, and no trigger's name can be a
/// path of its own.
pub(crate) fn control_members(data: &[u8]) {
    for conffile in &parse_conffiles("fuzz", data).unwrap_or_default() {
        check_path(&conffile.path);
    }
    for directive in parse_triggers("fuzz", data).unwrap_or_default() {
        let (Directive::Interest { trigger, .. } | Directive::Activate { trigger, .. }) = directive;
        if trigger.starts_with('/') {
            check_path(&RootPath::parse(&trigger).unwrap());
            assert!(!trigger.contains('\n'), "{trigger:?}");
            continue;
        }
        let is_name = !trigger.is_empty() && !trigger.contains(['/', '\0', '\n', ' ']);
        assert!(is_name && !matches!(&*trigger, "." | ".."), "{trigger:?}");
    }
}

fn check_path(path: &RootPath) {
    assert!(!path.as_bytes().starts_with(b"/"));
    for part in path.as_bytes().split(|byte| *byte == b'/') {
        let is_plain = !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
        assert!(is_plain || path.is_root(), "{path}");
    }
}
