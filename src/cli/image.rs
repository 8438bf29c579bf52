//! Options of images: the form, the compression, what an OCI image says about itself.
//!
//! `rbootstrap SUITE` and `rbootstrap pack` have the same. [`ImageArgs::image`] decides what an
//! output is, from its name and from `--format`.

use std::io::{self, IsTerminal};
use std::path::Path;

use clap::{Args, ValueEnum};

use super::error::Error;
use crate::formats::compress::{Compression, Encoding};
use crate::pack::oci::{self, CommandWords, Pair, Reference, Settings};
use crate::pack::{self, Content, FileSystem, Form, Image, Layout, Sink};
use crate::run::UnnamedImage;

/// The standard output, as a target.
const STDOUT: &str = "-";

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Image")]
pub(super) struct ImageArgs {
    /// Compress with gz or zstd
    ///
    /// The layer of an OCI image [default: gz], or a tar whose name has no ending.
    #[arg(long, value_name = "HOW", hide_possible_values = true)]
    compress: Option<CompressName>,

    /// Set the level of the compression
    ///
    /// 1 to 9 for gz [default: 6], 0 to 9 for xz [6], 1 to 19 for zstd [9].
    #[arg(long, value_name = "N")]
    compress_level: Option<u8>,

    #[command(flatten)]
    oci: OciArgs,
}

/// What only OCI images have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "OCI image")]
struct OciArgs {
    /// Name the image
    ///
    /// As docker does: noble is docker.io/library/noble:latest.
    #[arg(long, value_name = "NAME[:TAG]", value_parser = Reference::parse)]
    tag: Option<Reference>,

    /// Add a label to the image's configuration
    ///
    /// May be given more than once. The image has labels and annotations of its own:
    /// org.opencontainers.image.created, .title, .version and .url, the last three from the tree's
    /// os-release.
    #[arg(long, value_name = "KEY=VALUE", value_parser = Pair::parse)]
    label: Vec<Pair>,

    /// Add an annotation to the image's manifest
    ///
    /// May be given more than once.
    #[arg(long, value_name = "KEY=VALUE", value_parser = Pair::parse)]
    annotation: Vec<Pair>,

    /// Set the command [default: the tree's shell]
    ///
    /// Words with blanks between them, or a list: '["bash", "-l"]'. An empty value is no command.
    #[arg(long, value_name = "WORDS", value_parser = CommandWords::parse, allow_hyphen_values = true)]
    cmd: Option<CommandWords>,

    /// Set the entry point, as --cmd
    #[arg(long, value_name = "WORDS", value_parser = CommandWords::parse)]
    entrypoint: Option<CommandWords>,

    /// Set a variable of the environment
    ///
    /// May be given more than once. PATH is set unless it is given.
    #[arg(long, value_name = "NAME=VALUE", value_parser = Pair::variable)]
    env: Vec<Pair>,

    /// Set the user of the command, and the group [default: root]
    #[arg(long, value_name = "USER[:GROUP]", value_parser = oci::user)]
    user: Option<String>,

    /// Set the working directory of the command [default: /]
    #[arg(long, value_name = "PATH", value_parser = oci::absolute)]
    workdir: Option<String>,

