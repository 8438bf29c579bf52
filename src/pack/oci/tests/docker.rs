//! Layouts with Docker's own media types, which other programs write, for `push` and `join`.

use serde_json::json;

use super::super::documents::{DOCKER_INDEX, DOCKER_MANIFEST};
use super::*;
use crate::interrupt::Interrupt;

/// Writes a blob into a layout and returns its descriptor.
fn store(layout: &Path, media_type: &str, content: &[u8]) -> Value {
    let digest = digest(Algorithm::Sha256, content).hexadecimal();
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join(&digest), content).unwrap();
    json!({
        "mediaType": media_type,
        "digest": format!("sha256:{digest}"),
        "size": content.len(),
    })
}

/// Writes an image of one platform with this media type.
fn store_image(layout: &Path, architecture: &str, media_type: &str) -> Value {
    let configuration = json!({ "architecture": architecture, "os": "linux" });
    let configuration = store(
        layout,
        "application/vnd.docker.container.image.v1+json",
        configuration.to_string().as_bytes(),
    );
    let layer = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": configuration,
        "layers": [store(layout, layer, b"layer")],
    });
    store(layout, media_type, manifest.to_string().as_bytes())
}

/// Writes the index of a layout.
fn finish(layout: &Path, manifest: &Value) {
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
}

fn join_options(images: &[&Path], output: &Path) -> JoinOptions {
    JoinOptions {
        images: images.iter().map(|path| path.to_path_buf()).collect(),
        output: Layout::Archive(Sink::File(output.to_owned())),
        tag: None,
        annotations: BTreeMap::new(),
    }
}

#[test]
fn dockers_forms_are_pushed_and_joined_as_they_are() {
    let place = tempfile::tempdir().unwrap();
    let two = place.path().join("two");
    let parts = ["arm64", "amd64"].map(|name| store_image(&two, name, DOCKER_MANIFEST));
    let list = json!({ "schemaVersion": 2, "mediaType": DOCKER_INDEX, "manifests": parts });
    finish(
        &two,
        &store(&two, DOCKER_INDEX, list.to_string().as_bytes()),
    );
    let one = place.path().join("one");
    finish(&one, &store_image(&one, "s390x", DOCKER_MANIFEST));

    let interrupt = Interrupt::default();
    let image = StoredImage::read(&two, &interrupt).unwrap();
    assert_eq!(image.top.media_type, DOCKER_INDEX);
    assert_eq!(image.top.bytes, list.to_string().as_bytes());
    let mut digests = Vec::new();
    for part in &image.parts {
        assert_eq!(part.media_type, DOCKER_MANIFEST);
        assert_eq!(part.blobs.len(), 2);
        digests.push(part.digest.clone());
    }
    assert_eq!(
        digests,
        parts.map(|part| part["digest"].as_str().unwrap().to_owned())
    );

    let output = place.path().join("joined.oci.tar");
    join(&join_options(&[&two, &one], &output), &interrupt).unwrap();
    let joined = StoredImage::read(&output, &interrupt).unwrap();
    let index: Value = serde_json::from_slice(&joined.top.bytes).unwrap();
    let mut found = Vec::new();
    for manifest in index["manifests"].as_array().unwrap() {
        assert_eq!(manifest["mediaType"], DOCKER_MANIFEST);
        found.push(manifest["platform"]["architecture"].clone());
    }
    assert_eq!(found, ["amd64", "arm64", "s390x"]);
    assert_eq!(joined.parts.len(), 3);
    for digest in digests {
        assert!(joined.parts.iter().any(|part| part.digest == digest));
    }
}

#[test]
fn what_is_neither_an_index_nor_a_manifest_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let layout = place.path().join("layout");
    let media_type = "application/vnd.example+json";
    finish(&layout, &store_image(&layout, "amd64", media_type));
    let interrupt = Interrupt::default();
    let options = join_options(&[&layout], &place.path().join("joined.oci.tar"));
    let of_push = StoredImage::read(&layout, &interrupt).map(drop);
    let of_join = join(&options, &interrupt);
    let errors = [
        ("push", of_push.unwrap_err().to_string()),
        ("join", of_join.unwrap_err().to_string()),
    ];
    for (name, error) in errors {
        assert!(error.contains(media_type), "{name}: {error}");
    }
}
