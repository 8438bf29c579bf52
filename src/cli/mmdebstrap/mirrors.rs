//! MIRRORs: turns URLs, lines, files and standard input into the tree's source files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::bounded;
use crate::cli::environment::Environment;
use crate::formats::arch;
use crate::install::HostFile;
use crate::run;
use crate::run::SourceText;
use crate::tree::rootfs::RootPath;

/// The largest source file, and the most that is read from standard input, in bytes.
const LIMIT: u64 = 16 << 20;

/// The source files of a tree, in the order of their MIRRORs.
#[derive(Debug, Default)]
pub(super) struct SourceFiles(Vec<GivenFile>);

#[derive(Debug)]
struct GivenFile {
    is_deb822: bool,
    /// The name of the user's file.
    name: Option<String>,
    content: String,
}

/// What the meaning of a MIRROR depends on.
pub(super) struct MirrorContext<'a> {
    pub(super) suite: Option<&'a str>,
    pub(super) components: &'a [String],
    /// Native first.
    pub(super) architectures: &'a [String],
    pub(super) environment: &'a Environment,
}

impl SourceFiles {
    /// Reads the MIRRORs. Without one, the sources are those of the suite's own archive, or come
    /// from standard input if there is no SUITE either.
    pub(super) fn read(
        mirrors: &[String],
        context: &MirrorContext<'_>,
    ) -> Result<SourceFiles, String> {
        let mut files = SourceFiles::default();
        match context.suite {
            None => files.add_stdin()?,
            Some(suite) if mirrors.is_empty() => {
                if !suite.is_empty() {
                    files.add_lines(suite_lines(suite, context)?);
                }
            }
            Some(_) => {
                for mirror in mirrors {
                    files.add(mirror, context)?;
                }
            }
        }
        Ok(files)
    }

    fn add(&mut self, mirror: &str, context: &MirrorContext<'_>) -> Result<(), String> {
        let suite = context.suite.unwrap_or_default();
        let is_line = ["deb ", "deb-src ", "deb\t", "deb-src\t"];
        if mirror == "-" {
            self.add_stdin()
        } else if is_line.iter().any(|start| mirror.starts_with(start)) {
            self.add_lines(format!("{mirror}\n"));
            Ok(())
        } else if is_uri(mirror) {
            if suite.is_empty() {
                return Err("cannot create sources.list entry for URI with empty suite".into());
            }
            let components = context.components.join(" ");
            self.add_lines(format!("deb {mirror} {suite} {components}\n"));
            Ok(())
        } else if Path::new(mirror).is_file() {
            self.add_file(Path::new(mirror))
        } else if mirror.is_empty() {
            Ok(())
        } else {
            Err(format!("invalid mirror: {mirror}"))
        }
    }

    fn add_stdin(&mut self) -> Result<(), String> {
        let content = read_limited(io::stdin().lock(), "standard input")?;
        self.add_text(content, None)
    }

    fn add_file(&mut self, path: &Path) -> Result<(), String> {
        let shown = path.display();
        let file = File::open(path).map_err(|error| format!("cannot open {shown}: {error}"))?;
        let content = read_limited(file, &shown.to_string())?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.add_text(content, Some(name.into_owned()))
    }

    fn add_text(&mut self, content: String, name: Option<String>) -> Result<(), String> {
        if content.is_empty() {
            return Ok(());
        }
        let ending = name.as_deref().and_then(|name| name.rsplit_once('.'));
        let is_deb822 = match ending {
            Some((_, "list")) => false,
            Some((_, "sources")) => true,
            _ => guess(&content).ok_or("cannot determine sources.list format")?,
        };
        if name.is_none() && !is_deb822 {
            self.add_lines(content);
            return Ok(());
        }
        self.0.push(GivenFile {
            is_deb822,
            name,
            content,
        });
        Ok(())
    }

    /// Adds lines, to the lines before them if these have no file of their own either.
    fn add_lines(&mut self, lines: String) {
        if let Some(last) = self.0.last_mut()
            && last.name.is_none()
            && !last.is_deb822
        {
            last.content.push('\n');
            last.content.push_str(&lines);
            return;
        }
        self.0.push(GivenFile {
            is_deb822: false,
            name: None,
            content: lines,
        });
    }

    /// The files of the tree, named as mmdebstrap names them.
    pub(super) fn files(&self) -> Vec<HostFile> {
        let mut files = Vec::new();
        for (number, file) in self.0.iter().enumerate() {
            files.push(HostFile {
                path: file.path(number),
                content: file.content.clone().into_bytes(),
                mode: 0o644,
            });
        }
        files
    }

    /// The same sources as texts, for the run.
    pub(super) fn texts(&self) -> Vec<SourceText> {
        let mut texts = Vec::new();
        for file in &self.0 {
            texts.push(SourceText {
                name: file.name.clone().unwrap_or_else(|| "MIRROR".to_owned()),
                text: file.content.clone(),
            });
        }
        texts
    }
}

impl GivenFile {
    fn path(&self, number: usize) -> RootPath {
        if number == 0 && self.name.is_none() && !self.is_deb822 {
            return RootPath::known("etc/apt/sources.list");
        }
        let ending = match self.is_deb822 {
            true => ".sources",
            false => ".list",
        };
        let name = self.name.as_deref().unwrap_or("main");
        let has_ending = name.contains(".list") || name.contains(".sources");
        let ending = if has_ending { "" } else { ending };
        let name = format!("{number:04}{name}{ending}");
        RootPath::known("etc/apt/sources.list.d").entry(name.as_bytes())
    }
}

