//! User names and passwords from apt's auth.conf (apt_auth.conf(5)).
//!
//! An entry is looked up for each request and each redirect, by the same rules as apt's
//! (`MaybeAddAuth`). A URL that has a user name or a password of its own needs none. Which files
//! are read is decided by the callers.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use reqwest::Url;

use crate::report::Report;

/// The files of entries, in the order in which they are searched.
#[derive(Default)]
pub(crate) struct Credentials {
    files: Vec<AuthFile>,
    /// What has been warned of.
    warned: Mutex<BTreeSet<String>>,
}

/// A file of entries: its name for messages, and its words.
struct AuthFile {
    name: String,
    words: Vec<String>,
}

/// Who a request says that it is from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// What follows in a file's words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Entry,
    Machine,
    Token,
    User,
    Password,
}

impl Credentials {
    /// Adds a file, which is searched after the earlier ones.
    pub(crate) fn add(&mut self, name: &str, text: &str) {
        self.files.push(AuthFile {
            name: name.to_owned(),
            words: text.split_ascii_whitespace().map(str::to_owned).collect(),
        });
    }

    /// The login for a URL, unless it has its own. An entry without `http://` is for https alone; a
    /// warning says so where it would match.
    pub(crate) fn login(&self, url: &Url, report: &Report) -> Option<Login> {
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let target = LoginTarget::of(url);
        for file in &self.files {
            let found = file.find(&target, &|machine| {
                let scheme = &target.scheme;
                let warning = format!(
                    "{}: the entry for {machine} is not used, since {scheme} is not encrypted; \
                     write {scheme}://{machine} to use it",
                    file.name
                );
                let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
                if warned.insert(warning.clone()) {
                    report.warning(warning);
                }
            });
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

impl AuthFile {
    /// The first login for the target. `refused` is called with a machine whose entry lacks the
    /// scheme.
    fn find(&self, target: &LoginTarget, refused: &dyn Fn(&str)) -> Option<Login> {
        let mut login = Login {
            user: String::new(),
            password: String::new(),
        };
        let mut expected = Expected::Entry;
        for word in &self.words {
            expected = match expected {
                Expected::Entry if word == "machine" => Expected::Machine,
                Expected::Entry => Expected::Entry,
                Expected::Machine => match target.is_machine(word, refused) {
                    true => Expected::Token,
                    false => Expected::Entry,
                },
                Expected::Token => match word.as_str() {
                    "login" => Expected::User,
                    "password" => Expected::Password,
                    "machine" => break,
                    _ => Expected::Token,
                },
                Expected::User => {
                    login.user.clone_from(word);
                    Expected::Token
                }
                Expected::Password => {
                    login.password.clone_from(word);
                    Expected::Token
                }
            };
        }
        Some(login).filter(|login| !login.user.is_empty() || !login.password.is_empty())
    }
}

/// The parts of a URL that an entry is compared with.
struct LoginTarget {
    scheme: String,
    host: String,
    port: Option<u16>,
    path: String,
}

impl LoginTarget {
    fn of(url: &Url) -> LoginTarget {
        let host = url.host_str().unwrap_or_default();
        LoginTarget {
            scheme: url.scheme().to_owned(),
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: url.port(),
            path: url.path().to_owned(),
        }
    }

    /// Whether the word after `machine` names this target: a host, with or without a port, alone or
    /// with the beginning of a path.
    fn is_machine(&self, word: &str, refused: &dyn Fn(&str)) -> bool {
        let (scheme, machine) = match word.split_once("://") {
            Some((scheme, machine)) => (Some(scheme), machine),
            None => (None, word),
        };
        if scheme.is_some_and(|scheme| scheme != self.scheme) {
            return false;
        }
        let host = match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        };
        let is_named = match machine.contains('/') {
            true => format!("{host}{}", self.path).starts_with(machine),
            false => machine == host || machine == self.host,
        };
        if is_named && scheme.is_none() && self.scheme != "https" {
            refused(machine);
            return false;
        }
        is_named
    }
}

/// Names the files, but nothing in them.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.files.iter().map(|file| &file.name))
            .finish()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(text: &str, url: &str) -> Option<String> {
        let mut credentials = Credentials::default();
        credentials.add("auth.conf", text);
        let found = credentials.login(&Url::parse(url).unwrap(), &Report::silent());
        found.map(|login| format!("{}:{}", login.user, login.password))
    }

    /// The examples of apt_auth.conf(5), and the rules around them.
    #[test]
    fn entries_are_found_as_by_apt() {
        let rest = "login apt password debian";
        for (machine, url, is_found) in [
            ("example.org", "https://example.org/debian/x", true),
            ("example.org/deb", "https://example.org/debian/x", true),
            ("example.org/debian", "https://example.org/debian/x", true),
            ("example.org/debian/", "https://example.org/debian/x", true),
            ("example.org:443", "https://example.org/debian/x", false),
            ("example.org/deb/", "https://example.org/debian/x", false),
            ("example.org/ubuntu", "https://example.org/debian/x", false),
            ("example.orga", "https://example.org/debian/x", false),
            ("example.net", "https://example.org/debian/x", false),
            ("example.org", "https://example.org:8443/x", true),
            ("example.org:8443", "https://example.org:8443/x", true),
            ("example.org:844", "https://example.org:8443/x", false),
            ("example.org:8443/x", "https://example.org:8443/x", true),
            ("example.org/x", "https://example.org:8443/x", false),
            ("example.org", "http://example.org/x", false),
            ("http://example.org", "http://example.org/x", true),
            ("http://example.org", "https://example.org/x", false),
            ("https://example.org/x", "https://example.org/x/y", true),
            ("example.org", "https://me@example.org/x", false),
            ("::1", "https://[::1]/x", true),
        ] {
            let found = login(&format!("machine {machine} {rest}"), url);
            assert_eq!(found.is_some(), is_found, "{machine} {url}");
            let lines = format!("machine {machine}\n\tlogin apt\npassword debian\r\n");
            assert_eq!(login(&lines, url), found, "{machine} {url}");
        }
    }

    #[test]
    fn words_are_read_as_by_apt() {
        for (text, expected) in [
            ("machine h login a password b", Some("a:b")),
            ("machine h password b login a", Some("a:b")),
            ("machine h account x login a password b", Some("a:b")),
            (
                "machine g login x password y machine h login a password b",
                Some("a:b"),
            ),
            ("machine h login a machine h password b", Some("a:")),
            (
                "machine h/x/ login a password b machine h login c password d",
                Some("c:d"),
            ),
            ("machine h password b", Some(":b")),
            ("machine h machine h login a", None),
            ("default login a password b", None),
            ("machine", None),
            ("login a password b", None),
            ("", None),
        ] {
            assert_eq!(login(text, "https://h/y").as_deref(), expected, "{text}");
        }
    }
}
