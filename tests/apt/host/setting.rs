//! The system that apt is asked about.

use std::fmt::Write as _;

/// The sources that apt and the planner both read.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Its name in the figures.
    pub name: String,
    /// The suite of the tree.
    pub suite: String,
    /// The suites to read, each with its pin.
    pub sources: Vec<(String, Option<i16>)>,
    /// A second architecture.
    pub foreign: Option<&'static str>,
    /// The archive, if it is not the host's mirror.
    pub mirror: Option<String>,
}

impl Setting {
    /// The main component of one suite.
    pub(crate) fn plain(suite: &str) -> Setting {
        Setting {
            name: suite.to_owned(),
            suite: suite.to_owned(),
            sources: vec![(suite.to_owned(), None)],
            foreign: None,
            mirror: None,
        }
    }

    /// Adds suites.
    pub(crate) fn and(mut self, sources: &[(&str, Option<i16>)]) -> Setting {
        for (suite, pin) in sources {
            write!(
                self.name,
                " + {suite}{}",
                pin.map(|pin| format!(" at {pin}")).unwrap_or_default()
            )
            .unwrap();
            self.sources.push(((*suite).to_owned(), *pin));
        }
        self
    }

    /// Adds a second architecture.
    pub(crate) fn with(mut self, foreign: &'static str) -> Setting {
        write!(self.name, " with {foreign}").unwrap();
        self.foreign = Some(foreign);
        self
    }
}
