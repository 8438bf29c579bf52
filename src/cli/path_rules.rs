//! `--path-exclude` and `--path-include`, whose order on the command line counts across both.
//!
//! clap's derive keeps the values of each option apart, so both are read here by their positions.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::formats::path_rule::{BadPattern, PathRule, PathRuleKind};

const EXCLUDE: &str = "path-exclude";
const INCLUDE: &str = "path-include";

/// The rules in the order of the command line.
#[derive(Debug)]
pub(super) struct PathRuleArgs(pub(super) Vec<PathRule>);

impl Args for PathRuleArgs {
    fn augment_args(command: Command) -> Command {
        let exclude = option(EXCLUDE, parse_exclude)
            .help("Do not unpack paths that match, as dpkg's path-exclude")
            .long_help(
                "Do not unpack paths that match, as dpkg's path-exclude\n\n\
                 A pattern for absolute paths, in which `*` and `?` also match `/`: \
                 '/usr/share/man/*'. Of all --path-exclude and --path-include that match a path, \
                 the last one counts. The tree's dpkg keeps the rules, in \
                 /etc/dpkg/dpkg.cfg.d/rbootstrap-paths. May be given more than once.",
            );
        let include = option(INCLUDE, parse_include)
            .help("Unpack paths that match after all, as dpkg's path-include")
            .long_help(
                "Unpack paths that match after all, as dpkg's path-include\n\n\
                 Give it after the --path-exclude from which it is an exception. May be given more \
                 than once.",
            );
        command.arg(exclude).arg(include)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn option(name: &'static str, parse: fn(&str) -> Result<PathRule, BadPattern>) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("GLOB")
        .action(ArgAction::Append)
        .value_parser(parse)
}

fn parse_exclude(pattern: &str) -> Result<PathRule, BadPattern> {
    PathRule::new(PathRuleKind::Exclude, pattern)
}

fn parse_include(pattern: &str) -> Result<PathRule, BadPattern> {
    PathRule::new(PathRuleKind::Include, pattern)
}

impl FromArgMatches for PathRuleArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found = Vec::new();
        for name in [EXCLUDE, INCLUDE] {
            let positions = matches.indices_of(name).unwrap_or_default();
            let rules = matches.get_many::<PathRule>(name).unwrap_or_default();
            found.extend(positions.zip(rules));
        }
        found.sort_by_key(|(position, _)| *position);
        let rules = found.into_iter().map(|(_, rule)| rule.clone());
        Ok(PathRuleArgs(rules.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
