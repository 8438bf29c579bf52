//! The proxy variables of the environment: which proxy a message names, and when none is used.
//!
//! The HTTP client follows `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` itself. For it
//! the `*` of `no_proxy` matches host names only; for curl it matches addresses too, and so it does
//! here.

use std::env;

use reqwest::{ClientBuilder, Proxy, Url};

use super::Error;
use super::client::setup_failed;
use super::userinfo::{has_scheme, shown};

/// Whether `no_proxy` excludes every host, as curl reads it. Names in upper case come first, as for
/// the HTTP client.
pub(super) fn is_never_used() -> bool {
    exclusions().iter().any(|host| host == "*")
}

/// The proxy that requests for a URL go through, with the variable that sets it. For messages.
pub(super) fn used_for(url: &str) -> Option<String> {
    let parsed = Url::parse(url).ok()?;
    let own: &[&str] = match parsed.scheme() {
        // In a CGI script a client can set HTTP_PROXY by a request header.
        "http" if env::var_os("REQUEST_METHOD").is_some() => &["http_proxy"],
        "http" => &["HTTP_PROXY", "http_proxy"],
        "https" => &["HTTPS_PROXY", "https_proxy"],
        _ => return None,
    };
    let host = parsed.host_str()?;
    if exclusions().iter().any(|excluded| excludes(excluded, host)) {
        return None;
    }
    let found = variable(own).or_else(|| variable(&["ALL_PROXY", "all_proxy"]));
    let (name, proxy) = found?;
    Some(format!("{} ({name})", without_password(&proxy)))
}

/// A proxy as a message has it. Without a scheme it is an http proxy.
fn without_password(proxy: &str) -> String {
    match has_scheme(proxy) {
        true => shown(proxy),
        false => shown(&format!("http://{proxy}")),
    }
}

/// The hosts that `no_proxy` lists.
fn exclusions() -> Vec<String> {
    let (_, value) = variable(&["NO_PROXY", "no_proxy"]).unwrap_or_default();
    value
        .split(',')
        .map(|host| host.trim().to_owned())
        .collect()
}

/// Whether an entry of `no_proxy` is the host or a domain above it.
fn excludes(entry: &str, host: &str) -> bool {
    let domain = entry.trim_start_matches('.');
    let Some(above) = host.strip_suffix(domain) else {
        return entry == "*";
    };
    !domain.is_empty() && (above.is_empty() || above.ends_with('.'))
}

/// The first of these variables that is not empty.
fn variable(names: &[&'static str]) -> Option<(&'static str, String)> {
    for name in names {
        if let Ok(value) = env::var(name)
            && !value.trim().is_empty()
        {
            return Some((name, value));
        }
    }
    None
}

/// The proxies that the user names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxies {
    /// For `http:` URLs.
    pub(crate) http: Option<String>,
    /// For `https:` URLs.
    pub(crate) https: Option<String>,
}

impl Proxies {
    /// The word of apt's for no proxy.
    const DIRECT: &str = "DIRECT";

    /// Has a client use these proxies instead of the environment's.
    pub(super) fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, Error> {
        let own = [&self.http, &self.https];
        if own == [&None, &None] {
            return Ok(builder);
        }
        let mut builder = builder.no_proxy();
        if let Some(url) = Proxies::used(&self.http) {
            builder = builder.proxy(Proxy::http(url).map_err(|e| setup_failed(&e))?);
        }
        if let Some(url) = Proxies::used(&self.https) {
            builder = builder.proxy(Proxy::https(url).map_err(|e| setup_failed(&e))?);
        }
        Ok(builder)
    }

    fn used(given: &Option<String>) -> Option<&str> {
        given.as_deref().filter(|url| *url != Proxies::DIRECT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        for (proxy, expected) in [
            ("http://me:s3cret@proxy:3128", "http://me:***@proxy:3128"),
            ("me:s3cret@proxy:3128", "http://me:***@proxy:3128"),
            ("token@proxy", "http://***@proxy"),
            ("http:/me:s3cret@proxy", "http:/me:***@proxy"),
            ("http:me:s3cret@proxy", "http:me:***@proxy"),
            ("https:///me:s3cret@proxy", "https:///me:***@proxy"),
            ("socks5://me:s3cret@proxy", "socks5://me:***@proxy"),
            ("proxy:3128", "http://proxy:3128"),
        ] {
            assert_eq!(without_password(proxy), expected);
        }
    }

    #[test]
    fn no_proxy_lists_hosts_and_domains() {
        for (entry, host, expected) in [
            ("*", "127.0.0.1", true),
            ("example.org", "example.org", true),
            ("example.org", "deb.example.org", true),
            (".example.org", "deb.example.org", true),
            ("example.org", "notexample.org", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("", "example.org", false),
        ] {
            assert_eq!(excludes(entry, host), expected, "{entry} {host}");
        }
    }
}
