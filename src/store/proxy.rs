//! The proxy that the environment names, for messages, and where it is not to be used.
//!
//! The HTTP client follows `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` itself, but
//! takes the `*` of `no_proxy`, which is every host, for names of hosts only and not for addresses.

use std::env;

use super::address::shown;

/// Whether `no_proxy` names every host, as curl reads it.
pub(super) fn is_never_used() -> bool {
    let value = variable(&["no_proxy", "NO_PROXY"]);
    value.is_some_and(|(_, value)| value.split(',').any(|host| host.trim() == "*"))
}

/// The proxy for a URL and the variable that names it, for messages.
pub(super) fn used_for(url: &str) -> Option<String> {
    if is_never_used() {
        return None;
    }
    // HTTP_PROXY could be a request's header in a CGI script, so that nobody reads it.
    let (scheme, _) = url.split_once("://")?;
    let own: &[&str] = match scheme {
        "http" => &["http_proxy"],
        "https" => &["https_proxy", "HTTPS_PROXY"],
        _ => return None,
    };
    let found = variable(own).or_else(|| variable(&["all_proxy", "ALL_PROXY"]));
    let (name, proxy) = found?;
    Some(format!("{} ({name})", shown(&proxy)))
}

/// The first of these variables that is set to something.
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
