//! The host of a registry, and whether it may be contacted over plain http.

use std::net::IpAddr;

use reqwest::Url;

/// Docker's own registry, as names of images have it.
pub(super) const DOCKER_HUB: &str = "docker.io";
/// Where it answers.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// `HOST` or `HOST:PORT` of a registry's interface.
pub(super) fn host(registry: &str) -> &str {
    match registry == DOCKER_HUB {
        true => DOCKER_HUB_HOST,
        false => registry,
    }
}

/// Whether requests without encryption are permitted: on loopback, as for docker, and for the hosts
/// in `listed`, of which one without a port stands for all ports. A host without a port is at that
/// of plain http.
pub(super) fn may_be_plain(host: &str, listed: &[String]) -> bool {
    let bare = without_port(host);
    let address = bare.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = match address.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    };
    let full = match has_port(host) {
        true => host.to_owned(),
        false => format!("{host}:80"),
    };
    let is_listed =
        |entry: &String| entry.eq_ignore_ascii_case(&full) || entry.eq_ignore_ascii_case(bare);
    is_loopback || listed.iter().any(is_listed)
}

pub(super) fn has_port(host: &str) -> bool {
    without_port(host) != host
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((bare, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => bare,
        _ => host,
    }
}

/// `HOST` or `HOST:PORT` of a URL.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// A URL for messages, without its query and login, which may be secret.
pub(super) fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), host_of(url), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_and_listed_hosts() {
        let table = [
            ("localhost", "", true),
            ("localhost:5000", "", true),
            ("127.0.0.1:5000", "", true),
            ("127.8.9.1", "", true),
            ("[::1]:5000", "", true),
            ("[::1]", "", true),
            ("localhost.example", "", false),
            ("127.0.0.1.example", "", false),
            ("10.0.0.1:5000", "", false),
            ("r.example", "", false),
            ("r.example", "r.example", true),
            ("R.example", "r.example", true),
            ("r.example:5000", "r.example", true),
            ("r.example:5000", "r.example:5000", true),
            ("r.example:5001", "r.example:5000", false),
            ("r.example", "r.example:5000", false),
            ("r.example", "r.example:80", true),
            ("r.example:80", "r.example:80", true),
            ("r.example:443", "r.example:80", false),
            ("s.r.example", "r.example", false),
            ("[2001:db8::1]:5000", "[2001:db8::1]", true),
        ];
        for (host, listed, expected) in table {
            let listed = [listed.to_owned()];
            assert_eq!(may_be_plain(host, &listed), expected, "{host} {listed:?}");
        }
    }

    #[test]
    fn urls_are_shown_without_what_can_be_secret() {
        for (url, expected) in [
            (
                "https://u:p@r.example:1/v2/a?_state=x#y",
                "https://r.example:1/v2/a",
            ),
            ("https://r.example/", "https://r.example/"),
            ("http://[::1]:5000/v2/", "http://[::1]:5000/v2/"),
        ] {
            assert_eq!(shown(&Url::parse(url).unwrap()), expected);
        }
        assert_eq!(host("docker.io"), "registry-1.docker.io");
        assert_eq!(host("r.example:1"), "r.example:1");
    }
}
