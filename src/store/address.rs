//! URLs: parsing them, and encoding paths in them as apt does.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use reqwest::Url;

use super::Error;
use super::userinfo::shown;

/// The location that a URL stands for.
#[derive(Clone, Debug)]
pub(super) enum Address {
    /// HTTP or HTTPS.
    Web(Url),
    /// A path on this host.
    File(PathBuf),
}

/// Why a text is not a URL that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadAddress {
    #[error("it has no scheme")]
    NoScheme,
    #[error("its scheme is not in lower case")]
    UpperCase,
    #[error("discs (`cdrom:`) cannot be read")]
    Disc,
    #[error("unknown scheme `{scheme}:` (expected one of: http, https, file, copy)")]
    Scheme { scheme: String },
    #[error("it has no host")]
    NoHost,
    #[error("a `#` follows its host")]
    Fragment,
    #[error("it names a host, but its files are on this one")]
    OtherHost,
    #[error("its path is not absolute")]
    Relative,
    #[error("{reason}")]
    Malformed { reason: String },
}

impl BadAddress {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            BadAddress::Disc => "mount the disc and name its directory: file:/media/cdrom",
            BadAddress::NoScheme => {
                "a URL begins with http://, https://, file: or copy:; a directory of this host is \
                 file:/srv/debian"
            }
            BadAddress::OtherHost | BadAddress::Relative => {
                "a directory of this host is written with its whole path: file:/srv/debian"
            }
            BadAddress::UpperCase
            | BadAddress::Scheme { .. }
            | BadAddress::NoHost
            | BadAddress::Fragment
            | BadAddress::Malformed { .. } => {
                "a URL begins with http://HOST/, https://HOST/, file:/ or copy:/"
            }
        }
    }
}

/// Fails for a URL that cannot be fetched whatever a mirror has, or that apt would not read: apt
/// knows schemes in lower case only, and files of no host, not even of `localhost`.
pub(crate) fn check_url(text: &str) -> Result<(), BadAddress> {
    let address = Address::read(text)?;
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    if scheme.bytes().any(|letter| letter.is_ascii_uppercase()) {
        return Err(BadAddress::UpperCase);
    }
    let has_host = rest.starts_with("//") && !rest.starts_with("///");
    match address {
        Address::File(_) if has_host => Err(BadAddress::OtherHost),
        Address::File(_) | Address::Web(_) => Ok(()),
    }
}

impl Address {
    /// Parses a URL. Characters that its path cannot contain are encoded; escapes stay as they are.
    pub(super) fn parse(text: &str) -> Result<Address, Error> {
        Address::read(text).map_err(|bad| Error::BadUrl {
            url: shown(text),
            reason: bad.to_string(),
        })
    }

    fn read(text: &str) -> Result<Address, BadAddress> {
        let (scheme, rest) = text.split_once(':').ok_or(BadAddress::NoScheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => {
                let (authority, path) = split_authority(rest)
                    .filter(|(a, _)| !a.is_empty())
                    .ok_or(BadAddress::NoHost)?;
                if path.starts_with('#') {
                    // Encoded it would be a part of the host.
                    return Err(BadAddress::Fragment);
                }
                let (path, query) = path.find('?').map_or((path, ""), |at| path.split_at(at));
                let url = format!(
                    "{scheme}://{authority}{}{query}",
                    escape(path.as_bytes(), Percent::KeepEscapes)
                );
                let parsed = Url::parse(&url).map_err(|error| BadAddress::Malformed {
                    reason: error.to_string(),
                })?;
                Ok(Address::Web(parsed))
            }
            // To apt, `copy:` is `file:` with a copy of each file in its cache.
            "file" | "copy" => {
                let path = match split_authority(rest) {
                    Some(("" | "localhost", path)) => path,
                    Some(_) => return Err(BadAddress::OtherHost),
                    None => rest,
                };
                let path = decode(path);
                if !path.starts_with(b"/") || path.contains(&0) {
                    return Err(BadAddress::Relative);
                }
                Ok(Address::File(PathBuf::from(OsString::from_vec(path))))
            }
            "cdrom" => Err(BadAddress::Disc),
            // A path, or a host without a scheme before its port.
            other if other.is_empty() || other.contains(['/', '.']) => Err(BadAddress::NoScheme),
            other => Err(BadAddress::Scheme {
                scheme: other.to_owned(),
            }),
        }
    }
}

