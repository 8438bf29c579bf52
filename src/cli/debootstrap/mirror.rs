//! The default mirror, for runs without MIRROR and for trees made from a directory of this host.

use super::arguments::DebootstrapArgs;
use crate::cli::environment::Environment;
use crate::formats::arch;
use crate::run;

/// The mirror in debootstrap's scripts, for Debian's suites and for those that no suite file lists.
const DEFAULT_MIRROR: &str = "http://ftp.debian.org/debian";

impl DebootstrapArgs {
    /// The mirror of extra suites without a MIRROR, and the one in the sources of a tree whose
    /// packages are from a directory: debootstrap's own, or the first public one of the suite.
    pub(super) fn default_mirror(&self, environment: &Environment) -> String {
        let listed = self.listed_mirror(environment);
        listed.unwrap_or_else(|| DEFAULT_MIRROR.to_owned())
    }

    /// The suite's own public mirror, unless the suite is on debootstrap's default mirror.
    fn listed_mirror(&self, environment: &Environment) -> Option<String> {
        let directories = environment.configuration_directories("suites");
        // The run reports suite files that cannot be read.
        let suites = run::load_suites(&directories).ok()?;
        let suite = suites.find(self.suite.as_deref()?)?;
        // The default mirror has the suites that Debian still publishes.
        if suite.distribution == "debian" && !suite.ended {
            return None;
        }
        let host = arch::host().map(|host| host.name);
        let pockets = suite.pockets_for(self.arch.as_deref().or(host)?);
        let mut uris = pockets.first()?.uris.iter();
        let public = uris.find(|uri| uri.starts_with("http"))?;
        Some(public.trim_end_matches('/').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_mirror_is_that_of_the_suite_and_architecture() {
        let rows = [
            ("trixie", "amd64", "http://ftp.debian.org/debian"),
            ("noble", "amd64", "http://archive.ubuntu.com/ubuntu"),
            ("noble", "arm64", "http://ports.ubuntu.com/ubuntu-ports"),
            ("no-such", "amd64", DEFAULT_MIRROR),
        ];
        for (suite, architecture, expected) in rows {
            let words = ["debootstrap", "--arch", architecture, suite, "t"];
            let extra = ["--extra-suites=more"];
            let arguments = DebootstrapArgs::parse_from(words.iter().chain(&extra));
            let request = arguments.request(&Environment::default()).unwrap();
            let name = format!("{suite} {architecture}");
            assert_eq!(
                request.debootstrap.unwrap().default_mirror,
                expected,
                "{name}"
            );
            assert_eq!(
                request.sources.extra_sources,
                [format!("deb {expected} more main")],
                "{name}"
            );
        }
    }
}
