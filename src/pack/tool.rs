//! Writes squashfs, ext2 and ext4 images, with a program of the host.
//!
//! The program reads the tar from a pipe and writes to the temporary file of the image, so no tar
//! is stored. [`TOOLS`] lists the programs. Whether one is installed and can read a tar is tried
//! before anything is downloaded.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags};

use super::output::OutputFile;
use super::place::Place;
use super::{Error, Options, listing, tar};
use crate::formats::digest::{Algorithm, digest};
use crate::interrupt::child::Running;
use crate::interrupt::stream::Interruptible;
use crate::report::Report;
use crate::tree::readable::ReadableTree;

/// A file system in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileSystem {
    Squashfs,
    Ext2,
    Ext4,
}

/// A program that makes a file system of a tar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tool {
    makes: FileSystem,
    program: &'static str,
    /// Debian's package.
    package: &'static str,
}

/// In the order in which they are tried.
const TOOLS: [Tool; 4] = [
    Tool {
        makes: FileSystem::Squashfs,
        program: "tar2sqfs",
        package: "squashfs-tools-ng",
    },
    Tool {
        makes: FileSystem::Squashfs,
        program: "sqfstar",
        package: "squashfs-tools",
    },
    Tool {
        makes: FileSystem::Ext2,
        program: "genext2fs",
        package: "genext2fs",
    },
    Tool {
        makes: FileSystem::Ext4,
        program: "mke2fs",
        package: "e2fsprogs 1.47.1 or newer, with libarchive13",
    },
];

/// The block size of squashfs images, in bytes.
const SQUASHFS_BLOCK: &str = "1048576";
/// The size of a trial of ext2 and ext4, in blocks.
const TRIAL_BLOCKS: u64 = 16384;
/// The image, which programs have as their standard output. By a descriptor of this process they
/// could open it only with CAP_SYS_PTRACE where this process is not dumpable.
const IMAGE: &str = "/proc/self/fd/1";
/// The end of an archive with nothing in it.
const EMPTY_TAR: [u8; 10_240] = [0; 10_240];

/// How large a file system has to be.
struct ImageSize {
    /// In bytes.
    bytes: u64,
    inodes: u64,
}

impl FileSystem {
    pub(crate) fn name(self) -> &'static str {
        match self {
            FileSystem::Squashfs => "squashfs",
            FileSystem::Ext2 => "ext2",
            FileSystem::Ext4 => "ext4",
        }
    }

    fn block_size(self) -> u64 {
        match self {
            FileSystem::Ext2 => 1024,
            FileSystem::Squashfs | FileSystem::Ext4 => 4096,
        }
    }

    /// Fails if no program of the host makes such images of a tar.
    pub(super) fn require_tool(self) -> Result<(), Error> {
        self.tool().map(|_| ())
    }

    /// The program that makes them, which is tried once.
    fn tool(self) -> Result<Tool, Error> {
        static FOUND: [OnceLock<Tool>; 3] = [const { OnceLock::new() }; 3];
        let found = &FOUND[self as usize];
        match found.get() {
            Some(tool) => Ok(*tool),
            None => {
                let tool = self.find_tool()?;
                Ok(*found.get_or_init(|| tool))
            }
        }
    }

    fn find_tool(self) -> Result<Tool, Error> {
        let mut wanted = Vec::new();
        for tool in TOOLS {
            if tool.makes != self {
                continue;
            }
            if tool.works() {
                return Ok(tool);
            }
            wanted.push(format!("{} ({})", tool.program, tool.package));
        }
        Err(Error::NoTool {
            what: self.name(),
            programs: wanted.join(" or "),
        })
    }
}

impl Tool {
    /// Whether the program is there and can make an image of an archive with nothing in it.
    fn works(self) -> bool {
        let Ok(trial) = tempfile::tempfile() else {
            return false;
        };
        let extent = ImageSize {
            bytes: TRIAL_BLOCKS * self.makes.block_size(),
            inodes: 64,
        };
        let Ok(mut command) = self.command(&trial, &extent, 0) else {
            return false;
        };
        command.stderr(Stdio::null());
        let Ok(mut child) = command.stdin(Stdio::piped()).spawn() else {
            return false;
        };
        if let Some(mut input) = child.stdin.take() {
            // A program that does not read ends with an error.
            let _ = input.write_all(&EMPTY_TAR);
        }
        child.wait().is_ok_and(|status| status.success())
    }

