//! Archives whose files are elsewhere, or not there: no Release, a single index for all
//! architectures, odd names of packages' files, servers that forbid what they do not have.

use std::fs;

use rbootstrap::testing::{Compression, FakeSuite, host_architecture};

use super::Shape;
use super::makers::{flat, plain, s3, suite, without_by_hash};
use super::odd::{all_alone, at_path, unreleased, unsigned};

const TRUSTED: &str = "deb [trusted=yes] {uri} own main";
const FILE: &str = "deb [signed-by={key}] file:{root} own main";

pub fn shapes() -> Vec<Shape> {
    let mut shapes = without_release();
    shapes.extend(names_of_files());
    shapes.extend(all_architectures());
    shapes.extend(forbidden());
    shapes
}

fn without_release() -> Vec<Shape> {
    vec![
        Shape::new("no Release, gz", |w| unreleased(w, Compression::Gzip)).from(TRUSTED),
        Shape::new("no Release, xz", |w| unreleased(w, Compression::Xz)).from(TRUSTED),
        Shape::new("no Release, bz2", |w| unreleased(w, Compression::Bzip2)).from(TRUSTED),
        Shape::new("no Release, zst", |w| unreleased(w, Compression::Zstd)).from(TRUSTED),
        Shape::new("no Release, uncompressed", |w| {
            unreleased(w, Compression::None)
        })
        .from(TRUSTED),
        Shape::new("no Release, file:", |w| unreleased(w, Compression::Gzip))
            .from("deb [trusted=yes] file:{root} own main"),
        Shape::new("no Release, fields", |w| unreleased(w, Compression::Gzip))
            .from("Types: deb\nURIs: {uri}\nSuites: own\nComponents: main\nTrusted: yes"),
        Shape::new("no Release, not trusted", |w| {
            unreleased(w, Compression::Gzip)
        })
        .refused(),
        Shape::new("no Release, a component is missing", |w| {
            unreleased(w, Compression::Gzip)
        })
        .from("deb [trusted=yes] {uri} own main contrib")
        .refused(),
        Shape::new("no Release and no index", |_| ())
            .from(TRUSTED)
            .refused(),
        Shape::new("no Release, for all architectures", |w| {
            unreleased(w, Compression::Gzip);
            let directory = w.other.root.join("dists/own/main");
            let native = directory.join(format!("binary-{}", host_architecture()));
            fs::rename(native, directory.join("binary-all")).unwrap();
        })
        .from(TRUSTED)
        .refused(),
        Shape::new("no digests", |w| {
            unsigned(w, |r| r.split_once("SHA256:").unwrap().0.to_owned())
        })
        .from(TRUSTED),
        Shape::new("digests of an unknown kind", |w| {
            unsigned(w, |r| r.replace("SHA256:", "X-SHA256:"))
        })
        .from(TRUSTED),
        Shape::new("no signature", |w| unsigned(w, str::to_owned)).from(TRUSTED),
        Shape::new("no signature, not trusted", |w| unsigned(w, str::to_owned)).refused(),
        Shape::new("flat, trusted", |w| {
            flat(w);
            for name in ["InRelease", "Release", "Release.gpg"] {
                fs::remove_file(w.other.root.join(name)).unwrap();
            }
        })
        .from("deb [trusted=yes] file:{root} ./"),
    ]
}

fn names_of_files() -> Vec<Shape> {
    vec![
        Shape::new("an escape in a name", |w| {
            at_path(w, "pool/extra_1%3a1.1.deb")
        }),
        Shape::new("an escape, file:", |w| at_path(w, "pool/extra_1%3a1.1.deb")).from(FILE),
        Shape::new("a percent sign", |w| at_path(w, "pool/100%.deb")),
        Shape::new("a percent sign, file:", |w| at_path(w, "pool/100%.deb")).from(FILE),
        Shape::new("a space", |w| at_path(w, "pool/with space.deb")),
        Shape::new("a space, file:", |w| at_path(w, "pool/with space.deb")).from(FILE),
        Shape::new("other signs", |w| {
            at_path(w, "pool/a&b=c;d,e@f!$*'(x)[y].deb")
        }),
        Shape::new("other signs, file:", |w| {
            at_path(w, "pool/a&b=c;d,e@f!$*'(x)[y].deb")
        })
        .from(FILE),
        Shape::new("a letter beyond ASCII", |w| at_path(w, "pool/\u{fc}.deb")),
        Shape::new("two slashes", |w| at_path(w, "pool//extra.deb")),
        Shape::new("a slash first", |w| at_path(w, "/pool/extra.deb")).from(FILE),
        Shape::new("a dot first", |w| at_path(w, "./pool/./extra.deb")),
        Shape::new("tilde, plus and colon", |w| {
            at_path(w, "pool/extra_1:1.1~rc+b1.deb")
        }),
    ]
}

fn all_architectures() -> Vec<Shape> {
    vec![
        Shape::new("all: Architectures: all", |w| {
            all_alone(w, "Architectures: all\n")
        }),
        Shape::new("all: no Architectures", |w| all_alone(w, "")).warns(),
        Shape::new("all: native and all", |w| {
            let native = host_architecture();
            all_alone(w, &format!("Architectures: {native} all\n"));
        }),
        Shape::new("all: native alone", |w| {
            all_alone(w, &format!("Architectures: {}\n", host_architecture()))
        })
        .refused(),
        Shape::new("all: not supported", |w| {
            all_alone(
                w,
                "Architectures: all\nNo-Support-for-Architecture-all: Packages\n",
            )
        })
        .refused(),
        Shape::new("all: both indexes", |w| {
            w.other.publish(&FakeSuite {
                all_apart: true,
                ..suite("own")
            })
        }),
    ]
}

fn forbidden() -> Vec<Shape> {
    vec![
        Shape::new("403 for by-hash", without_by_hash).missing(403),
        Shape::new("403 for xz", s3).missing(403),
        Shape::new("403 for every index", |w| {
            plain(w);
            fs::remove_dir_all(w.other.root.join("dists/own/main")).unwrap();
        })
        .missing(403)
        .refused(),
        Shape::new("403 for Release.gpg beside InRelease", |w| {
            plain(w);
            fs::remove_file(w.other.root.join("dists/own/Release.gpg")).unwrap();
        })
        .missing(403),
        Shape::new("403 for the package", |w| {
            plain(w);
            fs::remove_dir_all(w.other.root.join("pool")).unwrap();
        })
        .missing(403)
        .refused(),
    ]
}