/// Reads sources up to [`LIMIT`].
fn read_limited(input: impl Read, name: &str) -> Result<String, String> {
    let read = bounded::read_text(input, LIMIT);
    let content = read.map_err(|error| format!("cannot read sources from {name}: {error}"))?;
    let limit = LIMIT >> 20;
    content.ok_or_else(|| format!("cannot read sources from {name}: more than {limit} MiB"))
}

/// Whether a word is the URL of a mirror: with `://`, or a directory as apt names it.
fn is_uri(word: &str) -> bool {
    let is_local = ["file:/", "copy:/"];
    word.contains("://") || is_local.iter().any(|start| word.starts_with(start))
}

/// Whether a text is deb822 (true) or lines (false), judged by the first line that is either.
fn guess(content: &str) -> Option<bool> {
    for line in content.lines() {
        if line.starts_with("deb ") || line.starts_with("deb-src ") {
            return Some(false);
        }
        let name = line.split(':').next().unwrap_or_default();
        let is_name = !name.is_empty() && !name.contains(|c: char| c == '#' || c.is_whitespace());
        if is_name && line.contains(':') {
            return Some(true);
        }
    }
    None
}

/// The lines of a suite's own archive: the release, its updates and its security updates.
fn suite_lines(name: &str, context: &MirrorContext<'_>) -> Result<String, String> {
    let directories = context.environment.configuration_directories("suites");
    let suites = run::load_suites(&directories).map_err(|error| error.to_string())?;
    let components = context.components.join(" ");
    let Some(suite) = suites.find(name) else {
        return Ok(format!(
            "deb http://ftp.debian.org/debian {name} {components}\n"
        ));
    };
    let host = arch::host().map_or("", |host| host.name);
    let native = context.architectures.first().map_or(host, String::as_str);
    let mut lines = String::new();
    for pocket in suite.pockets_for(native) {
        let mut uris = pocket.uris.iter();
        let Some(uri) = uris.find(|uri| uri.starts_with("http")) else {
            continue;
        };
        // The suite keeps the name that the user gave: stable, not trixie.
        let own = pocket.suite.replacen(&suite.codename, name, 1);
        let uri = uri.trim_end_matches('/');
        lines.push_str(&format!("deb {uri} {own} {components}\n"));
    }
    match lines.is_empty() {
        true => Err(format!("{name} has no mirror for {native}")),
        false => Ok(lines),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn sources_that_are_too_large_are_not_cut() {
        let within = "#".repeat(LIMIT as usize);
        let read = read_limited(within.as_bytes(), "x").map(|text| text.len() as u64);
        assert_eq!(read, Ok(LIMIT));
        let beyond = format!("{within}#");
        let refused = read_limited(beyond.as_bytes(), "x").unwrap_err();
        assert_eq!(refused, "cannot read sources from x: more than 16 MiB");
    }

    #[test]
    fn mirrors_become_files() {
        let directory = tempfile::tempdir().unwrap();
        let list = directory.path().join("own");
        let sources = directory.path().join("x.sources");
        #[expect(clippy::disallowed_methods, reason = "files of the test")]
        {
            fs::write(&list, "deb http://own sid main\n").unwrap();
            fs::write(&sources, "Types: deb\nURIs: http://x\nSuites: sid\n").unwrap();
        }
        let list = list.display().to_string();
        let sources = sources.display().to_string();
        let rows: [(&[&str], &str); 6] = [
            (
                &["http://a"],
                "/etc/apt/sources.list: deb http://a trixie main contrib",
            ),
            (
                &["http://a", "deb http://b sid main"],
                "/etc/apt/sources.list: deb http://a trixie main contrib  deb http://b sid main",
            ),
            (
                &["copy:///d", &sources],
                "/etc/apt/sources.list: deb copy:///d trixie main contrib | \
                 /etc/apt/sources.list.d/0001x.sources: Types: deb URIs: http://x Suites: sid",
            ),
            (
                &[&list, "http://a"],
                "/etc/apt/sources.list.d/0000own.list: deb http://own sid main | \
                 /etc/apt/sources.list.d/0001main.list: deb http://a trixie main contrib",
            ),
            (&[""], ""),
            (&["no-such"], "invalid mirror: no-such"),
        ];
        for (mirrors, expected) in rows {
            let mirrors: Vec<String> = mirrors.iter().map(|word| (*word).to_owned()).collect();
            let context = MirrorContext {
                suite: Some("trixie"),
                components: &["main".to_owned(), "contrib".to_owned()],
                architectures: &["amd64".to_owned()],
                environment: &Environment::default(),
            };
            let shown = match SourceFiles::read(&mirrors, &context) {
                Ok(files) => {
                    let mut parts = Vec::new();
                    for file in files.files() {
                        let text = String::from_utf8(file.content).unwrap();
                        let text = text.trim_end().replace('\n', " ");
                        parts.push(format!("{}: {text}", file.path));
                    }
                    parts.join(" | ")
                }
                Err(error) => error,
            };
            assert_eq!(shown, expected, "{mirrors:?}");
        }
    }
}
