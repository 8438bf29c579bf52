//! User names and passwords in URLs: what is shown in their place, and URLs without them.

use reqwest::Url;

use super::address::decode;
use super::credentials::Login;

/// A part of a text that is a URL, or has URLs one in another.
enum Piece<'a> {
    Text(&'a str),
    /// A user name and password, without the `@` after them.
    Login(&'a str),
    /// What follows the scheme of a URL without a host. It may be a part of one with a password.
    Unclear(&'a str),
}

/// The parts of a URL. Takes time in proportion to its length: servers choose what they redirect
/// to.
fn pieces(url: &str) -> Vec<Piece<'_>> {
    let last_at = url.rfind('@');
    let mut pieces = Vec::new();
    let mut start = 0;
    let unquoted = url.trim_start_matches(['\'', '"', '`', '(']);
    if let Some(login) = login_without_scheme(unquoted) {
        let at = url.len() - unquoted.len();
        pieces.push(Piece::Text(&url[..at]));
        pieces.push(Piece::Login(login));
        start = at + login.len() + 1;
    }
    let mut searched = start;
    while let Some(found) = url[searched..].find(':') {
        let colon = searched + found;
        searched = colon + 1;
        let Some(length) = scheme_end(&url[..colon], &url[colon..]) else {
            continue;
        };
        let after = colon + length;
        pieces.push(Piece::Text(&url[start..after]));
        start = after;
        let rest = &url[after..];
        let authority = authority(rest);
        let at = authority.rfind('@');
        let host = &authority[at.map_or(0, |at| at + 1)..];
        // Otherwise there is a password with a slash or a # that is not encoded.
        let is_whole = is_host(host) && !rest[authority.len()..].starts_with('#');
        let end = match is_whole {
            true => at,
            false => last_at.and_then(|last| last.checked_sub(after)),
        };
        match end {
            Some(end) => {
                pieces.push(Piece::Login(&rest[..end]));
                start += end + 1;
                searched = start;
            }
            // The next URL may begin with the end of this host.
            None if is_host(authority) => {
                searched = after + authority.trim_end_matches(':').len();
            }
            None => {
                pieces.push(Piece::Unclear(rest));
                return pieces;
            }
        }
    }
    pieces.push(Piece::Text(&url[start..]));
    pieces
}

/// The user name and password with which a URL without a scheme begins: `user:password@host/debian`.
/// It is no URL, but people write proxies and mirrors so.
fn login_without_scheme(url: &str) -> Option<&str> {
    let (user, rest) = url.split_once(':')?;
    let is_user = |c: char| !c.is_whitespace() && !r#"/\@"'[(=<"#.contains(c);
    let is_scheme = scheme_end(user, &url[user.len()..]).is_some() || rest.starts_with(['/', '\\']);
    if user.is_empty() || is_scheme || !user.chars().all(is_user) {
        return None;
    }
    let authority = authority(rest);
    let at = match authority.rfind('@') {
        Some(at) => at,
        // A host with a port, or a password with a slash or a # that is not encoded.
        None if is_host(&url[..user.len() + 1 + authority.len()]) => return None,
        None => rest.rfind('@')?,
    };
    // The image NAME:TAG@DIGEST.
    let is_digest = ["sha256:", "sha512:"]
        .iter()
        .any(|name| rest[at + 1..].starts_with(name));
    (!is_digest).then(|| &url[..user.len() + 1 + at])
}

/// The length of the colon and the slashes between a scheme and the authority after it. `None` if
/// this colon does not follow a scheme.
///
/// HTTP clients take any number of slashes, and backslashes, for two (the URL Standard, "Special
/// authority slashes state"). Of `file:///a@b`, the third slash begins the path.
fn scheme_end(before: &str, from_colon: &str) -> Option<usize> {
    let ends_with = |scheme: &str| {
        let start = before.len().checked_sub(scheme.len());
        let end = start.and_then(|start| before.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(scheme))
    };
    let has_slashes = from_colon.starts_with("://");
    if has_slashes && (ends_with("file") || ends_with("copy")) {
        return Some(3);
    }
    if !has_slashes && !ends_with("http") && !ends_with("https") {
        return None;
    }
    let rest = from_colon[1..].trim_start_matches(['/', '\\']);
    Some(from_colon.len() - rest.len())
}

/// Whether a text begins with the scheme of a URL.
pub(super) fn has_scheme(text: &str) -> bool {
    text.find(':')
        .is_some_and(|colon| scheme_end(&text[..colon], &text[colon..]).is_some())
}

/// The URL with its password, if it has one, replaced by stars; with its user name, if that is all
/// it has, since that can be a token. A URL without a host, which may be a part of one with a
/// password, is shown as stars. The same for URLs in its path.
pub(crate) fn shown(url: &str) -> String {
    let mut shown = String::with_capacity(url.len());
    for piece in pieces(url) {
        match piece {
            Piece::Text(text) => shown.push_str(text),
            Piece::Login(login) => {
                if let Some((name, password)) = login.split_once(':')
                    && !password.is_empty()
                {
                    shown.push_str(name);
                    shown.push(':');
                }
                shown.push_str("***@");
            }
            Piece::Unclear(_) => shown.push_str("***"),
        }
    }
    shown
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
    let mut was_blank = false;
    let mut url: Option<LastUrl> = None;
    for (at, c) in text.char_indices() {
        let is_blank = c.is_whitespace();
        if c == '"' {
            is_quoted = !is_quoted;
        } else if is_blank && !is_quoted && !was_blank {
            let is_cut = url
                .as_ref()
                .is_some_and(|url| url.is_cut_before(&text[at..]));
            if !is_cut {
                // A blank alone is what is before the next word.
                return if at == 0 { c.len_utf8() } else { at };
            }
        }
        was_blank = is_blank && !is_quoted;
        if c == ':' && scheme_end(&text[..at], &text[at..]).is_some() {
            url = Some(LastUrl::default());
        } else if let Some(url) = &mut url {
            url.push(c);
        }
    }
    text.len()
}

/// What is known of the last URL in the beginning of a word.
#[derive(Default)]
struct LastUrl {
    has_authority: bool,
    port: Port,
    has_path: bool,
    has_at: bool,
}

impl LastUrl {
    fn push(&mut self, c: char) {
        self.has_at |= c == '@';
        self.has_authority |= !matches!(c, '/' | '\\');
        self.has_path |= self.has_authority && ENDS_AUTHORITY.contains(&c);
        if !self.has_path {
            self.port = self.port.after(c);
        }
    }

    /// Whether a blank, with which `after` begins, is in the login of the URL.
    fn is_cut_before(&self, after: &str) -> bool {
        if self.has_at {
            return false;
        }
        if self.port == Port::Wrong {
            return true;
        }
        let next = after.split_whitespace().next().unwrap_or_default();
        !self.has_path && next.contains('@') && !next.contains("://")
    }
}

/// The URL without user name and password, and the URLs in its path, too.
pub(crate) fn without_login(url: &str) -> String {
    let mut bare = String::with_capacity(url.len());
    for piece in pieces(url) {
        match piece {
            Piece::Text(text) | Piece::Unclear(text) => bare.push_str(text),
            Piece::Login(_) => {}
        }
    }
    bare
}

/// The URL of a mirror as trees and locks name it: without a login, and without slashes at its end.
pub(crate) fn public_mirror(url: &str) -> String {
    without_login(url).trim_end_matches('/').to_owned()
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

/// What ends the part of a URL with login, host and port.
const ENDS_AUTHORITY: [char; 3] = ['/', '?', '#'];

/// What follows the scheme of a URL, up to the path.
fn authority(rest: &str) -> &str {
    &rest[..rest.find(ENDS_AUTHORITY).unwrap_or(rest.len())]
}

/// Whether a host is followed by a port, if by anything.
fn is_host(host: &str) -> bool {
    host.chars().fold(Port::None, Port::after) != Port::Wrong
}

/// What follows a host.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Port {
    #[default]
    None,
    Digits,
    /// After a port, as a text may have it.
    Punctuation,
    Wrong,
}

impl Port {
    /// What follows the host, with one character more.
    fn after(self, c: char) -> Port {
        match (self, c) {
            (_, ':') => Port::Digits,
            (Port::None, _) | (_, ']') => Port::None,
            (Port::Digits, '0'..='9') => Port::Digits,
            (Port::Digits | Port::Punctuation, '"' | '\'' | '`' | ')' | '>' | ',' | ';' | '.') => {
                Port::Punctuation
            }
            (Port::Digits | Port::Punctuation | Port::Wrong, _) => Port::Wrong,
        }
    }
}

#[cfg(test)]
mod tests;
