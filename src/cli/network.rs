//! The options on how long a run waits for servers, and how often it tries.

use std::time::Duration;

use clap::Args;

use super::values;
use crate::run::NetworkOptions;
use crate::store::{Proxies, TransferLimits};

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworkArgs {
    #[command(flatten)]
    transfers: TransferArgs,

    /// Wait this long in all for a mirror that is being updated (s, m, h)
    ///
    /// While indexes do not match their release, both are read again after pauses. 0 reads them
    /// again at once and does not wait.
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = values::duration)]
    #[arg(env = "RBOOTSTRAP_MIRROR_WAIT")]
    mirror_wait: Duration,
}

/// The limits of single transfers.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Network")]
pub(super) struct TransferArgs {
    /// Give up on a connection that sends nothing for this long (s, m, h)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = timeout)]
    #[arg(env = "RBOOTSTRAP_TIMEOUT")]
    timeout: Duration,

    /// Give up on a transfer that is slower over two timeouts (bytes a second; K, M)
    ///
    /// 0 for no limit.
    #[arg(long, value_name = "SIZE", default_value = "4K", value_parser = values::size)]
    #[arg(env = "RBOOTSTRAP_MIN_SPEED")]
    min_speed: u64,

    /// Try each URL at most N times
    ///
    /// After a failure that may pass. Other mirrors are tried in between.
    #[arg(long, value_name = "N", default_value_t = 5, env = "RBOOTSTRAP_TRIES")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    tries: u32,
}

impl NetworkArgs {
    pub(super) fn options(&self) -> NetworkOptions {
        NetworkOptions {
            mirror_wait: self.mirror_wait,
            ..self.transfers.options()
        }
    }
}

impl TransferArgs {
    /// For a command that waits for no mirror.
    pub(super) fn options(&self) -> NetworkOptions {
        NetworkOptions {
            transfers: TransferLimits {
                timeout: self.timeout,
                lowest_rate: self.min_speed,
            },
            tries: self.tries,
            proxies: Proxies::default(),
            mirror_wait: Duration::ZERO,
        }
    }
}

/// Reads a time that is not 0.
fn timeout(text: &str) -> Result<Duration, String> {
    let time = values::duration(text)?;
    match time.is_zero() {
        true => Err("a timeout of 0 would end every transfer".to_owned()),
        false => Ok(time),
    }
}
