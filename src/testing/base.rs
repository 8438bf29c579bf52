//! The base distribution of the fake archive: the host's own dpkg, shell and tools with the
//! libraries that they load, as packages with Debian's names.
//!
//! It is small enough to build in every test and complete enough for dpkg to configure it. On a
//! host without these programs the packages lack them: they can be planned and downloaded, but not
//! installed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use super::deb::DebBuilder;
use super::tar::{TarEntry, directory, file};
use crate::formats::arch;
use crate::formats::compress::Compression;

/// Programs of the tree's `coreutils`, which stands for several packages of Debian's.
const TOOLS: &[&str] = &[
    "basename", "cat", "chgrp", "chmod", "chown", "cp", "cut", "date", "diff", "dirname", "echo",
    "env", "expr", "false", "find", "grep", "head", "id", "install", "ln", "ls", "mkdir", "mkfifo",
    "mknod", "mktemp", "mv", "printf", "readlink", "rm", "rmdir", "sed", "sleep", "sort", "stat",
    "sync", "tail", "tar", "touch", "tr", "true", "uname", "wc",
];

/// Programs of the tree's `dpkg`.
const DPKG: &[&str] = &[
    "dpkg",
    "dpkg-deb",
    "dpkg-divert",
    "dpkg-maintscript-helper",
    "dpkg-query",
    "dpkg-realpath",
    "dpkg-split",
    "dpkg-statoverride",
    "dpkg-trigger",
    "update-alternatives",
];

/// Files besides programs that dpkg and its scripts read.
const DPKG_DATA: &[&str] = &[
    "abitable",
    "cputable",
    "ostable",
    "tupletable",
    "sh/dpkg-error.sh",
];

const PASSWD: &str = "root:*:0:0:root:/root:/bin/sh\n\
                      daemon:*:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
                      man:*:6:12:man:/var/cache/man:/usr/sbin/nologin\n\
                      nobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "root:*:0:\ndaemon:*:1:\nadm:*:4:\nman:*:12:\nshadow:*:42:\nutmp:*:43:\n\
                     staff:*:50:\nnogroup:*:65534:\n";

static BASE: LazyLock<Vec<Arc<DebBuilder>>> =
    LazyLock::new(|| packages().into_iter().map(Arc::new).collect());

/// Every package of the distribution, from the essential ones to `hello`.
pub fn base() -> Vec<Arc<DebBuilder>> {
    BASE.clone()
}

/// A program of the host's, as a package has it.
pub fn program(name: &str) -> Option<TarEntry> {
    let (path, content) = host_program(name)?;
    let path = path.strip_prefix("/").unwrap();
    let entry = file(path.as_os_str().as_encoded_bytes(), content);
    Some(entry.mode(0o755))
}

/// The libraries that programs of the host load, as entries.
pub fn libraries(names: &[&str]) -> Vec<TarEntry> {
    let mut ldd = Command::new("ldd");
    ldd.env("LC_ALL", "C");
    for name in names {
        if let Some((path, _)) = host_program(name) {
            ldd.arg(path);
        }
    }
    let Ok(output) = ldd.output() else {
        return Vec::new();
    };
    let mut found = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut words = line.split_whitespace();
        let Some(path) = words.find(|word| word.starts_with('/') && !word.ends_with(':')) else {
            continue;
        };
        let merged = if path.starts_with("/usr/") {
            path[1..].to_owned()
        } else {
            format!("usr{path}")
        };
        found.insert(merged, fs::read(path).unwrap());
    }
    let mut entries = Vec::new();
    for (path, content) in found {
        entries.push(file(path, content).mode(0o755));
    }
    entries
}

/// A program of an architecture that exits with 0.
pub fn exit_program(architecture: &str) -> Vec<u8> {
    arch::named(architecture).unwrap().exit_program().unwrap()
}

/// Debian's name for the host's architecture.
pub fn host_architecture() -> &'static str {
    static ARCHITECTURE: LazyLock<String> = LazyLock::new(|| {
        let output = Command::new("dpkg").arg("--print-architecture").output();
        match output {
            Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            Err(_) => "amd64".to_owned(),
        }
    });
    &ARCHITECTURE
}

