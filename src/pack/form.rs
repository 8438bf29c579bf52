//! What a tree is written as: the form, its compression, and where it goes.
//!
//! [`from_target`] is the one place that reads the ending of a name. A new ending is a new row of
//! [`ENDINGS`]; a new form is a variant of [`Form`] besides, and the compiler then points to the
//! places that must handle it.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::oci;
use super::tool::FileSystem;
use crate::formats::compress::{Compression, Encoding};
use crate::formats::key::KeyHasher;

/// What the ending of a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The tree itself.
    Directory,
    /// A tar archive of the tree.
    Tar(Compression),
    /// A tar archive of an OCI image layout.
    OciArchive,
    /// A file system that a program of the host makes.
    FileSystem(FileSystem),
}

/// An image to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) content: Content,
    /// Of the tar, or of the layer of an OCI image.
    pub(crate) encoding: Encoding,
}

/// What is in an image, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The tree as a tar archive.
    Tar(Sink),
    /// The tree as a file system.
    FileSystem { kind: FileSystem, path: PathBuf },
    /// An OCI image whose layer is that tar.
    Oci {
        layout: Layout,
        settings: Box<oci::Settings>,
    },
}

/// The forms of an OCI image layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A tar archive.
    Archive(Sink),
    Directory(PathBuf),
}

/// Where an archive goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    Stdout,
    File(PathBuf),
}

/// The endings of output files. A longer one stands before one that it ends with.
pub(crate) const ENDINGS: [(&str, Form); 11] = [
    (".oci.tar", Form::OciArchive),
    (".tar", Form::Tar(Compression::None)),
    (".tar.gz", Form::Tar(Compression::Gzip)),
    (".tgz", Form::Tar(Compression::Gzip)),
    (".tar.xz", Form::Tar(Compression::Xz)),
    (".txz", Form::Tar(Compression::Xz)),
    (".tar.zst", Form::Tar(Compression::Zstd)),
    (".squashfs", Form::FileSystem(FileSystem::Squashfs)),
    (".sqfs", Form::FileSystem(FileSystem::Squashfs)),
    (".ext2", Form::FileSystem(FileSystem::Ext2)),
    (".ext4", Form::FileSystem(FileSystem::Ext4)),
];

/// Extensions of archives, of compressed files and of images that are not written. They are never
/// meant as the name of a directory.
const FILE_EXTENSIONS: [&str; 47] = [
    "7z", "ar", "br", "btrfs", "bz2", "cpio", "deb", "dmg", "erofs", "ext2", "ext3", "ext4", "gz",
    "img", "iso", "lz", "lz4", "lzma", "lzo", "oci", "qcow", "qcow2", "rar", "raw", "rpm", "sfs",
    "sif", "snap", "sqfs", "squashfs", "tar", "tbz", "tbz2", "tgz", "tlz", "txz", "tz2", "tzst",
    "vdi", "vhd", "vhdx", "vmdk", "wim", "xz", "z", "zip", "zst",
];

/// A name that looks like a file of a form that is not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}`: no image is written with the ending {ending}", target.display())]
pub(crate) struct UnknownEnding {
    pub(crate) target: PathBuf,
    /// With its dot.
    pub(crate) ending: String,
}

impl UnknownEnding {
    /// What the user can do about it; `otherwise` is what takes any name.
    pub(crate) fn hint(&self, otherwise: Option<&str>) -> String {
        let known = ENDINGS.map(|(ending, _)| ending).join(", ");
        match otherwise {
            Some(way) => format!("the endings are {known}; {way}"),
            None => format!("the endings are {known}"),
        }
    }
}

/// The form of a target, by the ending of its name. A name without the extension of a file, or with
/// a slash at its end, is a directory.
pub(crate) fn from_target(target: &Path) -> Result<Form, UnknownEnding> {
    let name = target.as_os_str().as_bytes();
    if let Some(ending) = unknown_ending(target) {
        return Err(UnknownEnding {
            target: target.to_owned(),
            ending,
        });
    }
    for (ending, form) in ENDINGS {
        if name.ends_with(ending.as_bytes()) {
            return Ok(form);
        }
    }
    Ok(Form::Directory)
}

/// The ending of a file that is not written: `.img`, `.tar.lz4`, `.oci.tar.gz`.
fn unknown_ending(target: &Path) -> Option<String> {
    let bytes = target.as_os_str().as_bytes();
    if bytes.ends_with(b"/") {
        return None;
    }
    let name = target.file_name()?.to_string_lossy();
    for inner in [".oci.tar.", ".tar."] {
        if let Some(at) = name.to_ascii_lowercase().rfind(inner) {
            let ending = &name[at..];
            return (!is_known(ending)).then(|| ending.to_owned());
        }
    }
    let (stem, extension) = name.rsplit_once('.')?;
    let ending = format!(".{extension}");
    let is_file = FILE_EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str());
    (!stem.is_empty() && is_file && !is_known(&ending)).then_some(ending)
}

fn is_known(ending: &str) -> bool {
    ENDINGS.iter().any(|(known, _)| *known == ending)
}

