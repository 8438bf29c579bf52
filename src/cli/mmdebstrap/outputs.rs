//! The output that mmdebstrap's TARGET and --format select.

use std::io::{self, IsTerminal};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::arguments::FormatWord;
use crate::formats::compress::{Compression, Encoding};
use crate::pack::{Content, FileSystem, Image, Sink};

/// The endings of compressed tars.
const COMPRESSED: [(&str, Compression); 6] = [
    (".gz", Compression::Gzip),
    (".tgz", Compression::Gzip),
    (".taz", Compression::Gzip),
    (".xz", Compression::Xz),
    (".txz", Compression::Xz),
    (".zst", Compression::Zstd),
];

/// The endings of tars that mmdebstrap compresses with other programs.
const ELSEWHERE: [&str; 11] = [
    ".Z", ".taZ", ".bz2", ".tbz", ".tbz2", ".tz2", ".lz", ".lzma", ".tlz", ".lzo", ".lz4",
];

/// What a run writes.
#[derive(Debug, Default)]
pub(super) struct TargetWord {
    pub(super) format: FormatWord,
    pub(super) directory: Option<PathBuf>,
    pub(super) image: Option<Image>,
}

impl TargetWord {
    /// Decides as mmdebstrap does.
    pub(super) fn decide(target: Option<&Path>, format: FormatWord) -> Result<TargetWord, String> {
        let stdout = Path::new("-");
        let path = target.unwrap_or(stdout);
        let format = match format {
            FormatWord::Auto => automatic(path),
            given => given,
        };
        if path == stdout && !matches!(format, FormatWord::Tar | FormatWord::Null) {
            let name = format.name();
            return Err(format!("the {name} format is unable to write to stdout"));
        }
        if path == Path::new("/") {
            return Err("refusing to use the filesystem root as output directory".into());
        }
        if path != stdout {
            require_parent(path)?;
        } else if io::stdout().is_terminal() && format != FormatWord::Null {
            return Err("stdout is an interactive tty".into());
        }
        let mut decided = TargetWord {
            format,
            ..TargetWord::default()
        };
        match format {
            FormatWord::Directory | FormatWord::Auto => decided.directory = Some(path.to_owned()),
            FormatWord::Null => {}
            FormatWord::Tar => decided.image = Some(tar(path)?),
            FormatWord::Squashfs => decided.image = Some(file_system(path, FileSystem::Squashfs)?),
            FormatWord::Ext2 => decided.image = Some(file_system(path, FileSystem::Ext2)?),
            FormatWord::Ext4 => decided.image = Some(file_system(path, FileSystem::Ext4)?),
        }
        Ok(decided)
    }
}

impl FormatWord {
    /// mmdebstrap's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            FormatWord::Auto => "auto",
            FormatWord::Directory => "directory",
            FormatWord::Tar => "tar",
            FormatWord::Squashfs => "squashfs",
            FormatWord::Ext2 => "ext2",
            FormatWord::Ext4 => "ext4",
            FormatWord::Null => "null",
        }
    }
}

fn automatic(path: &Path) -> FormatWord {
    let name = path.to_string_lossy();
    let is_stdout = name == "-";
    let special = path.metadata().ok();
    let is_special = |found: &std::fs::Metadata| {
        found.file_type().is_fifo() || found.file_type().is_char_device()
    };
    let mut compressed = COMPRESSED
        .iter()
        .map(|(ending, _)| *ending)
        .chain(ELSEWHERE);
    if is_stdout && is_null(&io::stdout()) || !is_stdout && name == "/dev/null" {
        FormatWord::Null
    } else if !is_stdout && path.is_dir() {
        FormatWord::Directory
    } else if is_stdout
        || name.ends_with(".tar")
        || compressed.any(|ending| name.ends_with(ending))
        || special.as_ref().is_some_and(is_special)
    {
        FormatWord::Tar
    } else if name.ends_with(".squashfs") || name.ends_with(".sqfs") {
        FormatWord::Squashfs
    } else if name.ends_with(".ext2") {
        FormatWord::Ext2
    } else if name.ends_with(".ext4") {
        FormatWord::Ext4
    } else {
        FormatWord::Directory
    }
}

/// Whether standard output is /dev/null.
fn is_null(stdout: &io::Stdout) -> bool {
    let null = std::fs::metadata("/dev/null");
    match (rustix::fs::fstat(stdout), null) {
        (Ok(found), Ok(null)) => found.st_rdev == null.rdev() && found.st_rdev != 0,
        _ => false,
    }
}

fn require_parent(path: &Path) -> Result<(), String> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => return Ok(()),
    };
    let shown = path.display();
    if !parent.exists() {
        return Err(format!("path leading to {shown} does not exist"));
    }
    match parent.is_dir() {
        true => Ok(()),
        false => Err(format!("parent of {shown} is not a directory")),
    }
}

fn file_system(path: &Path, kind: FileSystem) -> Result<Image, String> {
    Ok(Image {
        content: Content::FileSystem {
            kind,
            path: path.to_owned(),
        },
        encoding: Encoding::new(Compression::None, None).map_err(|error| error.to_string())?,
    })
}

fn tar(path: &Path) -> Result<Image, String> {
    let name = path.to_string_lossy();
    if let Some(ending) = ELSEWHERE.iter().find(|ending| name.ends_with(**ending)) {
        return Err(format!(
            "{ending} is not supported: use .gz, .xz or .zst, or pipe the tar into a program"
        ));
    }
    let mut compression = Compression::None;
    for (ending, of_ending) in COMPRESSED {
        if name.ends_with(ending) {
            compression = of_ending;
        }
    }
    let sink = match path == Path::new("-") {
        true => Sink::Stdout,
        false => Sink::File(path.to_owned()),
    };
    Ok(Image {
        content: Content::Tar(sink),
        encoding: Encoding::new(compression, None).map_err(|error| error.to_string())?,
    })
}
