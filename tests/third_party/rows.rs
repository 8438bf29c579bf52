//! The archives, one a row: how each is made, and what is taken from it.

use rbootstrap::testing::Compression;

use super::Shape;
use super::makers::*;

const PLAIN: Shape = Shape::new("", |_| ());

pub fn shapes() -> Vec<Shape> {
    vec![
        Shape {
            name: "reprepro, by codename",
            rest: "own main contrib",
            make: reprepro,
            ..PLAIN
        },
        Shape {
            name: "reprepro, by suite",
            rest: "stable main contrib",
            make: reprepro,
            ..PLAIN
        },
        Shape {
            name: "aptly",
            make: aptly,
            ..PLAIN
        },
        Shape {
            name: "Nexus: all packages are for all architectures",
            make: nexus,
            ..PLAIN
        },
        Shape {
            name: "S3: 403 for what is missing",
            missing: 403,
            make: s3,
            ..PLAIN
        },
        Shape {
            name: "S3: 403 for InRelease",
            missing: 403,
            version: "",
            make: detached,
            warns: false,
            ..PLAIN
        },
        Shape {
            name: "Launchpad",
            rest: "noble main",
            make: launchpad,
            ..PLAIN
        },
        Shape {
            name: "NVIDIA: flat, at /",
            rest: "/",
            make: flat,
            ..PLAIN
        },
        Shape {
            name: "flat, at ./",
            rest: "./",
            make: flat,
            ..PLAIN
        },
        Shape {
            name: "PGDG",
            rest: "trixie-pgdg main 17",
            make: pgdg,
            ..PLAIN
        },
        Shape {
            name: "Docker: a component of its own",
            rest: "own stable",
            make: docker,
            ..PLAIN
        },
        Shape {
            name: "Artifactory: by-hash of weak digests",
            make: artifactory,
            ..PLAIN
        },
        Shape {
            name: "by-hash without its files",
            make: without_by_hash,
            ..PLAIN
        },
        Shape {
            name: "by-hash=force",
            rest: "own main|by-hash=force",
            make: without_by_hash,
            ..PLAIN
        },
        Shape {
            name: "uncompressed alone",
            make: |w| lone(w, Compression::None),
            ..PLAIN
        },
        Shape {
            name: "xz alone",
            version: "",
            make: |w| lone(w, Compression::Xz),
            ..PLAIN
        },
        Shape {
            name: "gz alone",
            version: "",
            make: |w| lone(w, Compression::Gzip),
            ..PLAIN
        },
        Shape {
            name: "an absent component",
            rest: "own main none",
            make: plain,
            warns: true,
            ..PLAIN
        },
        Shape {
            name: "only an absent component",
            rest: "own none",
            make: plain,
            version: "",
            warns: true,
            ..PLAIN
        },
        Shape {
            name: "another Suite and Codename",
            make: other_names,
            warns: true,
            ..PLAIN
        },
        Shape {
            name: "no Suite and Codename",
            make: no_names,
            warns: true,
            ..PLAIN
        },
        Shape {
            name: "no Date",
            make: |w| edit(w, |r| without(r, "Date:")),
            warns: true,
            ..PLAIN
        },
        Shape {
            name: "a Date in ISO form",
            warns: true,
            make: |w| edit(w, |r| without(r, "Date:") + "Date: 2026-01-01T00:00:00Z\n"),
            ..PLAIN
        },
        Shape {
            name: "blanks before values",
            make: |w| edit(w, |r| r.replace(": ", ":   ")),
            ..PLAIN
        },
        Shape {
            name: "blanks at the ends of lines",
            make: blanks_at_ends,
            ..PLAIN
        },
        Shape {
            name: "CRLF",
            make: |w| edit(w, |r| r.replace('\n', "\r\n")),
            ..PLAIN
        },
        Shape {
            name: "no Architectures",
            make: |w| edit(w, |r| without(r, "Architectures:")),
            ..PLAIN
        },
        Shape {
            name: "no Components",
            make: |w| edit(w, |r| without(r, "Components:")),
            ..PLAIN
        },
        Shape {
            name: "expired",
            version: "",
            make: expired,
            ..PLAIN
        },
        Shape {
            name: "expired, with valid-until-min",
            make: expired,
            rest: "own main|valid-until-min=4000000000",
            ..PLAIN
        },
        Shape {
            name: "old, with valid-until-max",
            make: plain,
            version: "",
            rest: "own main|valid-until-max=5",
            ..PLAIN
        },
        Shape {
            name: "MD5 alone",
            version: "",
            make: weak,
            ..PLAIN
        },
    ]
}
