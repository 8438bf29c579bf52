//! Reads the .debs that the user names by their paths among the packages (`--include ./x.deb`).
//!
//! This comes before any download. Nothing signs such a file: its digest is taken here, and from
//! then on it is fetched, verified and cached like a package of an archive that is at a `file:`
//! URL. A file that changes in between is refused.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::failure::Class;
use crate::formats::compress::Integrity;
use crate::formats::deb::{self, Deb, DebLimits};
use crate::formats::digest::{Algorithm, Digest, Hasher};
use crate::formats::fields::Field;
use crate::formats::package::BadStanza;
use crate::formats::stanza::{Wanted, keep_fields};
use crate::interrupt::Interrupt;
use crate::plan::{self, LocalDeb};
use crate::report::Report;
use crate::store;

/// A local .deb that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A path that is not a .deb's.
    #[error("`{word}` is neither a package nor the path of a .deb")]
    NotADeb { word: String },
    /// A URL, or a package at one.
    #[error("`{word}` is a URL, but packages are only read from files")]
    Url { word: String },
    /// The file does not exist, cannot be read or is not a regular file.
    #[error("cannot read the package {word}")]
    Read {
        word: String,
        #[source]
        source: io::Error,
    },
    /// The file is not a package, or a malformed one.
    #[error("the package {word} is malformed")]
    Deb {
        word: String,
        #[source]
        source: deb::Error,
    },
    /// Its control file lacks a field, or has a malformed one.
    #[error("the package {word} is malformed")]
    Stanza {
        word: String,
        #[source]
        source: BadStanza,
    },
    /// The file was written to while it was read.
    #[error("the package {word} changed while it was read")]
    Changed { word: String },
}

impl Error {
    /// The class that decides the exit code.
    pub(super) fn class(&self) -> Class {
        match self {
            Error::NotADeb { .. } | Error::Url { .. } | Error::Read { .. } => Class::Usage,
            Error::Deb { source, .. } => source.class(),
            Error::Stanza { .. } | Error::Changed { .. } => Class::Trust,
        }
    }

    /// What the user can do about it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Error::NotADeb { .. } => Some(
                "the path of a package has a `/` and ends in .deb; it can have neither a comma nor a \
                 blank"
                    .into(),
            ),
            Error::Url { .. } => Some(
                "download it and name its path, --include ./NAME.deb; --source adds an archive"
                    .into(),
            ),
            Error::Read { .. }
            | Error::Deb { .. }
            | Error::Stanza { .. }
            | Error::Changed { .. } => None,
        }
    }
}

/// Reads the .debs among the user's words, and warns that nothing signs them.
pub(super) fn read(
    words: &[String],
    interrupt: &Interrupt,
    report: &Report,
) -> Result<Vec<LocalDeb>, Error> {
    let mut files: Vec<LocalDeb> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for word in words {
        if is_url(word) {
            return Err(Error::Url {
                word: store::hidden(word),
            });
        }
        if plan::is_path(word) {
            files.push(read_one(word, interrupt)?);
            if !names.contains(&word.as_str()) {
                names.push(word);
            }
        } else if ["/", "./", "../"]
            .iter()
            .any(|start| word.starts_with(start))
        {
            return Err(Error::NotADeb { word: word.clone() });
        }
    }
    if !names.is_empty() {
        let names = names.join(", ");
        report.warning(format!("no signature vouches for local packages: {names}"));
    }
    for file in &files {
        report.detail(format!("the package {} is {}", file.word(), file.url()));
    }
    Ok(files)
}

fn is_url(word: &str) -> bool {
    let is_of_scheme = |c: u8| c.is_ascii_alphanumeric() || b"+-.".contains(&c);
    match word.split_once(":/") {
        Some((scheme, rest)) => {
            let is_scheme = !scheme.is_empty() && scheme.bytes().all(is_of_scheme);
            is_scheme && (rest.starts_with('/') || scheme == "file")
        }
        None => false,
    }
}

fn read_one(word: &str, interrupt: &Interrupt) -> Result<LocalDeb, Error> {
    let unreadable = |source| Error::Read {
        word: word.to_owned(),
        source,
    };
    let path = fs::canonicalize(word).map_err(unreadable)?;
    let file = open(&path).map_err(unreadable)?;
    read_file(word, &path, file, interrupt)
}

/// Reads the .deb at a path. `word` names it in errors.
pub(super) fn read_file(
    word: &str,
    path: &Path,
    mut file: File,
    interrupt: &Interrupt,
) -> Result<LocalDeb, Error> {
    let unreadable = |source| Error::Read {
        word: word.to_owned(),
        source,
    };
    interrupt.check().map_err(unreadable)?;
    let before = file.metadata().map_err(unreadable)?;
    let digest = digest(&mut file).map_err(unreadable)?;
    let again = file.try_clone().map_err(unreadable)?;
    let limits = DebLimits::new(before.len(), 0, interrupt.clone());
    let deb = Deb::open(again, Integrity::Unknown, limits, None);
    let deb = deb.map_err(|source| Error::Deb {
        word: word.to_owned(),
        source,
    })?;
    let after = file.metadata().map_err(unreadable)?;
    if state(&before) != state(&after) {
        return Err(Error::Changed {
            word: word.to_owned(),
        });
    }
    let stanza = stanza(&deb.stanza, path, before.len(), &digest);
    LocalDeb::new(word, stanza).map_err(|source| Error::Stanza {
        word: word.to_owned(),
        source,
    })
}

/// Opens a regular file, without waiting for the writer of a FIFO.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        let reason = "it is not a regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    Ok(file)
}

fn digest(file: &mut File) -> io::Result<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    io::copy(file, &mut hasher)?;
    Ok(hasher.finish())
}

/// Size and change time, one of which changes whenever the content does.
fn state(metadata: &Metadata) -> (u64, i64, i64) {
    (metadata.len(), metadata.ctime(), metadata.ctime_nsec())
}

/// The control file as a stanza of an index, as apt makes one (debDebPkgFileIndex::GetContent).
fn stanza(control: &str, path: &Path, size: u64, digest: &Digest) -> String {
    let what = |field: &[u8]| match Field::of_line(field) {
        Some(Field::Filename | Field::Size | Field::Sha256 | Field::Sha512) => Wanted::No,
        Some(_) | None => Wanted::Name,
    };
    let mut kept = Vec::new();
    // A control file that was read has fields.
    let _ = keep_fields(control.trim_end().as_bytes(), what, &mut kept);
    let kept = String::from_utf8_lossy(&kept);
    format!(
        "{}\nFilename: {}\nSize: {size}\n{}: {}\n",
        kept.trim_end(),
        store::file_url(path),
        digest.algorithm().field(),
        digest.hexadecimal()
    )
}
