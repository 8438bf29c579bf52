//! The user names and passwords of a run: from the user's files, and from apt's auth.conf on this
//! host; and the auth.conf of the tree, for those who want one.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Error;
use super::request::SourceOptions;
use crate::archive::Source;
use crate::bounded;
use crate::report::Report;
use crate::store::{self, Credentials, Store};
use crate::tree::apt::AptFile;
use crate::tree::rootfs::RootPath;

/// Where apt looks for entries.
const FILE: &str = "/etc/apt/auth.conf";
const DIRECTORY: &str = "/etc/apt/auth.conf.d";

/// The tree's file of entries.
const IN_TREE: &str = "etc/apt/auth.conf.d/rbootstrap.conf";

/// The largest file, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// Reads the user's files, which must be there, and then those of the host's apt.
pub(super) fn read(options: &SourceOptions, report: &Report) -> Result<Credentials, Error> {
    let mut credentials = Credentials::default();
    for path in &options.auth_files {
        let added = add(&mut credentials, path, report);
        added.map_err(|source| Error::Read {
            path: path.clone(),
            option: Some("--auth-conf or RBOOTSTRAP_AUTH_CONF"),
            source,
        })?;
    }
    for path in files_of_host() {
        match add(&mut credentials, &path, report) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                report.detail(format!("{} is not read: {error}", path.display()));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(credentials)
}

/// apt's own files, in its order. Like apt, it takes no other names than these of the directory.
fn files_of_host() -> Vec<PathBuf> {
    let mut files = Vec::new();
    if let Ok(directory) = fs::read_dir(DIRECTORY) {
        for entry in directory.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || ['_', '-', '.'].contains(&c);
            if name.ends_with(".conf") && name.chars().all(is_plain) && !name.starts_with('.') {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files.insert(0, PathBuf::from(FILE));
    files
}

fn add(credentials: &mut Credentials, path: &Path, report: &Report) -> io::Result<()> {
    let file = fs::File::open(path)?;
    let mode = file.metadata()?.mode();
    let Some(content) = bounded::read(file, FILE_LIMIT)? else {
        let reason = format!("it is larger than {FILE_LIMIT} bytes");
        return Err(io::Error::other(reason));
    };
    if mode & 0o004 != 0 && !content.is_empty() {
        let path = path.display();
        report.warning(format!("{path} has passwords, and every user can read it"));
    }
    let text = String::from_utf8_lossy(&content);
    credentials.add(&path.display().to_string(), &text);
    Ok(())
}

/// The tree's auth.conf, if `keeps` says that the user wants one. Says of each source with a login
/// whether the tree has it.
pub(super) fn tree_file(
    sources: &[Source],
    keeps: bool,
    store: &Store,
    report: &Report,
) -> Option<AptFile> {
    let mut lines: Vec<String> = Vec::new();
    let mut done = Vec::new();
    for source in sources {
        let uri = source.uris.first().map_or("", String::as_str);
        let Some(login) = store.login(uri).filter(|_| !done.contains(&uri)) else {
            continue;
        };
        done.push(uri);
        let shown = store::without_login(uri);
        let line = entry(&shown, &login);
        match line.filter(|_| keeps) {
            Some(line) => {
                report.warning(format!(
                    "the tree has the login for {shown} in /{IN_TREE}: anyone who has the tree can read it"
                ));
                lines.push(line);
            }
            None if keeps => report.warning(format!(
                "the login for {shown} is not written to the tree: auth.conf cannot hold its blanks"
            )),
            None => report.warning(format!(
                "the login for {shown}, with its password, is not written to the tree; \
                 --keep-auth-conf writes it to the tree's auth.conf"
            )),
        }
    }
    if lines.is_empty() {
        return None;
    }
    Some(AptFile {
        path: RootPath::known(IN_TREE),
        content: lines.concat().into_bytes(),
        mode: 0o600, // apt reads it before it gives up root
    })
}

/// A line of auth.conf for a URI without a login. None if a word has a blank.
fn entry(uri: &str, login: &store::Login) -> Option<String> {
    let machine = uri.strip_prefix("https://").unwrap_or(uri);
    let mut line = format!("machine {}", machine.trim_end_matches('/'));
    for (name, value) in [("login", &login.user), ("password", &login.password)] {
        if value.contains(char::is_whitespace) {
            return None;
        }
        if !value.is_empty() {
            let _ = write!(line, " {name} {value}");
        }
    }
    line.push('\n');
    Some(line)
}
