//! `rbootstrap suites`: lists the known suites.

use std::fmt::Write;

use super::error::Error;
use super::{Session, print_data};
use crate::formats::suite::Suites;
use crate::run;

pub(super) fn execute(session: &Session) -> Result<(), Error> {
    let suites = run::load_suites(&session.environment.configuration_directories("suites"))?;
    print_data(&table(&suites))
}

/// One line a suite: codename, distribution, version, other names, whether the main mirrors have
/// it.
fn table(suites: &Suites) -> String {
    let mut table = String::new();
    for suite in suites.all() {
        let mut aliases = suite.aliases.join(",");
        if aliases.is_empty() {
            aliases.push('-');
        }
        let _ = writeln!(
            table,
            "{:<10} {:<8} {:<6} {aliases:<14} {}",
            suite.codename,
            suite.distribution,
            suite.version.as_deref().unwrap_or("-"),
            match suite.end_of_life {
                true => "archived",
                false => "served",
            }
        );
    }
    table
}
