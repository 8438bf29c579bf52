//! Options that debootstrap and mmdebstrap do not have: the cache, the network, the limits.
//!
//! Under those names, only environment variables such as RBOOTSTRAP_CACHE_DIR set them.

use clap::{CommandFactory, FromArgMatches, Parser};

use super::complaint::complaint;
use super::environment::Environment;
use super::options::RunArgs;
use super::variables;
use crate::run::{CacheOptions, Limits, NetworkOptions};
use crate::sandbox;

#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct OwnArgs {
    #[command(flatten)]
    run: RunArgs,
}

/// The options for a run under the name of debootstrap or mmdebstrap.
pub(super) struct OwnOptions {
    pub(super) cache: CacheOptions,
    pub(super) network: NetworkOptions,
    pub(super) limits: Limits,
    pub(super) sandbox: sandbox::Options,
}

impl OwnOptions {
    /// Fails if a variable of the environment has a bad value.
    pub(super) fn read(environment: &Environment) -> Result<OwnOptions, String> {
        let none: [&str; 0] = [];
        let mut command = OwnArgs::command().mut_args(variables::without_empty);
        let parsed = command.try_get_matches_from_mut(none);
        let parsed = parsed
            .map_err(|error| variables::named(error, &command, &[]))
            .and_then(|matches| OwnArgs::from_arg_matches(&matches));
        let OwnArgs { run } = parsed.map_err(|error| complaint(&error.to_string()).problem)?;
        Ok(OwnOptions {
            network: run.network.options(),
            limits: run.performance.limits(),
            sandbox: sandbox::Options {
                limits: run.performance.script_limits(),
                shares_perl: environment.shares_perl(),
                ..sandbox::Options::default()
            },
            cache: run.cache.options(environment),
        })
    }
}