fn packages() -> Vec<DebBuilder> {
    let mut all: Vec<DebBuilder> = vec![
        base_files(),
        base_passwd(),
        coreutils(),
        dash(),
        dpkg(),
        libc6(),
        libc_bin(),
        mawk(),
    ];
    for deb in &mut all {
        deb.fields.push(("Priority".into(), "required".into()));
    }
    all.extend([apt(), netbase()].map(|deb| deb.field("Priority", "important")));
    all.push(
        DebBuilder::new("manual-pages", "6.0")
            .field("Priority", "standard")
            .file("usr/share/man/man1/hello.1", ".TH HELLO 1\n"),
    );
    all.push(
        DebBuilder::new("libhello1", "2.10-1")
            .architecture(host_architecture())
            .field("Multi-Arch", "same")
            .field("Priority", "optional")
            .field("Section", "libs")
            .file("usr/share/doc/libhello1/copyright", "free\n"),
    );
    all.push(
        DebBuilder::new("hello", "2.10-1")
            .architecture(host_architecture())
            .field("Priority", "optional")
            .depends("libhello1 (>= 2.0), libc6")
            .program("usr/bin/hello", "#!/bin/sh\necho hello\n")
            .file("usr/share/doc/hello/copyright", "free\n")
            .conffile("etc/hello.conf", "greeting=hello\n"),
    );
    all.push(
        DebBuilder::new("build-essential", "12.9")
            .architecture(host_architecture())
            .field("Priority", "optional")
            .depends("coreutils")
            .file("usr/share/build-essential/list", "none\n"),
    );
    all
}

fn essential(name: &str, version: &str) -> DebBuilder {
    DebBuilder::new(name, version)
        .architecture(host_architecture())
        .field("Essential", "yes")
        .compressed(Compression::Zstd, Compression::Zstd)
}

fn base_files() -> DebBuilder {
    let mut deb = essential("base-files", "13")
        .field("Pre-Depends", "awk")
        .compressed(Compression::Xz, Compression::Xz);
    for (path, mode) in [
        ("boot", 0o755),
        ("dev", 0o755),
        ("etc/default", 0o755),
        ("home", 0o755),
        ("proc", 0o555),
        ("root", 0o700),
        ("run", 0o755),
        ("sys", 0o555),
        ("tmp", 0o1777),
        ("usr/bin", 0o755),
        ("usr/lib", 0o755),
        ("usr/sbin", 0o755),
        ("var/cache", 0o755),
        ("var/lib/misc", 0o755),
        ("var/log", 0o755),
        ("var/tmp", 0o1777),
    ] {
        deb = deb.entry(directory(path).mode(mode));
    }
    let local = directory("var/local").mode(0o2775);
    deb = deb.entry(local.owner("root", "staff").ids(0, 50));
    for name in ["bin", "lib", "sbin"] {
        deb = deb.symlink(name, &format!("usr/{name}"));
    }
    if Path::new("/lib64").exists() {
        deb = deb.directory("usr/lib64").symlink("lib64", "usr/lib64");
    }
    deb = deb
        .file(
            "usr/lib/os-release",
            "PRETTY_NAME=\"Fake 1\"\nID=fake\nVERSION_ID=1\n",
        )
        .symlink("etc/os-release", "../usr/lib/os-release");
    deb = deb
        .conffile("etc/debian_version", "13.0\n")
        .conffile("etc/issue", "Fake \\n \\l\n");
    deb.script(
        "postinst",
        "[ \"$1\" = configure ]\nif [ ! -e /var/log/wtmp ]; then\n\
         \x20 touch /var/log/wtmp\n  chown root:utmp /var/log/wtmp\n\
         \x20 chmod 664 /var/log/wtmp\nfi",
    )
}

fn base_passwd() -> DebBuilder {
    let preinst = format!(
        "if [ \"$1\" = install ] && [ ! -e /etc/passwd ]; then\n  cat >/etc/passwd <<END\n\
         {PASSWD}END\n  cat >/etc/group <<END\n{GROUP}END\nfi"
    );
    essential("base-passwd", "3.6")
        .file("usr/share/base-passwd/passwd.master", PASSWD)
        .file("usr/share/base-passwd/group.master", GROUP)
        .script("preinst", &preinst)
        .script(
            "postinst",
            "[ -e /etc/shadow ] || { sed 's/:.*/:*:1::::::/' /etc/passwd \
             >/etc/shadow; chown root:shadow /etc/shadow; chmod 640 /etc/shadow; }",
        )
}

