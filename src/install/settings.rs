//! The step that makes a profile's changes in a finished tree.

use crate::formats::profile::Profile;
use crate::plan::Plan;
use crate::tree::rootfs::RootPath;
use crate::tree::settings::{AddedFile, ProfileChanges};

/// What a profile changes in a tree with these packages.
pub(super) fn changes(profile: &Profile, plan: &Plan) -> ProfileChanges {
    let mut changes = ProfileChanges::default();
    for path in &profile.remove {
        changes.removed.extend(RootPath::parse(path));
    }
    for path in &profile.directories {
        changes.directories.extend(RootPath::parse(path));
    }
    for file in &profile.files {
        let is_planned = |name: &String| {
            let mut packages = plan.packages().iter();
            packages.any(|chosen| chosen.package().name == *name)
        };
        let Ok(path) = RootPath::parse(&file.path) else {
            continue;
        };
        if file.package.as_ref().is_none_or(is_planned) {
            changes.files.push(AddedFile {
                path,
                mode: file.mode,
                content: file.content.clone(),
            });
        }
    }
    changes
}
