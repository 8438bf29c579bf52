//! `rbootstrap suites`: lists the known suites.

use super::error::Error;
use super::{Session, print_data};
use crate::run;

pub(super) fn execute(session: &Session) -> Result<(), Error> {
    let table = run::suites(&session.environment.suite_directories())?;
    print_data(&table)
}
