//! Files of this host that a tree of another tool's has: resolv.conf and hostname.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::install::HostFile;
use crate::tree::rootfs::RootPath;

/// The files of this host that the tree gets.
pub(super) fn host_files() -> Vec<HostFile> {
    let mut files = Vec::new();
    for path in ["etc/resolv.conf", "etc/hostname"] {
        let on_host = Path::new("/").join(path);
        if let (Ok(content), Ok(found)) = (fs::read(&on_host), fs::metadata(&on_host)) {
            files.push(HostFile {
                path: RootPath::known(path),
                content,
                mode: found.permissions().mode() & 0o755,
            });
        }
    }
    files
}
