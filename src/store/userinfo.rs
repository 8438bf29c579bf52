//! User names and passwords in URLs: what is shown in their place, and URLs without them.

use reqwest::Url;

use super::address::decode;
use super::credentials::Login;

/// The parts of a URL around its user name and password.
struct UrlParts<'a> {
    /// With `://`.
    scheme: &'a str,
    userinfo: &'a str,
    /// After the `@`.
    rest: &'a str,
}

impl UrlParts<'_> {
    /// None for a URL without user name and password.
    fn of(url: &str) -> Option<UrlParts<'_>> {
        let after = url.find("://")? + 3;
        let (scheme, rest) = url.split_at(after);
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        let host = authority.rfind('@').map_or(0, |at| at + 1);
        // Otherwise there is a password with a slash that is not encoded.
        let at = match is_host(&authority[host..]) {
            true => host.checked_sub(1)?,
            false => rest.rfind('@')?,
        };
        Some(UrlParts {
            scheme,
            userinfo: &rest[..at],
            rest: &rest[at + 1..],
        })
    }
}

/// The URL with its password, if it has one, replaced by stars; with its user name, if that is all it
/// has, since that can be a token.
pub(crate) fn shown(url: &str) -> String {
    let Some(UrlParts {
        scheme,
        userinfo,
        rest,
    }) = UrlParts::of(url)
    else {
        return url.to_owned();
    };
    match userinfo.split_once(':') {
        Some((name, password)) if !password.is_empty() => format!("{scheme}{name}:***@{rest}"),
        _ => format!("{scheme}***@{rest}"),
    }
}

/// Text with every URL in it as [`shown`] has it.
pub(crate) fn hidden(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        hidden.push_str(&shown(word));
    }
    hidden
}

/// The URL without user name and password.
pub(crate) fn without_login(url: &str) -> String {
    match UrlParts::of(url) {
        Some(UrlParts { scheme, rest, .. }) => format!("{scheme}{rest}"),
        None => url.to_owned(),
    }
}

/// The user name and password of a URL.
pub(super) fn login_of(url: &Url) -> Option<Login> {
    let password = url.password().unwrap_or_default();
    if url.username().is_empty() && password.is_empty() {
        return None;
    }
    let text = |encoded: &str| String::from_utf8_lossy(&decode(encoded)).into_owned();
    Some(Login {
        user: text(url.username()),
        password: text(password),
    })
}

/// Whether a host is followed by a port, if by anything.
fn is_host(host: &str) -> bool {
    let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
    match after.rsplit_once(':') {
        Some((_, port)) => port.bytes().all(|c| c.is_ascii_digit()),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_neither_shown_nor_written() {
        for (url, seen, bare) in [
            (
                "http://u:secret@h/a@b",
                "http://u:***@h/a@b",
                "http://h/a@b",
            ),
            ("http://u:se:cr@et@h:1", "http://u:***@h:1", "http://h:1"),
            ("http://token@h/", "http://***@h/", "http://h/"),
            ("http://token:@h/", "http://***@h/", "http://h/"),
            (
                "http://u:p@[::1]:81/x",
                "http://u:***@[::1]:81/x",
                "http://[::1]:81/x",
            ),
            ("http://u:p@ss:w/rd@h/x", "http://u:***@h/x", "http://h/x"),
            ("http://u:s3/cret@h/x", "http://u:***@h/x", "http://h/x"),
            ("http://h:80/x@y", "http://h:80/x@y", "http://h:80/x@y"),
            ("file:/a:b@c", "file:/a:b@c", "file:/a:b@c"),
            ("http://h", "http://h", "http://h"),
        ] {
            assert_eq!(shown(url), seen);
            assert_eq!(without_login(url), bare);
        }
        assert_eq!(
            hidden("deb  http://u:p@h/ sid\tmain https://t@h"),
            "deb  http://u:***@h/ sid\tmain https://***@h"
        );
    }

    #[test]
    fn logins_are_decoded() {
        let url = Url::parse("http://me%40x:p%20w@h/").unwrap();
        let login = login_of(&url).unwrap();
        assert_eq!(
            (login.user.as_str(), login.password.as_str()),
            ("me@x", "p w")
        );
        assert!(login_of(&Url::parse("http://h/").unwrap()).is_none());
    }
}
