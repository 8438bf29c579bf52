//! Package URLs (purl-spec, type `deb`), by which scanners look up vulnerabilities.

use super::{ListedPackage, ReleaseName};

/// The URL of a package:
/// `pkg:deb/debian/bash@5.2.37-2%2Bb10?arch=amd64&distro=debian-13&upstream=…`.
pub(super) fn purl(package: &ListedPackage, release: &ReleaseName) -> String {
    let record = &package.record;
    let mut url = format!(
        "pkg:deb/{}{}@{}?arch={}",
        namespace(release),
        encoded(&record.name),
        encoded(&record.version),
        encoded(&record.architecture)
    );
    if !release.id.is_empty() {
        url.push_str(&format!("&distro={}", encoded(&release.id)));
        if !release.version.is_empty() {
            url.push_str(&format!("-{}", encoded(&release.version)));
        }
    }
    if package.has_other_source() {
        url.push_str(&format!("&upstream={}", encoded(&package.source.name)));
        if package.source.version != record.version {
            // The separator is part of the value.
            url.push_str(&format!("%40{}", encoded(&package.source.version)));
        }
    }
    url
}

fn namespace(release: &ReleaseName) -> String {
    match release.id.as_str() {
        "" => String::new(),
        id => format!("{}/", encoded(id)),
    }
}

/// Percent-encodes all but letters, digits and `-._~:`.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                encoded.push(char::from(byte));
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}
