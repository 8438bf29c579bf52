//! A signed archive on disk, with pool, indexes and Release files in every form that Debian and
//! Ubuntu publish.
//!
//! A [`FakeSuite`] says what to publish and in which form; [`FakeArchive::publish`] writes it.
//! Publishing a suite again replaces it, as an update of a mirror does. A [`Mirror`](super::Mirror)
//! serves it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use super::base::{base, host_architecture};
use super::deb::DebBuilder;
use super::key::ArchiveKey;
use super::tar::{compress, ending};
use crate::formats::compress::Compression;
use crate::formats::digest::{Algorithm, digest};

/// The Date that releases have unless they say otherwise.
pub const DATE: i64 = 1_748_736_000;

/// An archive below one directory.
pub struct FakeArchive {
    pub root: PathBuf,
    pub key: Arc<ArchiveKey>,
}

/// What one directory below `dists/` is to hold.
#[derive(Clone)]
pub struct FakeSuite {
    /// Its directory: `fake`, `fake-security`.
    pub name: String,
    /// The Release's Suite and Codename.
    pub suite: String,
    pub codename: String,
    pub origin: String,
    /// Seconds since the epoch.
    pub date: i64,
    pub valid_until: Option<i64>,
    /// Further lines of the Release.
    pub extra: String,
    pub architectures: Vec<String>,
    pub digests: Vec<Algorithm>,
    pub compressions: Vec<Compression>,
    pub by_hash: bool,
    pub inline: bool,
    pub detached: bool,
    /// Packages of architecture `all` in an index of their own, `binary-all`.
    pub all_apart: bool,
    /// Component and package, in the order of the index.
    pub packages: Vec<(String, Arc<DebBuilder>)>,
    /// The keys that sign; `None` for the archive's key, empty for no signature.
    pub signers: Option<Vec<Arc<ArchiveKey>>>,
}

impl FakeSuite {
    /// A suite as Debian publishes it: InRelease and Release.gpg, SHA256, by-hash, xz and gz, one
    /// architecture: the host's.
    pub fn new(name: &str) -> FakeSuite {
        FakeSuite {
            name: name.to_owned(),
            suite: name.to_owned(),
            codename: name.to_owned(),
            origin: "Fake".to_owned(),
            date: DATE,
            valid_until: None,
            extra: String::new(),
            architectures: vec![host_architecture().to_owned()],
            digests: vec![Algorithm::Sha256],
            compressions: vec![Compression::Gzip, Compression::Xz],
            by_hash: true,
            inline: true,
            detached: true,
            all_apart: false,
            packages: Vec::new(),
            signers: None,
        }
    }

    pub fn with(mut self, debs: impl IntoIterator<Item = impl Into<Arc<DebBuilder>>>) -> FakeSuite {
        self.packages
            .extend(debs.into_iter().map(|deb| ("main".to_owned(), deb.into())));
        self
    }

    pub fn component(
        mut self,
        component: &str,
        debs: impl IntoIterator<Item = DebBuilder>,
    ) -> FakeSuite {
        self.packages.extend(
            debs.into_iter()
                .map(|deb| (component.to_owned(), deb.into())),
        );
        self
    }
}

impl FakeArchive {
    /// An empty archive below `root`, with a new key.
    pub fn new(root: &Path) -> FakeArchive {
        fs::create_dir_all(root).unwrap();
        FakeArchive {
            root: root.to_owned(),
            key: archive_key(),
        }
    }

    /// Writes the archive's keyring to `path`, in armor when it ends in `.asc`.
    pub fn keyring(&self, path: &Path) {
        let armored = path.extension().is_some_and(|extension| extension == "asc");
        let bytes = if armored {
            self.key.armored().into_bytes()
        } else {
            self.key.binary()
        };
        fs::write(path, bytes).unwrap();
    }