    /// Attest what is in the image
    ///
    /// The image becomes an index with an in-toto statement beside it, whose predicate is the SPDX
    /// document of --sbom, as BuildKit writes it.
    #[arg(long)]
    attest: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CompressName {
    #[value(alias = "gzip")]
    Gz,
    #[value(alias = "zst")]
    Zstd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatName {
    Dir,
    Tar,
    Oci,
    #[value(alias = "sqfs")]
    Squashfs,
    Ext2,
    Ext4,
}

impl ImageArgs {
    /// What an output is: an image, or `None` for a directory with the tree.
    pub(super) fn image(
        &self,
        output: &Path,
        format: Option<FormatName>,
    ) -> Result<Option<Image>, Error> {
        let is_stdout = output == Path::new(STDOUT);
        let form = match format {
            Some(FormatName::Dir) => Form::Directory,
            Some(FormatName::Tar) => Form::Tar(ending_compression(output)),
            Some(FormatName::Oci) => return Ok(Some(self.oci_image(output)?)),
            Some(FormatName::Squashfs) => Form::FileSystem(FileSystem::Squashfs),
            Some(FormatName::Ext2) => Form::FileSystem(FileSystem::Ext2),
            Some(FormatName::Ext4) => Form::FileSystem(FileSystem::Ext4),
            None if is_stdout => Form::Tar(Compression::None),
            None => pack::from_target(output)?,
        };
        match form {
            Form::Directory => Ok(None),
            Form::OciArchive => Ok(Some(self.oci_image(output)?)),
            Form::Tar(compression) => Ok(Some(self.tar(output, compression)?)),
            Form::FileSystem(kind) => Ok(Some(self.file_system(output, kind)?)),
        }
    }

    /// The OCI image that only registries get.
    pub(super) fn unnamed(&self) -> Result<UnnamedImage, Error> {
        Ok(UnnamedImage {
            settings: Box::new(self.oci.settings()),
            encoding: self.layer_encoding()?,
        })
    }

    /// Fails for an option of images, because the output is the directory of a tree.
    pub(super) fn refuse_without_image(&self, output: &Path) -> Result<(), Error> {
        refuse(self.first(), output, "a directory")
    }

    /// The first option of tars and OCI images that is given.
    fn first(&self) -> Option<&'static str> {
        match (self.compress, self.compress_level) {
            (Some(_), _) => Some("--compress"),
            (None, Some(_)) => Some("--compress-level"),
            (None, None) => self.oci.first(),
        }
    }

    fn file_system(&self, output: &Path, kind: FileSystem) -> Result<Image, Error> {
        refuse(self.first(), output, "a file system")?;
        if output == Path::new(STDOUT) {
            return Err(Error::FileSystemToStdout { kind: kind.name() });
        }
        Ok(Image {
            content: Content::FileSystem {
                kind,
                path: output.to_owned(),
            },
            encoding: self.encoding(Compression::None)?,
        })
    }

    fn tar(&self, output: &Path, ending: Compression) -> Result<Image, Error> {
        let is = match output == Path::new(STDOUT) {
            true => "a tar unless --format oci is given",
            false => "a tar",
        };
        refuse(self.oci.first(), output, is)?;
        let mut compression = ending;
        if let Some(name) = self.compress {
            compression = name.compression();
            let is_named = pack::from_target(output) == Ok(Form::Tar(ending));
            if is_named && compression != ending {
                refuse(Some("--compress"), output, "compressed as its ending says")?;
            }
        }
        Ok(Image {
            content: Content::Tar(sink(output)?),
            encoding: self.encoding(compression)?,
        })
    }

    /// An OCI image: an archive on standard output and for names of archives, otherwise a
    /// directory.
    fn oci_image(&self, output: &Path) -> Result<Image, Error> {
        let is_archive = output == Path::new(STDOUT)
            || output.extension() == Some("tar".as_ref())
            || is_special(output);
        let layout = match is_archive {
            true => Layout::Archive(sink(output)?),
            false => match pack::from_target(output)? {
                Form::Directory => Layout::Directory(output.to_owned()),
                Form::Tar(_) | Form::OciArchive | Form::FileSystem(_) => {
                    return Err(Error::CompressedLayout {
                        output: output.to_owned(),
                    });
                }
            },
        };
        Ok(Image {
            content: Content::Oci {
                layout,
                settings: Box::new(self.oci.settings()),
            },
            encoding: self.layer_encoding()?,
        })
    }

    fn layer_encoding(&self) -> Result<Encoding, Error> {
        let compression = self.compress.map(CompressName::compression);
        self.encoding(compression.unwrap_or(Compression::Gzip))
    }

    fn encoding(&self, compression: Compression) -> Result<Encoding, Error> {
        Ok(Encoding::new(compression, self.compress_level)?)
    }
}

impl OciArgs {
    /// The first option that is given.
    fn first(&self) -> Option<&'static str> {
        let given = [
            (self.tag.is_some(), "--tag"),
            (!self.label.is_empty(), "--label"),
            (!self.annotation.is_empty(), "--annotation"),
            (self.cmd.is_some(), "--cmd"),
            (self.entrypoint.is_some(), "--entrypoint"),
            (!self.env.is_empty(), "--env"),
            (self.user.is_some(), "--user"),
            (self.workdir.is_some(), "--workdir"),
            (self.attest, "--attest"),
        ];
        let found = given.into_iter().find(|(is_given, _)| *is_given);
        found.map(|(_, option)| option)
    }

    fn settings(&self) -> Settings {
        Settings {
            tag: self.tag.clone(),
            architecture: None,
            labels: oci::map(self.label.clone()),
            annotations: oci::map(self.annotation.clone()),
            command: self.cmd.clone(),
            entrypoint: self.entrypoint.clone(),
            environment: oci::map(self.env.clone()),
            user: self.user.clone(),
            directory: self.workdir.clone(),
            attest: self.attest,
        }
    }
}

impl CompressName {
    fn compression(self) -> Compression {
        match self {
            CompressName::Gz => Compression::Gzip,
            CompressName::Zstd => Compression::Zstd,
        }
    }
}

/// The compression of a tar by its ending; none for any other name.
fn ending_compression(output: &Path) -> Compression {
    match pack::from_target(output) {
        Ok(Form::Tar(compression)) => compression,
        Ok(Form::Directory | Form::OciArchive | Form::FileSystem(_)) | Err(_) => Compression::None,
    }
}

/// Whether an output is a FIFO or a device, such as /dev/stdout.
fn is_special(output: &Path) -> bool {
    match output.metadata() {
        Ok(found) => !found.is_file() && !found.is_dir(),
        Err(_) => false,
    }
}

/// Where an archive goes: to standard output for `-`.
fn sink(output: &Path) -> Result<Sink, Error> {
    if output != Path::new(STDOUT) {
        return Ok(Sink::File(output.to_owned()));
    }
    match io::stdout().is_terminal() {
        true => Err(Error::TarToTerminal),
        false => Ok(Sink::Stdout),
    }
}

/// Fails if an option is given that the output cannot have.
fn refuse(option: Option<&'static str>, output: &Path, is: &'static str) -> Result<(), Error> {
    match option {
        None => Ok(()),
        Some(option) => Err(Error::NotOfImage {
            option,
            output: output.to_owned(),
            is,
        }),
    }
}
