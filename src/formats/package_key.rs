//! What names one package: name, architecture and version.

use std::fmt;
use std::sync::Arc;

use crate::formats::version::Version;

/// Names one package wherever it is planned, fetched, staged, unpacked or owns a path. Clones share
/// the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PackageKey(Arc<Parts>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Parts {
    name: String,
    architecture: String,
    version: Version,
}

impl PackageKey {
    pub(crate) fn new(name: &str, architecture: &str, version: &Version) -> PackageKey {
        PackageKey(Arc::new(Parts {
            name: name.to_owned(),
            architecture: architecture.to_owned(),
            version: version.clone(),
        }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// The Debian architecture, or `all`.
    pub(crate) fn architecture(&self) -> &str {
        &self.0.architecture
    }

    pub(crate) fn version(&self) -> &Version {
        &self.0.version
    }

    /// The package as apt names it to dpkg: `NAME:ARCHITECTURE`, or `NAME` where the architecture
    /// is `all`.
    pub(crate) fn dpkg_name(&self) -> String {
        match self.architecture() {
            "all" => self.name().to_owned(),
            architecture => format!("{}:{architecture}", self.name()),
        }
    }
}

/// `NAME:ARCHITECTURE=VERSION`, as apt takes it on its command line.
impl fmt::Display for PackageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            name,
            architecture,
            version,
        } = &*self.0;
        write!(f, "{name}:{architecture}={version}")
    }
}

impl fmt::Debug for PackageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(architecture: &str, version: &str) -> PackageKey {
        PackageKey::new("dash", architecture, &Version::parse(version).unwrap())
    }

    #[test]
    fn a_key_is_written_as_apt_and_dpkg_read_it() {
        assert_eq!(key("amd64", "1:2-3").to_string(), "dash:amd64=1:2-3");
        assert_eq!(key("amd64", "1:2-3").dpkg_name(), "dash:amd64");
        assert_eq!(key("all", "1").dpkg_name(), "dash");
    }

    #[test]
    fn keys_differ_by_each_part() {
        assert_eq!(key("amd64", "1"), key("amd64", "1"));
        assert_ne!(key("amd64", "1"), key("i386", "1"));
        assert_ne!(key("amd64", "1"), key("amd64", "2"));
    }
}
