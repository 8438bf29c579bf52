//! The formats of the archive and of packages, as values: nothing here opens a file, asks the network or reads the clock.

pub(crate) mod compress;
pub(crate) mod deb;
pub(crate) mod digest;
pub(crate) mod package;
pub(crate) mod suite;
