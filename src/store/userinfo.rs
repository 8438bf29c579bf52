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
        let authority = authority(rest);
        let host = authority.rfind('@').map_or(0, |at| at + 1);
        // Otherwise there is a password with a slash or a # that is not encoded.
        let is_whole = is_host(&authority[host..]) && !rest[authority.len()..].starts_with('#');
        let at = match is_whole {
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
/// has, since that can be a token. A URL without a host, which may be a part of one with a password, is
/// shown as stars.
pub(crate) fn shown(url: &str) -> String {
    let Some(at) = url.find("://") else {
        return url.to_owned();
    };
    let Some(UrlParts {
        scheme,
        userinfo,
        rest,
    }) = UrlParts::of(url)
    else {
        let (scheme, rest) = url.split_at(at + 3);
        return match is_host(authority(rest)) {
            true => format!("{scheme}{}", shown(rest)),
            false => format!("{scheme}***"),
        };
    };
    let rest = shown(rest);
    match userinfo.split_once(':') {
        Some((name, password)) if !password.is_empty() => format!("{scheme}{name}:***@{rest}"),
        _ => format!("{scheme}***@{rest}"),
    }
}

/// Text with every URL in it as [`shown`] has it.
pub(crate) fn hidden(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(word_end(rest));
        hidden.push_str(&shown(word));
        rest = after;
    }
    hidden
}

/// Where the first word of a text ends, without the blank after it unless it is that alone. What is
/// in quotes is one word, and so is a login with blanks.
fn word_end(text: &str) -> usize {
    let mut is_quoted = false;
    for (at, c) in text.char_indices() {
        if c == '"' {
            is_quoted = !is_quoted;
        } else if c.is_whitespace() && !is_quoted && !is_cut(&text[..at], &text[at..]) {
            // A blank alone is what is before the next word.
            return if at == 0 { c.len_utf8() } else { at };
        }
    }
    text.len()
}

/// Whether a word ends within the login of a URL.
fn is_cut(word: &str, after: &str) -> bool {
    let Some(at) = word.rfind("://") else {
        return false;
    };
    let rest = &word[at + 3..];
    if rest.contains('@') {
        return false;
    }
    let next = after.split_whitespace().next().unwrap_or_default();
    let goes_on = next.contains('@') && !next.contains("://");
    !is_host(authority(rest)) || (goes_on && authority(rest) == rest)
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

/// What follows the scheme of a URL, up to the path.
fn authority(rest: &str) -> &str {
    &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())]
}

/// Whether a host is followed by a port, if by anything. A text may have punctuation after that.
fn is_host(host: &str) -> bool {
    let host = host.trim_end_matches(['"', '\'', '`', ')', '>', ',', ';', '.']);
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
            ("http://u:12#34@h", "http://u:***@h", "http://h"),
            ("http://u:p#w@h/x", "http://u:***@h/x", "http://h/x"),
            ("http://u:s3cret", "http://***", "http://u:s3cret"),
            (
                "http://h/http://u:p@i/x",
                "http://h/http://u:***@i/x",
                "http://h/http://u:p@i/x",
            ),
        ] {
            assert_eq!(shown(url), seen);
            assert_eq!(without_login(url), bare);
        }
        assert_eq!(
            hidden("deb  http://u:p@h/ sid\tmain https://t@h"),
            "deb  http://u:***@h/ sid\tmain https://***@h"
        );
        assert_eq!(hidden("y\u{a0}x\u{a0}"), "y\u{a0}x\u{a0}");
    }

    #[test]
    fn passwords_with_blanks_are_not_shown() {
        for (text, expected) in [
            ("deb \"http://u:p w@h/\" [x", "deb \"http://u:***@h/\" [x"),
            ("deb \"http://u:1 2@h/ sid", "deb \"http://u:***@h/ sid"),
            ("deb http://u:p w@h/ sid", "deb http://u:***@h/ sid"),
            ("deb http://u:p q w@h/ sid", "deb http://u:***@h/ sid"),
            ("deb http://u:12 34@h/ sid", "deb http://u:***@h/ sid"),
            ("deb http://u:p sid main", "deb http://***"),
            ("deb \"http://h:80\" sid", "deb \"http://h:80\" sid"),
            ("(http://h:80), then", "(http://h:80), then"),
            ("http://h/ a@b\n http://i", "http://h/ a@b\n http://i"),
        ] {
            assert_eq!(hidden(text), expected);
        }
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
