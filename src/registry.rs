//! A client of container registries (the OCI distribution specification 1.1).
//!
//! [`Client::look_up`] returns the digest and annotations of an image, [`Destination::push`] sends
//! an image. `exchange` makes requests, with limits and redirects; `session` answers a registry's
//! request for a login; `find` finds the login. Connections, TLS and proxies belong to `store`.

mod blobs;
mod body;
mod challenge;
mod endpoint;
mod error;
mod exchange;
mod find;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod login;
mod manifests;
mod push;
mod session;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::error::Error;
use self::error::{RegistryAction, RequestError};
pub(crate) use self::find::LoginPath;
pub(crate) use self::manifests::RemoteImage;
pub(crate) use self::push::{Destination, Pushed};
use self::session::{Repository, Rights};
use crate::failure::with_causes;
use crate::interrupt::{Interrupt, Registration};
use crate::pack::oci::Reference;
use crate::report::Report;
use crate::store::{
    FIRST_PAUSE, HttpClient, LONGEST_PAUSE, Proxies, Stop, TransferLimits, pause_after,
};

/// The user's options for registries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// Files with logins, in the order in which they are searched.
    pub(crate) logins: Vec<LoginPath>,
    /// `HOST` or `HOST:PORT` of registries to which plain http is permitted, besides loopback.
    pub(crate) plain: Vec<String>,
}

/// How a client works.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) access: Access,
    pub(crate) limits: TransferLimits,
    /// How many times a request is tried while it fails for transient reasons.
    pub(crate) tries: u32,
    pub(crate) proxies: Proxies,
}

/// A client of any number of registries.
#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    access: Access,
    tries: u32,
    first_pause: Duration,
    stop: Stop,
    interrupt: Interrupt,
    report: Report,
    _registration: Registration,
}

impl Client {
    /// Sets up a client, without contacting a registry or reading a login. An interrupt ends its
    /// requests.
    pub(crate) fn open(
        options: Options,
        interrupt: &Interrupt,
        report: &Report,
    ) -> Result<Arc<Client>, crate::store::Error> {
        let stop = Stop::new();
        let stopped = stop.clone();
        Ok(Arc::new(Client {
            http: HttpClient::new(&options.proxies, options.limits)?,
            access: options.access,
            tries: options.tries.max(1),
            first_pause: FIRST_PAUSE,
            stop,
            interrupt: interrupt.clone(),
            report: report.clone(),
            _registration: interrupt.on_raise(move || stopped.stop()),
        }))
    }

    /// Looks up a name: the digest and the annotations of its index or manifest. `None` if the
    /// registry has nothing under it.
    pub(crate) fn look_up(
        self: &Arc<Client>,
        reference: &Reference,
    ) -> Result<Option<RemoteImage>, Error> {
        let repository = Repository::new(self, reference, Rights::Read);
        let found = repository.image(reference.tag());
        found.map_err(|source| Error {
            action: RegistryAction::LookUp,
            reference: reference.to_string(),
            source: Box::new(source),
        })
    }

    /// Makes attempts until one succeeds or fails for good.
    fn retry<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let mut round = 1;
        loop {
            let failure = match attempt() {
                Ok(made) => return Ok(made),
                Err(failure) => failure,
            };
            if round >= self.tries || !failure.is_transient() {
                return Err(failure);
            }
            let pause = self.pause_after(round, &failure);
            self.report.detail(format!(
                "{}; trying again in {:.1} s",
                with_causes(&failure),
                pause.as_secs_f64()
            ));
            self.http.pause(pause, &self.stop)?;
            round += 1;
        }
    }

    /// The pause that the registry asks for, or twice the previous one.
    fn pause_after(&self, round: u32, failure: &RequestError) -> Duration {
        let pause = match failure {
            RequestError::Status {
                retry_after: Some(requested),
                ..
            } => *requested,
            _ => pause_after(self.first_pause, round, round),
        };
        pause.min(LONGEST_PAUSE)
    }
}
