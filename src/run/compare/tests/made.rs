//! Images made by hand, as other programs write them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::MadePlace;
use crate::formats::compress::Compression;
use crate::formats::digest::{Algorithm, digest};
use crate::testing::tar::{TarEntry, compress, file, symlink, tar};

/// A platform with the entries of its layers.
pub(super) type Platforms<'a> = &'a [(&'a str, &'a [Vec<TarEntry>])];

/// A stanza of dpkg's status.
pub(super) fn status(name: &str, architecture: &str, version: &str) -> String {
    format!(
        "Package: {name}\nStatus: install ok installed\nArchitecture: {architecture}\n\
         Version: {version}\n"
    )
}

/// A manifest.
pub(super) fn list(packages: &[(&str, &str, &str)]) -> Vec<u8> {
    let mut entries = Vec::new();
    for (name, architecture, version) in packages {
        entries.push(json!({"name": name, "architecture": architecture, "version": version}));
    }
    json!({ "packages": entries }).to_string().into_bytes()
}

fn platform(name: &str) -> Value {
    match name.split_once('/') {
        Some((architecture, variant)) => {
            json!({"architecture": architecture, "os": "linux", "variant": variant})
        }
        None => json!({"architecture": name, "os": "linux"}),
    }
}

/// An OCI layout.
#[derive(Clone)]
pub(super) struct MadeLayout {
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// The descriptors in index.json.
    pub(super) top: Vec<Value>,
    images: Vec<(Value, Vec<Vec<u8>>)>,
}

impl MadeLayout {
    pub(super) fn of(platforms: Platforms<'_>) -> MadeLayout {
        let mut layout = MadeLayout {
            files: BTreeMap::new(),
            top: Vec::new(),
            images: Vec::new(),
        };
        for (name, layers) in platforms {
            let mut archives = Vec::new();
            for entries in *layers {
                archives.push(tar(entries));
            }
            layout.images.push((platform(name), archives));
        }
        layout.layers_in(Compression::None)
    }

    /// The same with compressed layers.
    pub(super) fn layers_in(mut self, compression: Compression) -> MadeLayout {
        self.top.clear();
        for (platform, layers) in self.images.clone() {
            let mut descriptors = Vec::new();
            for layer in layers {
                let kind = "application/vnd.oci.image.layer.v1.tar";
                let layer = match compression {
                    Compression::None => layer,
                    other => compress(other, &layer),
                };
                descriptors.push(self.blob(kind, layer));
            }
            let config = "application/vnd.oci.image.config.v1+json";
            let config = self.blob(config, platform.to_string().into_bytes());
            let manifest = json!({"schemaVersion": 2, "config": config, "layers": descriptors});
            let manifest = manifest.to_string().into_bytes();
            let descriptor = self.blob("application/vnd.oci.image.manifest.v1+json", manifest);
            self.top.push(descriptor);
        }
        self
    }

    pub(super) fn blob(&mut self, kind: &str, content: Vec<u8>) -> Value {
        let found = digest(Algorithm::Sha256, &content).hexadecimal();
        let size = content.len();
        self.files.insert(format!("blobs/sha256/{found}"), content);
        json!({"mediaType": kind, "digest": format!("sha256:{found}"), "size": size})
    }

