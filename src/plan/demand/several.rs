//! Demands of words that stand for several packages.

use std::collections::BTreeSet;

use super::{Demand, DemandReader};
use crate::plan::pool::PackageId;
use crate::plan::{Error, pattern, selectors};

impl DemandReader<'_, '_> {
    /// Reads a word of the user's: a package, or what stands for several.
    pub(super) fn read_word<'s>(
        &mut self,
        text: &'s str,
        demands: &mut Vec<Demand<'s>>,
    ) -> Result<(), Error> {
        if pattern::is_pattern(text) {
            return self.read_several(text, demands).map(|_| ());
        }
        if let Some(part) = missing_part(text) {
            return Err(Error::Incomplete {
                word: text.to_owned(),
                part,
            });
        }
        let read = self.read(text);
        let may_be_several = matches!(
            read,
            Err(Error::Unknown { .. } | Error::Architecture { .. })
        );
        if may_be_several && self.read_several(text, demands)? {
            return Ok(());
        }
        let demand = read?;
        if let Demand::Absent(package) = demand {
            self.absent.push(package);
        }
        demands.push(demand);
        Ok(())
    }

    /// Reads a word that stands for several packages, with `=version`, `/suite`, `-` or `+` behind
    /// it. False where it stands for none.
    fn read_several<'s>(
        &mut self,
        text: &'s str,
        demands: &mut Vec<Demand<'s>>,
    ) -> Result<bool, Error> {
        let is_pattern = pattern::is_pattern(text);
        let mut word = text;
        let mut choice = None;
        // In a pattern, what is before the last bracket is its own.
        if let Some(at) = text.rfind(['=', '/'])
            && !(is_pattern && text[at..].contains(')'))
        {
            word = &text[..at];
            choice = Some(&text[at..]);
        }
        let unsigned = word.strip_suffix(['-', '+']).unwrap_or(word);
        let mut found = None;
        if !is_pattern || unsigned == word {
            found = selectors::packages(self.pool, &self.candidates, word)?;
        }
        let is_negative = found.is_none() && word.ends_with('-');
        if found.is_none() {
            found = selectors::packages(self.pool, &self.candidates, unsigned)?;
        }
        for package in found.as_deref().unwrap_or_default() {
            let before = demands.len();
            self.add_selected(*package, choice, is_negative, demands)?;
            // apt passes over such a package of a glob or an expression, but not of a pattern.
            if is_pattern && demands.len() == before {
                self.present(&self.pool.full_name(*package))?;
            }
        }
        Ok(found.is_some())
    }

    /// Adds the demand for one of several packages, unless nothing can be installed for it.
    fn add_selected<'s>(
        &mut self,
        package: PackageId,
        choice: Option<&'s str>,
        is_negative: bool,
        demands: &mut Vec<Demand<'s>>,
    ) -> Result<(), Error> {
        if is_negative {
            demands.push(Demand::Absent(package));
            return Ok(());
        }
        self.selected.insert(package);
        let Some(choice) = choice else {
            let chosen = match self.candidates[package.index()] {
                Some(_) => Some(package),
                None => self.only_provider(package),
            };
            demands.extend(chosen.map(Demand::Present));
            return Ok(());
        };
        let word = &choice[1..];
        let is_suite = choice.starts_with('/');
        let found = match is_suite {
            true => self.pool.version_in_suite(package, word),
            false => Some(self.version(package, word)?),
        };
        let found = found.ok_or_else(|| self.not_in_suite(package, word))?;
        self.candidates[package.index()] = Some(found);
        demands.push(match is_suite {
            true => Demand::FromSuite {
                package,
                suite: word,
            },
            false => Demand::Present(package),
        });
        Ok(())
    }

    /// Leaves out packages of a word for several that another word says not to install.
    pub(super) fn leave_out(&self, demands: &mut Vec<Demand<'_>>) {
        let mut absent = BTreeSet::new();
        for demand in demands.iter() {
            if let Demand::Absent(package) = demand {
                absent.insert(*package);
            }
        }
        demands.retain(|demand| match demand.present() {
            Some(package) => !(absent.contains(&package) && self.selected.contains(&package)),
            None => true,
        });
    }

    /// Fails if a word says not to install an essential package.
    pub(super) fn refuse_absent(&self, essential: &[Demand<'_>]) -> Result<(), Error> {
        for package in &self.absent {
            if essential.contains(&Demand::Present(*package)) {
                return Err(Error::AbsentEssential {
                    package: self.pool.full_name(*package),
                });
            }
        }
        Ok(())
    }

    /// The only package whose candidate provides the name of another.
    fn only_provider(&self, package: PackageId) -> Option<PackageId> {
        let entry = self.pool[package];
        let providers = self.providers(entry.name, entry.architecture);
        match providers[..] {
            [only] => Some(only),
            _ => None,
        }
    }
}

/// What a word for one package lacks before or after `=`, `/` or `:`.
fn missing_part(word: &str) -> Option<&'static str> {
    match word.as_bytes() {
        [b'=' | b'/' | b':', ..] => Some("name of a package"),
        [.., b'='] => Some("version after `=`"),
        [.., b'/'] => Some("suite after `/`"),
        [.., b':'] => Some("architecture after `:`"),
        _ => None,
    }
}
