//! The HTTP client: its TLS, its proxies, and the thread that drives all requests.
//!
//! One client serves all threads, so that connections are kept and shared. reqwest's blocking
//! client can neither be interrupted nor bounds slow transfers; its asynchronous client, driven by
//! one thread here, allows both. What is sent, and what is made of the answer, is left to `http`
//! and to the client of registries.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::time;

use super::roots::{self, NoRoots};
use super::stop::Stop;
use super::{Cause, Error, Obstacle, Proxies, proxy};

/// Over how many timeouts the rate of a transfer is measured.
const RATE_WINDOW: u32 = 2;
/// The longest wait for a connection: time for three retransmissions.
const CONNECT: Duration = Duration::from_secs(10);

/// After how many timeouts a small file must be complete.
const LONGEST_READ: u32 = 10;

/// The client and the thread that drives it.
#[derive(Debug)]
pub(crate) struct HttpClient {
    client: Client,
    handle: Handle,
    driver: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    limits: TransferLimits,
}

/// When a transfer is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransferLimits {
    /// How long a connection may transfer no byte.
    pub(crate) timeout: Duration,
    /// The rate, in bytes per second, below which a transfer is given up when it was slower over
    /// two timeouts. 0 for none.
    pub(crate) lowest_rate: u64,
}

/// A client that hands bodies over as they are sent, and follows no redirect.
pub(super) fn builder() -> Result<ClientBuilder, Error> {
    let tls = roots::config().map_err(|e| setup_failed(&e))?;
    let agent = concat!("rbootstrap/", env!("CARGO_PKG_VERSION"));
    let builder = Client::builder()
        .user_agent(agent)
        .referer(false)
        .redirect(Policy::none())
        .tls_backend_preconfigured(tls);
    Ok(match proxy::is_never_used() {
        true => builder.no_proxy(),
        false => builder,
    })
}

impl HttpClient {
    /// Sets up a client with the host's CA certificates, and starts its thread. Without `proxies`
    /// it takes those of the environment.
    pub(crate) fn new(proxies: &Proxies, limits: TransferLimits) -> Result<HttpClient, Error> {
        HttpClient::open(proxies.apply(builder()?)?, limits)
    }

    /// Starts the thread of a client.
    pub(super) fn open(
        builder: ClientBuilder,
        limits: TransferLimits,
    ) -> Result<HttpClient, Error> {
        let client = builder
            .connect_timeout(limits.connect())
            .tcp_keepalive(limits.timeout)
            .build()
            .map_err(|e| setup_failed(&e))?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|e| setup_failed(&e))?;
        let handle = runtime.handle().clone();
        let (quit, quitting) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || drive(runtime, quitting))
            .map_err(|e| setup_failed(&e))?;
        Ok(HttpClient {
            client,
            handle,
            driver: Some((quit, thread)),
            limits,
        })
    }

    /// What requests are made with.
    pub(crate) fn requests(&self) -> &Client {
        &self.client
    }

    pub(crate) fn limits(&self) -> TransferLimits {
        self.limits
    }

    /// Waits for `work`, or fails once stopped.
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>, stop: &Stop) -> Result<T, Error> {
        self.handle.block_on(stop.unless(work))
    }

    /// Waits for `time`, unless stopped.
    pub(crate) fn pause(&self, time: Duration, stop: &Stop) -> Result<(), Error> {
        self.run(async { time::sleep(time).await }, stop)
    }

    /// The error of a request for a URL, which is without its password.
    pub(crate) fn failed(&self, url: &str, error: &reqwest::Error) -> Error {
        let url = url.to_owned();
        let source = Cause::of(error);
        // A redirect to another scheme is an error of the builder.
        if error.is_redirect() || error.is_builder() {
            return Error::Redirect { url, source };
        }
        if error.is_timeout() && !error.is_connect() {
            return Error::Stalled {
                url,
                after: self.limits.timeout,
            };
        }
        if !error.is_connect() {
            return Error::Broken { url, source };
        }
        Error::Refused {
            url,
            obstacle: obstacle(error),
            source,
        }
    }
}

impl TransferLimits {
    /// The longest wait for a connection.
    pub(crate) fn connect(self) -> Duration {
        self.timeout.min(CONNECT)
    }

    /// How long a small file may take.
    pub(crate) fn longest_read(self) -> Duration {
        self.timeout * LONGEST_READ
    }

    /// The time over which a rate is measured.
    pub(crate) fn window(self) -> Duration {
        self.timeout * RATE_WINDOW
    }
}

impl Drop for HttpClient {
    fn drop(&mut self) {
        if let Some((quit, thread)) = self.driver.take() {
            let _ = quit.send(());
            let _ = thread.join();
        }
    }
}

fn drive(runtime: Runtime, quitting: oneshot::Receiver<()>) {
    let _ = runtime.block_on(quitting);
    // A name lookup cannot be interrupted, and no thread waits for its result.
    runtime.shutdown_background();
}

/// What a failed connection failed at. The errors of name lookups are told apart by their texts
/// only.
fn obstacle(error: &reqwest::Error) -> Obstacle {
    if error.is_dns() {
        let text = Cause::of(error).to_string();
        if text.contains("Temporary failure") || text.contains("Try again") {
            return Obstacle::NameForNow;
        }
        return Obstacle::Name;
    }
    let mut link: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = link {
        match error.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::Other(other)) if other.0.is::<NoRoots>() => {
                return Obstacle::NoRoots;
            }
            Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => {
                return Obstacle::Plain;
            }
            Some(_) => return Obstacle::Tls,
            None => {}
        }
        let system = error.downcast_ref::<io::Error>();
        if system.is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
            return Obstacle::Refused;
        }
        // `source` of an io::Error that wraps another error skips that one.
        link = match system.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    Obstacle::Connection
}

pub(super) fn setup_failed(error: &dyn StdError) -> Error {
    Error::Setup {
        source: Cause::of(error),
    }
}
