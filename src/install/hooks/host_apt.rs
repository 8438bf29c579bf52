//! The host's apt, for hooks: `APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get install …` installs into the
//! tree, as with mmdebstrap.
//!
//! The configuration is a file outside of the tree, with mmdebstrap's settings. What the tree's own
//! apt.conf.d says comes after it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Error;
use crate::mark::TemporaryDirectory;

/// How the host's apt checks the tree's sources, and where its configuration is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostApt {
    /// A keyring. It need not exist.
    pub(crate) keyring: PathBuf,
    /// A directory of keyrings.
    pub(crate) keyrings: PathBuf,
    /// The directory for temporary files.
    pub(crate) directory: PathBuf,
}

/// The configuration on the host. Dropping it removes it.
#[derive(Debug)]
pub(super) struct AptConfiguration {
    directory: TemporaryDirectory,
}

impl AptConfiguration {
    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("apt.conf")
    }
}

impl HostApt {
    /// Writes the configuration for a tree with these architectures, native first.
    ///
    /// Fails if the file cannot be written, or for a path that no string of apt.conf(5) can have. A
    /// hook must not run without it: its apt would work on the host.
    #[expect(
        clippy::disallowed_methods,
        reason = "a file outside of the tree, in a directory of this run"
    )]
    pub(super) fn write(
        &self,
        root: &Path,
        architectures: &[String],
    ) -> Result<AptConfiguration, Error> {
        let write = || {
            let text = self.text(root, architectures)?;
            let directory = TemporaryDirectory::create(&self.directory)?;
            let configuration = AptConfiguration { directory };
            File::create_new(configuration.path())?.write_all(&text)?;
            Ok(configuration)
        };
        write().map_err(|source| Error::AptConfiguration {
            directory: self.directory.clone(),
            source,
        })
    }

    fn text(&self, root: &Path, architectures: &[String]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        if let Some(native) = architectures.first() {
            writeln!(text, "Apt::Architecture \"{native}\";")?;
        }
        text.extend_from_slice(b"Apt::Architectures {");
        for architecture in architectures {
            write!(text, " \"{architecture}\";")?;
        }
        text.extend_from_slice(b" };\n");
        let status = root.join("var/lib/dpkg/status");
        for (name, path) in [
            ("Dir", root),
            ("DPkg::Chroot-Directory", root),
            ("Dir::State::Status", &status),
            ("Dir::Etc::Trusted", &self.keyring),
            ("Dir::Etc::TrustedParts", &self.keyrings),
        ] {
            add_path(&mut text, name, path.as_os_str())?;
        }
        text.extend_from_slice(
            b"Apt::Install-Recommends \"false\";\nAcquire::Languages \"none\";\n",
        );
        Ok(text)
    }
}

fn add_path(text: &mut Vec<u8>, name: &str, path: &OsStr) -> io::Result<()> {
    if path.as_bytes().iter().any(|byte| b"\"\n".contains(byte)) {
        let message = format!("apt.conf(5) cannot have {}", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    write!(text, "{name} \"")?;
    text.extend_from_slice(path.as_bytes());
    text.extend_from_slice(b"\";\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn host_apt() -> HostApt {
        HostApt {
            keyring: "/keys/one.gpg".into(),
            keyrings: "/keys/more".into(),
            directory: "/nowhere".into(),
        }
    }

    #[test]
    fn the_configuration_is_mmdebstraps() {
        let architectures = ["amd64".to_owned(), "arm64".to_owned()];
        let text = host_apt().text(Path::new("/a tree"), &architectures);
        assert_eq!(
            String::from_utf8(text.unwrap()).unwrap(),
            r#"Apt::Architecture "amd64";
Apt::Architectures { "amd64"; "arm64"; };
Dir "/a tree";
DPkg::Chroot-Directory "/a tree";
Dir::State::Status "/a tree/var/lib/dpkg/status";
Dir::Etc::Trusted "/keys/one.gpg";
Dir::Etc::TrustedParts "/keys/more";
Apt::Install-Recommends "false";
Acquire::Languages "none";
"#
        );
    }

    #[test]
    fn it_goes_with_its_run_and_a_failure_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        let mut host_apt = host_apt();
        let error = host_apt.write(Path::new("/tree"), &[]).unwrap_err();
        assert!(error.to_string().contains("/nowhere"), "{error}");
        assert!(error.hint().unwrap().contains("TMPDIR"));
        host_apt.directory = place.path().to_owned();
        let written = host_apt.write(Path::new("/tree"), &[]).unwrap();
        assert!(written.path().is_file());
        drop(written);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_path_that_would_end_the_string_is_refused() {
        for path in ["/a\"b", "/a\nb"] {
            let refused = host_apt().text(Path::new(path), &[]).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
    }
}
