//! Writes files that maintainer scripts would generate and programs need, for a tree where no
//! script runs: users and groups, name services, a certificate bundle.
//!
//! Files that a package ships or that the user has put there are not replaced.

use super::rootfs::{Error, RootPath, Rootfs};

/// The UID of the unprivileged user for containers.
const NONROOT: u32 = 65532;
const HOME: &str = "home/nonroot";

/// Paths and contents of files. The groups are those that own files in packages, with the GIDs of
/// base-passwd.
const FILES: [(&str, &str); 3] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/sbin/nologin\n\
         nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n\
         nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
    ),
    (
        "etc/group",
        "root:x:0:\n\
         tty:x:5:\n\
         mail:x:8:\n\
         shadow:x:42:\n\
         utmp:x:43:\n\
         staff:x:50:\n\
         nogroup:x:65534:\n\
         nonroot:x:65532:\n",
    ),
    (
        "etc/nsswitch.conf",
        "passwd:         files\n\
         group:          files\n\
         shadow:         files\n\
         gshadow:        files\n\
         \n\
         hosts:          files dns\n\
         networks:       files\n\
         \n\
         protocols:      db files\n\
         services:       db files\n\
         ethers:         db files\n\
         rpc:            db files\n",
    ),
];

/// Where ca-certificates has the certificates, one in a file.
const CERTIFICATES: &str = "usr/share/ca-certificates";
/// All of them in one file, as update-ca-certificates makes it.
const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";
/// The certificate paths in OpenSSL's own directory, and their targets.
const OPENSSL_LINKS: [(&str, &str); 2] = [
    ("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt"),
    ("usr/lib/ssl/certs", "/etc/ssl/certs"),
];
/// How deep below [`CERTIFICATES`] they are.
const DEPTH_LIMIT: usize = 8;

/// Writes what is missing.
pub(crate) fn write(root: &Rootfs) -> Result<(), Error> {
    for (path, content) in FILES {
        write_if_missing(root, path, content.as_bytes())?;
    }
    let home = RootPath::known(HOME);
    if !root.exists(&home)? {
        root.make_directories(&home.parent())?;
        root.make_directory(&home, 0o700)?;
        root.set_owner_and_mode(&home, NONROOT, NONROOT, Some(0o700))?;
    }
    write_certificates(root)
}

fn write_if_missing(root: &Rootfs, path: &'static str, content: &[u8]) -> Result<(), Error> {
    let path = RootPath::known(path);
    if root.exists(&path)? {
        return Ok(());
    }
    root.make_directories(&path.parent())?;
    root.write(&path, content, 0o644)
}

/// Writes the bundle of certificates, if the tree has any.
fn write_certificates(root: &Rootfs) -> Result<(), Error> {
    let mut found = Vec::new();
    find_certificates(root, &RootPath::known(CERTIFICATES), 0, &mut found)?;
    if found.is_empty() {
        return Ok(());
    }
    found.sort();
    let mut bundle = Vec::new();
    for path in found {
        let content = root.read(&path)?.unwrap_or_default();
        bundle.extend_from_slice(&content);
        if !content.ends_with(b"\n") {
            bundle.push(b'\n');
        }
    }
    write_if_missing(root, BUNDLE, &bundle)?;
    for (path, target) in OPENSSL_LINKS {
        let path = RootPath::known(path);
        if root.metadata(&path)?.is_none() {
            root.make_directories(&path.parent())?;
            root.symlink(target.as_bytes(), &path)?;
        }
    }
    Ok(())
}

fn find_certificates(
    root: &Rootfs,
    directory: &RootPath,
    depth: usize,
    found: &mut Vec<RootPath>,
) -> Result<(), Error> {
    if depth > DEPTH_LIMIT || !root.is_directory(directory)? {
        return Ok(());
    }
    for name in root.names(directory)? {
        let path = directory.entry(&name);
        if name.ends_with(b".crt") {
            found.push(path);
        } else {
            find_certificates(root, &path, depth + 1, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tree::with_files;

    #[test]
    #[ignore = "needs root"]
    fn certificates_are_joined_and_files_stay() {
        let directory = with_files(&[
            ("usr/share/ca-certificates/mozilla/b.crt", "B"),
            ("usr/share/ca-certificates/mozilla/a.crt", "A\n"),
            ("usr/share/ca-certificates/own/README", "no"),
            ("etc/group", "own\n"),
        ]);
        let root = Rootfs::open(directory.path()).unwrap();
        write(&root).unwrap();
        let read = |path: &'static str| {
            let content = root.read(&RootPath::known(path)).unwrap().unwrap();
            String::from_utf8(content).unwrap()
        };
        assert_eq!(read(BUNDLE), "A\nB\n");
        assert_eq!(read("etc/group"), "own\n");
        assert!(read("etc/passwd").contains("nonroot:x:65532:"));
        let link = root.read_link(&RootPath::known("usr/lib/ssl/cert.pem"));
        let link = link.unwrap().unwrap();
        assert_eq!(link.to_bytes(), b"/etc/ssl/certs/ca-certificates.crt");
    }
}