fn coreutils() -> DebBuilder {
    let mut deb = essential("coreutils", "9.1")
        .field("Pre-Depends", "libc6 (>= 2.3)")
        .field("Multi-Arch", "foreign");
    deb.entries
        .extend(TOOLS.iter().filter_map(|name| program(name)));
    deb
}

fn dash() -> DebBuilder {
    let mut deb = essential("dash", "0.5.12").field("Pre-Depends", "libc6 (>= 2.3)");
    deb.entries.extend(program("dash"));
    deb.symlink("usr/bin/sh", "dash")
}

fn dpkg() -> DebBuilder {
    let mut deb = essential("dpkg", "1.21.22")
        .field("Pre-Depends", "libc6 (>= 2.3)")
        .field("Depends", "tar-stand-in | coreutils");
    deb.entries
        .extend(DPKG.iter().filter_map(|name| program(name)));
    deb.entries.extend(program("start-stop-daemon"));
    for name in DPKG_DATA {
        if let Ok(content) = fs::read(Path::new("/usr/share/dpkg").join(name)) {
            deb = deb.file(&format!("usr/share/dpkg/{name}"), content);
        }
    }
    for name in ["alternatives", "info", "parts", "updates"] {
        deb = deb.directory(&format!("var/lib/dpkg/{name}"));
    }
    deb.directory("etc/dpkg/dpkg.cfg.d")
        .directory("etc/alternatives")
        .conffile("etc/dpkg/dpkg.cfg", "# dpkg's own\nno-debsig\n")
}

fn libc6() -> DebBuilder {
    let mut deb = DebBuilder::new("libc6", "2.36")
        .architecture(host_architecture())
        .field("Multi-Arch", "same")
        .compressed(Compression::Zstd, Compression::Zstd);
    deb.entries.extend(libraries(
        &[TOOLS, DPKG, &["dash", "mawk", "start-stop-daemon"]].concat(),
    ));
    deb.triggers("activate-noawait ldconfig")
}

fn libc_bin() -> DebBuilder {
    let mut deb = essential("libc-bin", "2.36")
        .depends("libc6 (>= 2.36)")
        .triggers("interest-noawait ldconfig");
    deb.entries.extend(program("ldconfig"));
    deb.conffile("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n")
        .directory("etc/ld.so.conf.d")
        .script("postinst", "ldconfig")
}

fn mawk() -> DebBuilder {
    let mut deb = DebBuilder::new("mawk", "1.3.4")
        .architecture(host_architecture())
        .field("Pre-Depends", "libc6 (>= 2.3)")
        .field("Provides", "awk");
    deb.entries.extend(program("mawk"));
    deb.script(
        "postinst",
        "update-alternatives --quiet --install /usr/bin/awk awk /usr/bin/mawk 5",
    )
}

fn apt() -> DebBuilder {
    DebBuilder::new("apt", "2.6.1")
        .architecture(host_architecture())
        .depends("libc6")
        .program("usr/bin/apt-get", "#!/bin/sh\necho apt-get \"$@\"\n")
        .directory("etc/apt/apt.conf.d")
        .directory("var/lib/apt/lists/partial")
        .directory("var/cache/apt/archives/partial")
        .directory("var/log/apt")
        .script(
            "postinst",
            "grep -q ^_apt: /etc/passwd || echo \
             '_apt:*:42:65534::/nonexistent:/usr/sbin/nologin' >>/etc/passwd",
        )
}

fn netbase() -> DebBuilder {
    DebBuilder::new("netbase", "6.4")
        .conffile("etc/protocols", "ip 0 IP\n")
        .conffile("etc/services", "http 80/tcp\n")
}

fn host_program(name: &str) -> Option<(PathBuf, Vec<u8>)> {
    let directories = ["usr/bin", "usr/sbin", "bin", "sbin"];
    let path = directories
        .iter()
        .map(|directory| Path::new("/").join(directory).join(name))
        .find(|path| path.exists())?;
    let content = fs::read(&path).ok()?;
    let merged = if path.starts_with("/usr") {
        path
    } else {
        Path::new("/usr").join(path.strip_prefix("/").unwrap())
    };
    Some((merged, content))
}