    /// Writes the suite's packages to the pool and its indexes and Release to `dists/`.
    pub fn publish(&self, suite: &FakeSuite) {
        self.publish_indexes(suite, self.indexes(suite));
    }

    /// As [`FakeArchive::publish`] with the index `name` being `text` whatever the suite's packages
    /// are.
    pub fn publish_text(&self, suite: &FakeSuite, name: &str, text: &str) {
        self.publish_indexes(suite, BTreeMap::from([(name.to_owned(), text.to_owned())]));
    }

    /// As [`FakeArchive::publish`] with `stanza` after the others of the host's architecture.
    pub fn publish_appended(&self, suite: &FakeSuite, stanza: &str) {
        let mut indexes = self.indexes(suite);
        *indexes
            .get_mut(&format!("main/binary-{}/Packages", host_architecture()))
            .unwrap() += stanza;
        self.publish_indexes(suite, indexes);
    }

    /// Puts a file into the pool, and gives the lines by which an index promises it.
    pub fn place(&self, path: &str, bytes: &[u8]) -> String {
        write(&self.root.join(path), bytes);
        format!(
            "Filename: {path}\nSize: {}\nSHA256: {}\n",
            bytes.len(),
            digest(Algorithm::Sha256, bytes).hexadecimal()
        )
    }

    fn publish_indexes(&self, suite: &FakeSuite, indexes: BTreeMap<String, String>) {
        let directory = self.root.join("dists").join(&suite.name);
        fs::remove_dir_all(&directory).or_else(absent).unwrap();
        let mut files = BTreeMap::new();
        for (name, text) in indexes {
            for &compression in &suite.compressions {
                files.insert(
                    format!("{name}{}", ending(compression)),
                    compress(compression, text.as_bytes()),
                );
            }
            // The Release lists the plain index whether or not it is there, as real ones do.
            files.entry(name).or_insert(text.into_bytes());
        }
        let plain = suite.compressions.contains(&Compression::None);
        for (name, bytes) in &files {
            let path = directory.join(name);
            if plain || !name.ends_with("Packages") {
                write(&path, bytes);
            }
            if suite.by_hash {
                let strongest = *suite.digests.iter().max().unwrap();
                let sum = digest(strongest, bytes).hexadecimal();
                write(
                    &path.with_file_name(format!("by-hash/{}/{sum}", strongest.field())),
                    bytes,
                );
            }
        }
        self.sign(suite, &directory, &release(suite, &files));
    }

    /// Signs `text` as the suite's Release.
    pub fn sign(&self, suite: &FakeSuite, directory: &Path, text: &str) {
        let keys = suite
            .signers
            .clone()
            .unwrap_or_else(|| vec![self.key.clone()]);
        if suite.inline && !keys.is_empty() {
            write(
                &directory.join("InRelease"),
                keys[0].clearsign(text).as_bytes(),
            );
        }
        write(&directory.join("Release"), text.as_bytes());
        if suite.detached && !keys.is_empty() {
            let signatures: Vec<u8> = keys
                .iter()
                .flat_map(|key| key.sign(text.as_bytes()))
                .collect();
            write(&directory.join("Release.gpg"), &signatures);
        }
    }

    /// `COMPONENT/binary-ARCH/Packages` and its text, for every component and architecture.
    fn indexes(&self, suite: &FakeSuite) -> BTreeMap<String, String> {
        let mut components: BTreeSet<&str> = suite
            .packages
            .iter()
            .map(|(component, _)| &component[..])
            .collect();
        components.insert("main");
        let mut architectures = suite.architectures.clone();
        if suite.all_apart {
            architectures.push("all".to_owned());
        }
        let mut texts = BTreeMap::new();
        for component in components {
            for architecture in &architectures {
                texts.insert(
                    format!("{component}/binary-{architecture}/Packages"),
                    String::new(),
                );
            }
        }
        for (component, deb) in &suite.packages {
            let stanza = self.pool(suite, component, deb);
            for architecture in &architectures {
                let everywhere = deb.architecture == "all" && !suite.all_apart;
                if everywhere || deb.architecture == *architecture {
                    *texts
                        .get_mut(&format!("{component}/binary-{architecture}/Packages"))
                        .unwrap() += &stanza;
                }
            }
        }
        texts
    }

