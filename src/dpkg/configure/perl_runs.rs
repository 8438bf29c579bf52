//! Finds the Perl scripts that a call of dpkg is going to run several times, so that their zygotes
//! are worth the start.

use crate::dpkg::State;
use crate::formats::package_key::PackageKey;
use crate::sandbox::PerlScript;
use crate::tree::rootfs::{RootPath, Rootfs};

/// What a postinst has that runs debconf's frontend, once.
const FRONTEND: &[u8] = b"/usr/share/debconf/confmodule";

/// What a postinst has that runs deb-systemd-helper, several times.
const HELPER: &[u8] = b"deb-systemd-helper";

/// The scripts that run more than once when those of these packages that are not configured are.
pub(crate) fn repeated_scripts(
    root: &Rootfs,
    state: &State,
    packages: &[PackageKey],
) -> Vec<PerlScript> {
    let mut frontends = 0;
    let mut helpers = 0;
    for key in packages {
        if !state.ledger.contains(key) {
            continue;
        }
        let qualified = state.ledger.qualified(key);
        if state.status.is_configured(qualified) {
            continue;
        }
        let postinst = postinst(root, qualified).unwrap_or_default();
        frontends += usize::from(memchr::memmem::find(&postinst, FRONTEND).is_some());
        helpers += usize::from(memchr::memmem::find(&postinst, HELPER).is_some());
    }
    let mut repeated = Vec::new();
    if frontends > 1 {
        repeated.push(PerlScript::Frontend);
    }
    if helpers > 0 {
        repeated.push(PerlScript::DebSystemdHelper);
    }
    repeated
}

/// A package's postinst. One that cannot be read is dpkg's to complain about.
fn postinst(root: &Rootfs, qualified: &str) -> Option<Vec<u8>> {
    let path = format!("var/lib/dpkg/info/{qualified}.postinst");
    root.read(&RootPath::parse(path).ok()?).ok()?
}