impl Image {
    /// Adds all that decides the bytes of the image besides its tree and its name.
    pub(crate) fn add_to_key(&self, key: &mut KeyHasher) {
        let Image { content, encoding } = self;
        key.text(&encoding.to_string());
        match content {
            Content::Tar(_) => key.text("tar"),
            Content::FileSystem { kind, path: _ } => key.text(kind.name()),
            Content::Oci { layout, settings } => {
                key.text(match layout {
                    Layout::Archive(_) => "oci archive",
                    Layout::Directory(_) => "oci directory",
                });
                settings.add_to_key(key);
            }
        }
    }

    /// The name of an OCI image.
    pub(crate) fn reference(&self) -> Option<&oci::Reference> {
        match &self.content {
            Content::Oci { settings, .. } => settings.tag.as_ref(),
            Content::Tar(_) | Content::FileSystem { .. } => None,
        }
    }

    /// The image with one more annotation, if it is an OCI image.
    pub(crate) fn with_annotation(&self, key: &str, value: &str) -> Image {
        let mut image = self.clone();
        if let Content::Oci { settings, .. } = &mut image.content {
            settings
                .annotations
                .insert(key.to_owned(), value.to_owned());
        }
        image
    }

    /// `--format`'s name of what it is.
    pub(crate) fn format(&self) -> &'static str {
        match &self.content {
            Content::Tar(_) => "tar",
            Content::FileSystem { kind, .. } => kind.name(),
            Content::Oci { .. } => "oci",
        }
    }

    pub(crate) fn is_oci(&self) -> bool {
        matches!(self.content, Content::Oci { .. })
    }

    /// The file or the directory that is written.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.content {
            Content::Tar(Sink::File(path)) => Some(path),
            Content::Tar(Sink::Stdout) => None,
            Content::FileSystem { path, .. } => Some(path),
            Content::Oci { layout, .. } => layout.path(),
        }
    }
}

impl Layout {
    /// The file or the directory that is written.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Layout::Archive(Sink::Stdout) => None,
            Layout::Archive(Sink::File(path)) | Layout::Directory(path) => Some(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::compress::encoder;

    fn form(name: &str) -> Result<Form, String> {
        from_target(Path::new(name)).map_err(|unknown| unknown.ending)
    }

    #[test]
    fn every_ending_has_an_encoder() {
        for (ending, expected) in ENDINGS {
            assert_eq!(form(&format!("a{ending}")), Ok(expected));
            if let Form::Tar(compression) = expected
                && let Err(error) = encoder(compression, Vec::new(), 1)
            {
                panic!("{ending}: {error}");
            }
        }
    }

    #[test]
    fn endings_name_forms() {
        let tar = |compression| Ok(Form::Tar(compression));
        let directory = Ok(Form::Directory);
        let unknown = |ending: &str| Err(ending.to_owned());
        let rows = [
            ("noble", directory.clone()),
            ("./a/noble.tar", tar(Compression::None)),
            ("noble.tar.gz", tar(Compression::Gzip)),
            ("noble.tgz", tar(Compression::Gzip)),
            ("noble.tar.xz", tar(Compression::Xz)),
            ("noble.txz", tar(Compression::Xz)),
            ("noble.tar.zst", tar(Compression::Zstd)),
            ("a.b/noble.oci.tar", Ok(Form::OciArchive)),
            ("noble.tar/", directory.clone()),
            ("noble.img/", directory.clone()),
            ("tar", directory.clone()),
            (".img", directory.clone()),
            ("noble.img/root", directory.clone()),
            // Names of directories, with dots.
            ("/tmp/tmp.sbuild.AbCdEf1234", directory.clone()),
            ("debian-12.5", directory.clone()),
            ("root.d", directory.clone()),
            ("www.example.com", directory.clone()),
            ("noble.new", directory.clone()),
            ("..", directory),
            // Names of files.
            ("noble.gz", unknown(".gz")),
            ("x.img", unknown(".img")),
            ("x.IMG", unknown(".IMG")),
            ("x.TAR", unknown(".TAR")),
            ("x.tar.lz4", unknown(".tar.lz4")),
            ("x.tar.bz2", unknown(".tar.bz2")),
            ("x.tar.gz.part", unknown(".tar.gz.part")),
            ("x.tar.zstd", unknown(".tar.zstd")),
            ("x.tzst", unknown(".tzst")),
            ("x.oci.tar.gz", unknown(".oci.tar.gz")),
            ("x.oci", unknown(".oci")),
            ("x.qcow2", unknown(".qcow2")),
            ("x.squashfs", Ok(Form::FileSystem(FileSystem::Squashfs))),
            ("x.ext4", Ok(Form::FileSystem(FileSystem::Ext4))),
            ("x.ext3", unknown(".ext3")),
            ("x.iso", unknown(".iso")),
        ];
        for (name, expected) in rows {
            assert_eq!(form(name), expected, "{name}");
        }
    }

    #[test]
    fn the_hint_lists_the_endings() {
        let unknown = from_target(Path::new("x.tar.lz4")).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "`x.tar.lz4`: no image is written with the ending .tar.lz4"
        );
        for (ending, _) in ENDINGS {
            assert!(unknown.hint(None).contains(ending), "{ending}");
        }
    }
}