    /// Writes a package to the pool and gives its stanza for the index.
    fn pool(&self, suite: &FakeSuite, component: &str, deb: &Arc<DebBuilder>) -> String {
        let path = format!(
            "pool/{component}/{}/{}/{}",
            &deb.name[..1],
            deb.name,
            deb.file_name()
        );
        let bytes = built(deb);
        let file = self.root.join(&path);
        if fs::read(&file).ok().as_deref() != Some(&bytes[..]) {
            write(&file, &bytes);
        }
        let mut stanza = deb.stanza();
        stanza += &format!("Filename: {path}\nSize: {}\n", bytes.len());
        for &algorithm in &suite.digests {
            stanza += &format!(
                "{}: {}\n",
                algorithm.field(),
                digest(algorithm, &bytes).hexadecimal()
            );
        }
        stanza + "\n"
    }
}

/// The Release's text.
pub fn release(suite: &FakeSuite, files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut components: Vec<&str> = files
        .keys()
        .filter_map(|name| name.split_once("/binary-"))
        .map(|(component, _)| component)
        .collect();
    components.dedup();
    let mut text = format!(
        "Origin: {}\nLabel: {}\nSuite: {}\n",
        suite.origin, suite.origin, suite.suite
    );
    text += &format!(
        "Version: 1.0\nCodename: {}\nDate: {}\n",
        suite.codename,
        date(suite.date)
    );
    if let Some(until) = suite.valid_until {
        text += &format!("Valid-Until: {}\n", date(until));
    }
    if suite.by_hash {
        text += "Acquire-By-Hash: yes\n";
    }
    let all = if suite.all_apart { "all " } else { "" };
    if !suite.all_apart {
        text += "No-Support-for-Architecture-all: Packages\n";
    }
    text += &format!("Architectures: {all}{}\n", suite.architectures.join(" "));
    // A flat archive has no components; the signature would not cover the blank of an empty field.
    if !components.is_empty() {
        text += &format!("Components: {}\n", components.join(" "));
    }
    text += &suite.extra;
    text += "Description: an archive made in a test\n";
    for &algorithm in &suite.digests {
        text += &format!("{}:\n", algorithm.field());
        for (name, bytes) in files {
            text += &format!(
                " {} {:>8} {name}\n",
                digest(algorithm, bytes).hexadecimal(),
                bytes.len()
            );
        }
    }
    text
}

/// A time as Release files write it.
pub fn date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds)
        .unwrap()
        .to_zoned(jiff::tz::TimeZone::UTC);
    time.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string()
}

/// Now, in seconds since the epoch.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

/// The key that archives are signed with by default, one for all tests of a process.
fn archive_key() -> Arc<ArchiveKey> {
    static KEY: LazyLock<Arc<ArchiveKey>> = LazyLock::new(|| {
        let key = ArchiveKey::new("The fake archive <archive@example.org>");
        Arc::new(key)
    });
    KEY.clone()
}

/// The bytes of a package. Those of the base distribution are built once a process.
pub fn built(deb: &Arc<DebBuilder>) -> Arc<Vec<u8>> {
    static BUILT: LazyLock<Mutex<HashMap<usize, Arc<Vec<u8>>>>> = LazyLock::new(Mutex::default);
    let is_base = base().iter().any(|base| Arc::ptr_eq(base, deb));
    if !is_base {
        return Arc::new(deb.build());
    }
    let mut built = BUILT.lock().unwrap();
    let bytes = built
        .entry(Arc::as_ptr(deb) as usize)
        .or_insert_with(|| Arc::new(deb.build()));
    bytes.clone()
}
