//! Words that debootstrap refuses, and those that are not supported, with what to do instead.

use std::fs;
use std::path::Path;

use super::DebootstrapArgs;

impl DebootstrapArgs {
    /// Checks the options, before SUITE and TARGET are looked at.
    pub(super) fn check_options(&self) -> Result<(), String> {
        self.check_task()?;
        self.refuse()?;
        self.check_tarball()?;
        self.check_extractor()
    }

    /// Whether debootstrap removes the target after the run.
    pub(super) fn wipes_target(&self) -> bool {
        (self.print_debs || self.make_tarball.is_some()) && !self.keep_debootstrap_dir
    }

    /// Refuses a target with files that debootstrap would remove.
    pub(super) fn check_wiped(&self, target: &Path) -> Result<(), String> {
        let mut entries = fs::read_dir(target).into_iter().flatten();
        if self.wipes_target() && entries.next().is_some() {
            let shown = target.display();
            return Err(format!(
                "Target directory '{shown}' is not empty and it would be wiped"
            ));
        }
        Ok(())
    }

    /// Refuses two options that each say what is to be done. A tarball can be unpacked by a first
    /// stage.
    fn check_task(&self) -> Result<(), String> {
        let tasks = [
            ("--second-stage", self.second_stage),
            ("--print-debs", self.print_debs),
            ("--download-only", self.download_only),
            ("--make-tarball", self.make_tarball.is_some()),
            ("--foreign", self.foreign),
            ("--unpack-tarball", self.unpack_tarball.is_some()),
        ];
        let mut given = tasks.iter().filter(|(_, is_given)| *is_given);
        match (given.next(), given.next()) {
            (Some(("--foreign", _)), Some(("--unpack-tarball", _))) => Ok(()),
            (Some((first, _)), Some((second, _))) => Err(format!(
                "{first} is specified with {second}, please use only one of those options."
            )),
            _ => Ok(()),
        }
    }

    /// Fails for what is not supported, and says what to do instead.
    fn refuse(&self) -> Result<(), String> {
        let second = self.second_stage || self.second_stage_target.is_some();
        let refused = [
            (
                second,
                "--second-stage",
                "it is run in the tree: chroot TARGET /debootstrap/debootstrap --second-stage",
            ),
            (
                self.debian_installer,
                "--debian-installer",
                "it is for the Debian installer alone",
            ),
            (
                self.certificate.is_some() || self.private_key.is_some(),
                "--certificate and --private-key",
                "use a proxy on this host that has the certificate",
            ),
            (
                self.no_check_certificate,
                "--no-check-certificate",
                "use a http:// mirror: signatures are checked there, too",
            ),
            (
                self.inrelease_path.is_some(),
                "--inrelease-path",
                "name the mirror that has dists/ and pool/",
            ),
        ];
        for (is_given, option, way) in refused {
            if is_given {
                return Err(format!("{option} is not supported: {way}"));
            }
        }
        Ok(())
    }

    fn check_tarball(&self) -> Result<(), String> {
        match &self.unpack_tarball {
            Some(tarball) if !tarball.is_file() => {
                Err(format!("{}: No such file or directory", tarball.display()))
            }
            Some(tarball) if !tarball.is_absolute() => {
                Err("Tarball must be given an absolute path".to_owned())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_extractor(&self) -> Result<(), String> {
        match self.extractor.as_deref() {
            None | Some("dpkg-deb" | "ar") => Ok(()),
            Some(name) => Err(format!("{name}: unknown extractor")),
        }
    }
}
