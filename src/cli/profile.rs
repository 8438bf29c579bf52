//! The options on profiles: settings for a kind of image.

use clap::Args;

use super::environment::Environment;
use crate::run::ProfileChoice;

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct ProfileArgs {
    /// Apply the settings of a profile: docker, or a file
    ///
    /// docker has the settings of Docker's official images. A name is also looked for in
    /// /etc/rbootstrap/profiles and ~/.config/rbootstrap/profiles, as NAME.toml; a path has a `/`.
    #[arg(
        long,
        value_name = "NAME|FILE",
        env = "RBOOTSTRAP_PROFILE",
        conflicts_with = "foreign"
    )]
    profile: Option<String>,

    /// Keep secrets that scripts have made, although the profile removes them
    #[arg(long, requires = "profile")]
    keep_secrets: bool,
}

impl ProfileArgs {
    pub(super) fn choice(self, environment: &Environment) -> Option<ProfileChoice> {
        let name = self.profile?;
        Some(ProfileChoice {
            name,
            directories: environment.configuration_directories("profiles"),
            keeps_secrets: self.keep_secrets,
        })
    }
}
