//! The formats of archives and packages: pure parsers and writers.
//!
//! Except for the user's suite files, nothing here opens a path, uses the network or reads the
//! clock: callers hand in text, a reader or an open file.

pub(crate) mod apt_conf;
pub(crate) mod arch;
pub(crate) mod compress;
pub(crate) mod control;
pub(crate) mod deb;
pub(crate) mod digest;
pub(crate) mod fields;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
pub(crate) mod glob;
pub(crate) mod image_table;
pub(crate) mod key;
pub(crate) mod lock;
pub(crate) mod package;
pub(crate) mod package_key;
pub(crate) mod path_rule;
pub(crate) mod posix_regex;
pub(crate) mod profile;
pub(crate) mod relation;
pub(crate) mod secret;
pub(crate) mod selections;
pub(crate) mod snapshot_time;
pub(crate) mod stanza;
pub(crate) mod suite;
pub(crate) mod time;
pub(crate) mod version;