    /// All images in one nested index, with a platform that is not there.
    pub(super) fn nested(mut self) -> MadeLayout {
        let mut named = Vec::new();
        for ((platform, _), descriptor) in self.images.iter().zip(&self.top) {
            let mut descriptor = descriptor.clone();
            descriptor["platform"] = platform.clone();
            named.push(descriptor);
        }
        let mut absent = named[0].clone();
        absent["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
        absent["platform"] = platform("s390x");
        named.push(absent);
        let index = json!({"schemaVersion": 2, "manifests": named}).to_string();
        self.top = vec![self.blob("application/vnd.oci.image.index.v1+json", index.into())];
        self
    }

    /// With an attestation and an artifact beside the image.
    pub(super) fn attested(mut self) -> MadeLayout {
        let mut attestation = self.top[0].clone();
        let statement = json!({"schemaVersion": 2, "config": attestation, "layers": []});
        let manifest = "application/vnd.oci.image.manifest.v1+json";
        attestation = self.blob(manifest, statement.to_string().into());
        attestation["platform"] = json!({"architecture": "unknown", "os": "unknown"});
        let empty = self.blob("application/vnd.oci.empty.v1+json", b"{}".to_vec());
        let artifact = json!({"schemaVersion": 2, "config": empty, "layers": []});
        let artifact = self.blob(manifest, artifact.to_string().into());
        self.top.extend([attestation, artifact]);
        self
    }

    /// With a signature of cosign's beside the image.
    pub(super) fn signed(mut self) -> MadeLayout {
        let payload = self.blob(
            "application/vnd.dev.cosign.simplesigning.v1+json",
            b"{}".into(),
        );
        let config = self.blob("application/vnd.oci.image.config.v1+json", b"{}".into());
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": [payload]});
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let signature = self.blob(kind, manifest.to_string().into());
        self.top.push(signature);
        self
    }

    /// With the same image once more, in another compression.
    pub(super) fn compressed_again(mut self) -> MadeLayout {
        let other = self.clone().layers_in(Compression::Zstd);
        self.files.extend(other.files);
        self.top.extend(other.top);
        self
    }

    pub(super) fn twice(mut self) -> MadeLayout {
        self.top.extend(self.top.clone());
        self
    }

    /// With docker's media types.
    pub(super) fn of_docker(mut self) -> MadeLayout {
        let digest = self.top[0]["digest"].as_str().unwrap().replace(':', "/");
        let bytes = self.files.remove(&format!("blobs/{digest}")).unwrap();
        let mut manifest: Value = serde_json::from_slice(&bytes).unwrap();
        manifest["config"]["mediaType"] = json!("application/vnd.docker.container.image.v1+json");
        for layer in manifest["layers"].as_array_mut().unwrap() {
            layer["mediaType"] = json!("application/vnd.docker.image.rootfs.diff.tar.gzip");
        }
        let kind = "application/vnd.docker.distribution.manifest.v2+json";
        self.top = vec![self.blob(kind, manifest.to_string().into())];
        self
    }

    /// The paths of its files.
    pub(super) fn names(&self) -> Vec<String> {
        self.whole().into_keys().collect()
    }

    fn whole(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.files.clone();
        let index = json!({"schemaVersion": 2, "manifests": self.top});
        files.insert("index.json".into(), index.to_string().into());
        let version = json!({"imageLayoutVersion": "1.0.0"}).to_string();
        files.insert("oci-layout".into(), version.into());
        files
    }

    pub(super) fn archive(&self) -> Vec<u8> {
        archive(&self.whole(), &[])
    }

    pub(super) fn directory(&self, place: &MadePlace, name: &str) -> PathBuf {
        directory(&self.whole(), place, name)
    }
}

/// An archive as `docker save` wrote it before version 25.
#[derive(Clone)]
pub(super) struct MadeDocker {
    files: BTreeMap<String, Vec<u8>>,
    links: Vec<TarEntry>,
}

impl MadeDocker {
    pub(super) fn of(platforms: Platforms<'_>) -> MadeDocker {
        let mut files = BTreeMap::new();
        let mut listed = Vec::new();
        for (image, (name, layers)) in platforms.iter().enumerate() {
            let config = format!("{image}.json");
            files.insert(config.clone(), platform(name).to_string().into_bytes());
            let mut names = Vec::new();
            for (number, entries) in layers.iter().enumerate() {
                let name = format!("{image}-{number}/layer.tar");
                files.insert(name.clone(), tar(entries));
                names.push(name);
            }
            let tags = [format!("image:{image}")];
            listed.push(json!({"Config": config, "RepoTags": tags, "Layers": names}));
        }
        files.insert("manifest.json".into(), json!(listed).to_string().into());
        MadeDocker {
            files,
            links: Vec::new(),
        }
    }

    /// With the first layer at another place, to which a link leads.
    pub(super) fn linked(&self) -> MadeDocker {
        let mut docker = self.clone();
        let layer = docker.files.remove("0-0/layer.tar").unwrap();
        docker.files.insert("other/layer.tar".into(), layer);
        docker
            .links
            .push(symlink("0-0/layer.tar", "../other/layer.tar"));
        docker
    }

    pub(super) fn archive(&self) -> Vec<u8> {
        archive(&self.files, &self.links)
    }

    pub(super) fn directory(&self, place: &MadePlace, name: &str) -> PathBuf {
        directory(&self.files, place, name)
    }
}

fn archive(files: &BTreeMap<String, Vec<u8>>, links: &[TarEntry]) -> Vec<u8> {
    let mut entries = links.to_vec();
    for (name, content) in files {
        entries.push(file(name, content));
    }
    tar(&entries)
}

fn directory(files: &BTreeMap<String, Vec<u8>>, place: &MadePlace, name: &str) -> PathBuf {
    let whole = place.0.path().join(name);
    for (file, content) in files {
        let path = whole.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    whole
}
