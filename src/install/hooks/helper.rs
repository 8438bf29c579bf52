//! mmdebstrap's helpers, which copy files between host and tree: copy-in, copy-out, sync-in,
//! sync-out, tar-in, tar-out, upload, download.
//!
//! Reads their words. `copying` executes them.

use std::ffi::OsString;

use super::BadHook;
use super::words::shell_words;

/// What is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Helper {
    pub(super) kind: HelperKind,
    pub(super) from: Vec<OsString>,
    pub(super) to: OsString,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HelperKind {
    CopyIn,
    CopyOut,
    SyncIn,
    SyncOut,
    TarIn,
    TarOut,
    Upload,
    Download,
}

const KINDS: [(&str, HelperKind); 8] = [
    ("copy-in", HelperKind::CopyIn),
    ("copy-out", HelperKind::CopyOut),
    ("sync-in", HelperKind::SyncIn),
    ("sync-out", HelperKind::SyncOut),
    ("tar-in", HelperKind::TarIn),
    ("tar-out", HelperKind::TarOut),
    ("upload", HelperKind::Upload),
    ("download", HelperKind::Download),
];

impl Helper {
    /// Reads a hook's text. `None` where it is another command.
    pub(super) fn parse(text: &str) -> Result<Option<Helper>, BadHook> {
        let Some((name, _)) = text.split_once(' ') else {
            return Ok(None);
        };
        let Some((known, _)) = KINDS.iter().find(|(known, _)| *known == name) else {
            return Ok(None);
        };
        let words = shell_words(text).ok_or_else(|| BadHook::Quote {
            text: text.to_owned(),
        })?;
        let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        Helper::of_words(&words).map_or(Err(BadHook::Paths { helper: known }), |one| Ok(Some(one)))
    }

    /// Reads a helper's name and its paths. `None` for another name, or too few paths.
    pub(crate) fn of_words(words: &[OsString]) -> Option<Helper> {
        let (name, paths) = words.split_first()?;
        let (_, kind) = KINDS.iter().find(|(known, _)| name == known)?;
        let (to, from) = paths.split_last()?;
        (!from.is_empty()).then(|| Helper {
            kind: *kind,
            from: from.to_vec(),
            to: to.clone(),
        })
    }

    pub(super) fn name(&self) -> &'static str {
        let mut kinds = KINDS.iter();
        let found = kinds.find(|(_, kind)| *kind == self.kind);
        found.map_or("", |(name, _)| name)
    }
}
