//! Options of container registries: which get an image, and how they are reached.

use std::path::PathBuf;

use clap::Args;

use super::environment::Environment;
use super::error::Error;
use super::target;
use crate::pack::oci::Reference;
use crate::registry::{Access, LoginPath};
use crate::run::{PushOutputs, UnnamedImage};

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Registry")]
pub(super) struct PushArgs {
    /// Push the OCI image to a registry
    ///
    /// Without an output, registries alone get the image. May be given more than once. A registry is
    /// asked whether it takes the image before anything is downloaded, and gets only what it lacks.
    #[arg(long, value_name = "REGISTRY/NAME[:TAG]", value_parser = Reference::parse)]
    push: Vec<Reference>,

    /// Write what was pushed into a file, as REGISTRY/NAME@DIGEST
    ///
    /// One line for each name.
    #[arg(long, value_name = "FILE", requires = "push")]
    refs: Option<PathBuf>,

    #[command(flatten)]
    access: AccessArgs,
}

/// How registries are reached.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Registry")]
pub(super) struct AccessArgs {
    /// Take the logins for registries from this file alone
    ///
    /// As docker and podman write it: their config.json and auth.json are read by default.
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE")]
    registry_auth: Option<PathBuf>,

    /// Permit plain http to a registry
    ///
    /// Without a port, to every port of the host. Plain http to loopback is always permitted. May be
    /// given more than once.
    #[arg(long, value_name = "HOST[:PORT]", value_parser = host)]
    insecure_registry: Vec<String>,
}

impl PushArgs {
    /// Whether a registry gets the image.
    pub(super) fn is_given(&self) -> bool {
        !self.push.is_empty()
    }

    /// With other options on how registries are reached.
    pub(super) fn with_access(self, access: AccessArgs) -> PushArgs {
        PushArgs { access, ..self }
    }

    /// The name of an image that has no other.
    pub(super) fn first(&self) -> Option<&Reference> {
        self.push.first()
    }

    /// `unnamed` is the image, if no file gets it.
    pub(super) fn outputs(
        &self,
        unnamed: Option<UnnamedImage>,
        environment: &Environment,
    ) -> Result<PushOutputs, Error> {
        require_refs_file(self.refs.as_ref())?;
        Ok(PushOutputs {
            references: self.push.clone(),
            refs: self.refs.clone(),
            access: self.access.access(environment),
            unnamed,
        })
    }
}

impl AccessArgs {
    pub(super) fn access(&self, environment: &Environment) -> Access {
        let logins = match &self.registry_auth {
            Some(path) => vec![LoginPath {
                path: path.clone(),
                is_named: true,
            }],
            None => environment.login_paths(),
        };
        Access {
            logins,
            plain: self.insecure_registry.clone(),
        }
    }
}

/// Fails unless `--refs` names a file.
pub(super) fn require_refs_file(refs: Option<&PathBuf>) -> Result<(), Error> {
    match refs {
        Some(path) => target::require_file("--refs", path),
        None => Ok(()),
    }
}

/// Reads `HOST` or `HOST:PORT`.
pub(super) fn host(text: &str) -> Result<String, String> {
    match Reference::parse(&format!("{text}/name")) {
        Ok(reference) if reference.registry() == text => Ok(text.to_owned()),
        // A name without a dot is a host only with a port, for a reference.
        _ if !text.contains(['/', ':', '@']) && !text.is_empty() => Ok(text.to_owned()),
        _ => Err("expected HOST or HOST:PORT".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_no_scheme_and_no_path() {
        for text in [
            "r.example",
            "r.example:5000",
            "registry",
            "registry:5000",
            "[::1]:5000",
        ] {
            assert_eq!(host(text).as_deref(), Ok(text));
        }
        for text in [
            "http://r.example",
            "r.example/team",
            "r.example:",
            "r.example:x",
            "",
            "a@b",
        ] {
            assert!(host(text).is_err(), "{text}");
        }
    }
}
