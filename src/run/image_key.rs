//! The key of an image: a run with the same key would make the same image.
//!
//! It covers the program's version, every step with the digests of its packages, and how the image
//! is written. It includes the image's name only if the image has an attestation, so that otherwise
//! one image can have several names.

use super::inputs::Inputs;
use super::inventory;
use super::request::Request;
use crate::formats::digest::Digest;
use crate::formats::key::KeyHasher;
use crate::install::{InstallPlan, StepKey};
use crate::pack::{Devices, Image};

/// The annotation with the key, on the manifest of an OCI image.
pub(crate) const KEY_ANNOTATION: &str = "org.rbootstrap.image.key";

/// The keys of an image.
#[derive(Clone, Debug)]
pub(super) struct ImageKey {
    pub(super) digest: Digest,
    /// Also covers the image's name, which is in an archive, and the names that it is pushed to.
    pub(super) named: Digest,
}

/// The keys of what a request makes of a plan.
pub(super) fn image_key(request: &Request, inputs: &Inputs, plan: &InstallPlan) -> ImageKey {
    let digest = digest(request, inputs, plan);
    let mut key = KeyHasher::new("rbootstrap named image key 1");
    key.digest(&digest);
    let image = request.outputs.image.as_ref();
    let name = image.and_then(Image::reference).map(ToString::to_string);
    key.optional_text(name.as_deref());
    let pushed = &request.outputs.push.references;
    key.number(pushed.len() as u64);
    for reference in pushed {
        key.text(&reference.to_string());
    }
    ImageKey {
        digest,
        named: key.finish(),
    }
}

fn digest(request: &Request, inputs: &Inputs, plan: &InstallPlan) -> Digest {
    let mut key = KeyHasher::new("rbootstrap image key 1");
    let steps = plan.steps(&inputs.options);
    let last = steps.last().map(|(key, _)| StepKey::hexadecimal(key));
    key.optional_text(last.as_deref());
    key.flag(inputs.removes_secrets);
    let outputs = &request.outputs;
    key.optional_text(outputs.epoch.map(|epoch| epoch.to_string()).as_deref());
    key.text(match outputs.devices {
        Devices::None => "none",
        Devices::Links => "links",
        Devices::Nodes => "nodes",
    });
    key.flag(outputs.image.is_some());
    if let Some(image) = &outputs.image {
        image.add_to_key(&mut key);
        // The attestation contains the name.
        if inventory::attests(Some(image)) {
            key.optional_text(image.reference().map(ToString::to_string).as_deref());
        }
    }
    key.finish()
}

/// Adds the key to the image's annotations.
pub(super) fn with_key(image: &Image, key: &ImageKey) -> Image {
    image.with_annotation(KEY_ANNOTATION, &key.digest.hexadecimal())
}