/// Encodes a path that an index or a source names for use in a URL. Like apt
/// (`pkgAcquire::URIEncode`), it writes `%`, `+`, `~`, spaces and what is not printable ASCII as
/// `%xx` in lower case. Unlike apt it also encodes the characters that a URL's path cannot contain,
/// such as `?` and `#`, which would end it.
pub(crate) fn encode(path: &str) -> String {
    escape(path.as_bytes(), Percent::Escape)
}

/// The `file:` URL of an absolute path.
pub(crate) fn file_url(path: &Path) -> String {
    let path = escape(path.as_os_str().as_bytes(), Percent::Escape);
    format!("file:{path}")
}

/// The URL up to its path.
pub(super) fn server_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let path = rest.find(['/', '?', '#']).map_or(0, |at| rest.len() - at);
    &url[..url.len() - path]
}

/// How a `%` is treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Percent {
    /// It is encoded.
    Escape,
    /// It stays where two hexadecimal digits follow.
    KeepEscapes,
}

fn escape(bytes: &[u8], percent: Percent) -> String {
    let mut escaped = String::with_capacity(bytes.len() + 8);
    for (at, &byte) in bytes.iter().enumerate() {
        let keeps = match byte {
            b'%' => {
                percent == Percent::KeepEscapes
                    && bytes
                        .get(at + 1..at + 3)
                        .is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit))
            }
            b'+' | b'~' | b'?' | b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|'
            | b'}' => false,
            _ => byte.is_ascii_graphic(),
        };
        if keeps {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02x}"));
        }
    }
    escaped
}

/// `//authority/path` → authority, `/path`.
fn split_authority(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.strip_prefix("//")?;
    Some(rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())))
}

pub(super) fn decode(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = path
            .get(at + 1..at + 3)
            .filter(|h| byte == b'%' && h.bytes().all(|b| b.is_ascii_hexdigit()));
        let escaped = escape.and_then(|h| u8::from_str_radix(h, 16).ok());
        decoded.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_as_apt_encodes_them() {
        for (url, asked) in [
            (
                "http://h/pool/g++_4:1.2~b+c_all.deb",
                "http://h/pool/g%2b%2b_4:1.2%7eb%2bc_all.deb",
            ),
            ("http://h/a%20b%3a", "http://h/a%20b%3a"),
            ("http://h/100% b#c", "http://h/100%25%20b%23c"),
            ("HTTP://h/a?sign=x+y~", "http://h/a?sign=x+y~"),
            ("http://u:p@[::1]:81/ä", "http://u:p@[::1]:81/%c3%a4"),
            ("http://h", "http://h/"),
        ] {
            match Address::parse(url).unwrap() {
                Address::Web(found) => assert_eq!(found.as_str(), asked),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn file_names_of_indexes_are_encoded_and_read_back() {
        for (name, encoded) in [
            (
                "pool/x/x_1%3a2+b~1_all.deb",
                "pool/x/x_1%253a2%2bb%7e1_all.deb",
            ),
            ("what? no#1 100%", "what%3f%20no%231%20100%25"),
            ("\u{e4}", "%c3%a4"),
            ("./a/b-c_d.deb", "./a/b-c_d.deb"),
        ] {
            assert_eq!(encode(name), encoded);
            assert_eq!(decode(encoded), name.as_bytes());
        }
    }

    #[test]
    fn file_urls_are_paths() {
        for (url, path) in [
            ("file:/a/b", "/a/b"),
            ("file:///a%20b/c+d", "/a b/c+d"),
            ("file://localhost/%zz", "/%zz"),
        ] {
            match Address::parse(url).unwrap() {
                Address::File(found) => assert_eq!(found, PathBuf::from(path)),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn bad_urls_are_rejected() {
        for bad in [
            "",
            "a",
            "/etc/passwd",
            "ftp://h/",
            "http:",
            "http:///x",
            "http://h:99999/",
            "file:a",
            "file://h/a",
            "file:///a%00",
        ] {
            assert!(
                matches!(Address::parse(bad), Err(Error::BadUrl { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn servers_are_urls_without_their_paths() {
        assert_eq!(server_of("http://u:p@h:1/a/b?c"), "http://u:p@h:1");
        assert_eq!(server_of("http://h"), "http://h");
    }
}