    fn command(self, image: &File, extent: &ImageSize, epoch: i64) -> io::Result<Command> {
        let mut command = Command::new(self.program);
        command.stdout(unwritable(image)?);
        let epoch_text = epoch.to_string();
        command.env("SOURCE_DATE_EPOCH", &epoch_text);
        let blocks = extent.bytes.div_ceil(self.makes.block_size()).to_string();
        let inodes = extent.inodes.to_string();
        match self.program {
            "tar2sqfs" => {
                command.args(["--quiet", "--no-skip", "--force", "--exportable"]);
                command.args(["--compressor", "xz", "--block-size", SQUASHFS_BLOCK]);
                command.arg(IMAGE);
            }
            "sqfstar" => {
                command.args([
                    "-quiet",
                    "-no-progress",
                    "-comp",
                    "xz",
                    "-b",
                    SQUASHFS_BLOCK,
                ]);
                // The times come from SOURCE_DATE_EPOCH.
                command.args(["-reproducible", "-force"]);
                command.arg(IMAGE);
            }
            "genext2fs" => {
                command.args(["-B", "1024", "-b", &blocks, "-N", &inodes, "-f", "-a", "-"]);
                command.arg(IMAGE);
            }
            _ => {
                let id = identifier(epoch);
                command.args(["-q", "-F", "-o", "Linux", "-T", "ext4", "-b", "4096"]);
                command.args(["-N", &inodes, "-U", &id, "-E"]);
                command.arg(format!("hash_seed={id}"));
                command.args(["-d", "-", IMAGE]).arg(&blocks);
            }
        }
        Ok(command)
    }
}

/// A descriptor by which a program can open a file, and cannot write messages into it.
fn unwritable(file: &File) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::open(
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// Writes a tree as a file system, still without its name.
pub(super) fn write(
    root: ReadableTree<'_>,
    place: Place,
    makes: FileSystem,
    options: &Options,
    report: &Report,
) -> Result<OutputFile, Error> {
    let tool = makes.tool()?;
    let output = OutputFile::create(place, root.directory())?;
    let Some(image) = output.regular() else {
        return Err(Error::NoFile {
            path: output.path().to_owned(),
            what: makes.name(),
        });
    };
    let extent = extent(root, makes, options, report)?;
    let epoch = options.epoch.unwrap_or_default();
    let failed_to_start = |source| Error::Start {
        program: tool.program,
        source,
    };
    let command = tool.command(image, &extent, epoch);
    let mut command = command.map_err(failed_to_start)?;
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let running = Running::start(&mut command, &options.interrupt);
    let mut running = running.map_err(failed_to_start)?;
    let messages = running.hear();
    let written = match running.take_stdin() {
        Some(input) => Interruptible::new(input, &options.interrupt)
            .map_err(|source| Error::Write { source })
            .and_then(|input| tar(root, input, options, report).map(drop)),
        None => Ok(()),
    };
    match written {
        // A program that fails closes its pipe.
        Err(Error::Write { source }) if source.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    let status = running.wait().map_err(|source| Error::Write { source })?;
    match status.success() {
        true => Ok(output),
        false => Err(Error::Tool {
            program: tool.program,
            status,
            said: String::from_utf8_lossy(&messages.last()).trim().to_owned(),
        }),
    }
}

/// How large a file system of the tree has to be, to be about nine tenths full.
fn extent(
    root: ReadableTree<'_>,
    makes: FileSystem,
    options: &Options,
    report: &Report,
) -> Result<ImageSize, Error> {
    let block = makes.block_size();
    let mut inodes: u64 = 0;
    let mut blocks: u64 = 0;
    for entry in listing::list_until(root, &options.interrupt, report)? {
        if entry.link_to.is_none() {
            inodes += 1;
            // Each large file has a block with the places of others.
            let content = entry.content_size().div_ceil(block);
            blocks += content + content / 250 + 1;
        }
    }
    let inodes = inodes + inodes / 10 + 64;
    // Tables, bitmaps and, in ext4, the journal.
    let tables = inodes * 256 / block + blocks / 100;
    let journal = match makes {
        FileSystem::Ext4 => journal(blocks),
        FileSystem::Ext2 | FileSystem::Squashfs => 256,
    };
    let bytes = (blocks + tables + journal) * block * 10 / 9;
    Ok(ImageSize { bytes, inodes })
}

/// The journal that mke2fs makes in a file system of this many blocks of 4 KiB
/// (ext2fs_default_journal_size).
fn journal(blocks: u64) -> u64 {
    match blocks {
        0..28_000 => 1024,
        28_000..220_000 => 4096,
        220_000..440_000 => 8192,
        440_000..3_500_000 => 16_384,
        _ => 32_768,
    }
}

/// The identity of an ext4 file system that is made at this time: the form of a UUID of version 5.
fn identifier(epoch: i64) -> String {
    let digest = digest(
        Algorithm::Sha256,
        format!("rbootstrap ext4 {epoch}").as_bytes(),
    )
    .hexadecimal();
    format!(
        "{}-{}-5{}-8{}-{}",
        &digest[..8],
        &digest[8..12],
        &digest[13..16],
        &digest[17..20],
        &digest[20..32]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_the_form_of_a_uuid() {
        let one = identifier(1_700_000_000);
        let parts: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(one, identifier(1_700_000_000));
        assert_ne!(one, identifier(1));
    }

    #[test]
    fn a_tool_that_is_not_there_is_named() {
        let absent = Tool {
            makes: FileSystem::Squashfs,
            program: "rbootstrap-no-such-tool",
            package: "none",
        };
        assert!(!absent.works());
    }
}
