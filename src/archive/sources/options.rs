//! The options of an entry of apt's sources (sources.list(5)), by their names in deb822 files.

use super::{SignedBy, SourceEntry};
use crate::archive::Expiry;
use crate::formats::fields::flag;

const BAD_PIN: &str = "its pin-priority is not a number from -32768 to 32767 other than 0";
const BAD_SECONDS: &str =
    "its date-max-future, valid-until-min or valid-until-max is not a number of seconds";

/// The options that have another name in deb822 files.
const ONE_LINE: [(&str, &str); 3] = [
    ("arch", "architectures"),
    ("lang", "languages"),
    ("target", "targets"),
];

/// Options for translations, for other indexes and for how an index is fetched. They do not change
/// the packages.
const WITHOUT_EFFECT_ON_PACKAGES: [&str; 3] = ["languages", "pdiffs", "by-hash"];

/// The fields that are not options: they say where the packages are.
const PLACE: [&str; 5] = ["types", "uris", "suites", "components", "enabled"];

/// The name of an option of a one-line entry as deb822 files have it, in lower case: `arch+` is
/// `architectures-add`.
pub(super) fn deb822_name(option: &str) -> String {
    let option = option.to_ascii_lowercase();
    let (name, change) = match option.strip_suffix(['+', '-']) {
        Some(name) if option.ends_with('+') => (name, "-add"),
        Some(name) => (name, "-remove"),
        None => (option.as_str(), ""),
    };
    let known = ONE_LINE.iter().find(|(short, _)| *short == name);
    let name = known.map_or(name, |(_, long)| long);
    format!("{name}{change}")
}

impl SourceEntry {
    /// Sets an option by its name in lower case. Those that do not concern binary packages are
    /// ignored, unknown ones noted.
    pub(super) fn set(&mut self, option: &str, value: &str) -> Result<(), &'static str> {
        match option {
            "architectures" => self.architectures = words(value),
            "architectures-add" => self.added_architectures.extend(words(value)),
            "architectures-remove" => self.removed_architectures.extend(words(value)),
            "targets" => self.targets = words(value),
            "targets-add" => self.added_targets.extend(words(value)),
            "targets-remove" => self.removed_targets.extend(words(value)),
            "trusted" => {
                self.trusted = is_yes(value);
                self.distrusted = is_no(value);
            }
            "check-valid-until" if is_no(value) => self.expiry = Expiry::Ignore,
            "check-valid-until" => self.expiry = Expiry::Check,
            "check-date" => self.skips_date = is_no(value),
            "date-max-future" => self.max_future = Some(seconds(value)?),
            "valid-until-min" => self.shortest = Some(seconds(value)?),
            "valid-until-max" => self.longest = Some(seconds(value)?),
            "allow-insecure" | "allow-weak" | "allow-downgrade-to-insecure" => {
                if is_yes(value) {
                    self.without_effect
                        .push(format!("{option}={}", value.trim()));
                }
            }
            "signed-by" => self.signed_by = SignedBy::parse(value)?,
            "pin-priority" => {
                let pin = value.trim().parse();
                self.pin = Some(pin.map_err(|_| BAD_PIN)?);
            }
            other => self.note_unknown(other),
        }
        Ok(())
    }

    fn note_unknown(&mut self, option: &str) {
        let name = option.trim_end_matches("-add").trim_end_matches("-remove");
        let is_known = WITHOUT_EFFECT_ON_PACKAGES.contains(&name) || PLACE.contains(&option);
        if !is_known && !option.starts_with("x-") {
            self.unknown.push(option.to_owned());
        }
    }
}

fn seconds(value: &str) -> Result<u32, &'static str> {
    value.trim().parse().map_err(|_| BAD_SECONDS)
}

pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

pub(super) fn is_yes(value: &str) -> bool {
    flag(value.trim()) == Some(true)
}

pub(super) fn is_no(value: &str) -> bool {
    flag(value.trim()) == Some(false)
}
