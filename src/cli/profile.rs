//! The options on profiles: settings for a kind of image.

use clap::Args;

use super::environment::Environment;
use crate::run::ProfileChoice;

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct ProfileArgs {
    /// Apply the settings of a profile: docker, slim, or a file
    ///
    /// docker has the settings of Docker's official images, slim leaves out what their slim
    /// variants do. A name is also looked for in /etc/rbootstrap/profiles and
    /// ~/.config/rbootstrap/profiles, as NAME.toml; a path has a `/`. May be given more than once.
    #[arg(
        long,
        value_name = "NAME|FILE",
        env = "RBOOTSTRAP_PROFILE",
        conflicts_with = "foreign"
    )]
    profile: Vec<String>,

    /// Leave out documentation and translations, as --profile slim
    ///
    /// Licences stay. The tree's dpkg keeps to the rules, in /etc/dpkg/dpkg.cfg.d/rbootstrap-paths.
    /// With --path-include some of it is unpacked after all.
    #[arg(long, conflicts_with = "foreign")]
    slim: bool,

    /// Keep secrets that scripts have made, although the profile removes them
    #[arg(long, requires = "profile")]
    keep_secrets: bool,
}

impl ProfileArgs {
    pub(super) fn choice(self, environment: &Environment) -> Option<ProfileChoice> {
        let mut names = self.profile;
        if self.slim {
            names.push("slim".into());
        }
        (!names.is_empty()).then(|| ProfileChoice {
            names,
            directories: environment.configuration_directories("profiles"),
            keeps_secrets: self.keep_secrets,
        })
    }
}
