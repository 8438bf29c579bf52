//! Indexes in odd forms: empty lines, comments, other cases, invalid numbers and digests, bytes
//! after the compressed stream.

use rbootstrap::testing::tar::compress;
use rbootstrap::testing::{Compression, DebBuilder};

use super::odd::{packed, stanza, tailed, with_index, with_lines};
use super::{Shape, World};

pub fn shapes() -> Vec<Shape> {
    let mut shapes = lines();
    shapes.extend(names());
    shapes.extend(numbers());
    shapes.extend(streams());
    shapes
}

fn lines() -> Vec<Shape> {
    vec![
        Shape::new("three empty lines between", |w| {
            with_index(w, |t| t.replace("\n\nPackage", "\n\n\n\nPackage"))
        }),
        Shape::new("one empty line first", |w| {
            with_index(w, |t| format!("\n{t}"))
        }),
        Shape::new("an empty line of DOS first", |w| {
            with_index(w, |t| format!("\r\n{t}"))
        }),
        Shape::new("two empty lines first", |w| {
            with_index(w, |t| format!("\n\n{t}"))
        })
        .refused(),
        Shape::new("empty lines last", |w| {
            with_index(w, |t| format!("{t}\n\n\n"))
        }),
        Shape::new("no newline last", |w| {
            with_index(w, |t| t.trim_end().to_owned())
        }),
        Shape::new("a line of blanks between", |w| {
            with_index(w, |t| t.replace("\n\nPackage", "\n \nPackage"))
        }),
        Shape::new("a stanza of blanks", |w| {
            with_index(w, |t| t.replace("\n\nPackage", "\n\n  \n\nPackage"))
        })
        .refused(),
        Shape::new("an empty line within a stanza", |w| {
            with_index(w, |t| t.replace("Version: 1.1", "\nVersion: 1.1"))
        })
        .refused(),
        Shape::new("lines of DOS", |w| {
            with_index(w, |t| t.replace('\n', "\r\n"))
        }),
        Shape::new("many lines of DOS", |w| {
            with_index(w, |t| many(t).replace('\n', "\r\n"))
        }),
        Shape::new("a comment first", |w| {
            with_index(w, |t| format!("# x\n{t}"))
        })
        .refused(),
        Shape::new("a comment before Version", |w| {
            with_index(w, |t| t.replace("Version: 1.1", "# x\nVersion: 1.1"))
        })
        .takes("1.0"),
        Shape::new("a comment at a stanza's end", |w| {
            with_index(w, |t| t.replace("\n\nPackage", "\n# x\n\nPackage"))
        }),
        Shape::new("a stanza without a colon", |w| {
            with_index(w, |t| t.replace("\n\nPackage", "\n\nnothing\n\nPackage"))
        })
        .refused(),
        Shape::new("a byte order mark", |w| {
            with_index(w, |t| format!("\u{feff}{t}"))
        })
        .refused(),
        Shape::new("a stanza without Package", |w| {
            with_index(w, |t| format!("Foo: bar\n\n{t}"))
        })
        .refused(),
        Shape::new("an empty Package", |w| {
            with_index(w, |t| format!("{t}Package:\nVersion: 1\n"))
        })
        .refused(),
        Shape::new("nothing but a newline", |w| with_index(w, |_| "\n".into())).refused(),
        Shape::new("nothing", |w| with_index(w, |_| String::new())).refused(),
    ]
}

/// An index of more than a megabyte.
fn many(text: &str) -> String {
    let mut all = text.to_owned();
    for number in 0..20_000 {
        all += &format!("Package: p{number}\nVersion: 1\nArchitecture: all\nSection: misc\n\n");
    }
    all
}

fn names() -> Vec<Shape> {
    vec![
        Shape::new("a name in upper case", |w| {
            with_lines(w, "Package:", "Package: EXTRA\n")
        }),
        Shape::new("a name in two cases", |w| {
            with_index(w, |t| t.replacen("Package: extra", "Package: Extra", 1))
        }),
        Shape::new("a dependency on a name in mixed case", |w| {
            depending(w, "libown", DebBuilder::new("LibOwn", "1"))
        }),
        Shape::new("a versioned dependency on one", |w| {
            depending(w, "libown (>= 1)", DebBuilder::new("LIBOWN", "1"))
        }),
        Shape::new("a virtual name in mixed case", |w| {
            let own = DebBuilder::new("own", "1").field("Provides", "OwnVirtual");
            depending(w, "OwnVirtual", own);
        }),
        Shape::new("fields in lower case", |w| {
            with_index(w, |t| {
                t.replace("Package:", "package:")
                    .replace("Filename:", "filename:")
            })
        }),
        Shape::new("fields in upper case", |w| {
            with_index(w, |t| {
                t.replace("Version:", "VERSION:").replace("Size:", "SIZE:")
            })
        }),
        Shape::new("blanks before colons", |w| {
            with_index(w, |t| {
                t.replace("Package:", "Package :")
                    .replace("Size:", "Size\t:")
            })
        }),
        Shape::new("tabs after colons", |w| {
            with_lines(w, "Version:", "Version:\t \tVALUE\n")
        }),
        Shape::new("no blanks after colons", |w| {
            with_lines(w, "Package:", "Package:VALUE\n")
        }),
        Shape::new("two Versions", |w| {
            with_index(w, |t| {
                t.replace("Version: 1.1\n", "Version: 1.1\nVersion: 1.2\n")
            })
        })
        .takes("1.2"),
        Shape::new("no Version", |w| {
            with_index(w, |t| t.replace("Version: 1.1\n", ""))
        })
        .takes("1.0"),
        Shape::new("no Architecture", |w| with_lines(w, "Architecture:", "")).refused(),
    ]
}

/// Publishes `own` with a package that depends on another.
fn depending(world: &World, relation: &str, other: DebBuilder) {
    let other = stanza(world, &other.architecture("all"));
    with_index(world, |text| {
        let depends = format!("Version: 1.1\nDepends: {relation}");
        text.replace("Version: 1.1", &depends) + &other
    });
}

fn numbers() -> Vec<Shape> {
    vec![
        Shape::new("Size with a fraction", |w| {
            with_lines(w, "Size:", "Size: VALUE.0\n")
        }),
        Shape::new("Size with a sign", |w| {
            with_lines(w, "Size:", "Size: +VALUE\n")
        }),
        Shape::new("Size with zeros before", |w| {
            with_lines(w, "Size:", "Size: 00VALUE\n")
        }),
        Shape::new("Size with a unit", |w| {
            with_lines(w, "Size:", "Size: VALUE bytes\n")
        }),
        Shape::new("Size in words", |w| with_lines(w, "Size:", "Size: small\n")).refused(),
        Shape::new("no Size", |w| with_lines(w, "Size:", "")).refused(),
        Shape::new("no Filename", |w| with_lines(w, "Filename:", "")).refused(),
        Shape::new("Installed-Size with a fraction", |w| {
            with_lines(w, "Size:", "Size: VALUE\nInstalled-Size: 706.0\n")
        }),
        Shape::new("Installed-Size in words", |w| {
            with_lines(w, "Size:", "Size: VALUE\nInstalled-Size: unknown\n")
        }),
        Shape::new("Installed-Size below zero", |w| {
            with_lines(w, "Size:", "Size: VALUE\nInstalled-Size: -5\n")
        }),
        Shape::new("Installed-Size with a comma", |w| {
            with_lines(w, "Size:", "Size: VALUE\nInstalled-Size: 1,024\n")
        }),
        Shape::new("digests in upper case", |w| with_index(w, upper)).refused(),
        Shape::new("short digests", |w| {
            with_lines(w, "SHA256:", "SHA256: 0078\n")
        })
        .refused(),
        Shape::new("other digests", |w| {
            with_lines(w, "SHA256:", "MD5sum: d41d8cd98f00b204e9800998ecf8427e\n")
        })
        .refused(),
        Shape::new("a wrong digest beside", |w| {
            let wrong = format!("SHA256: VALUE\nSHA512: {}\n", "0".repeat(128));
            with_lines(w, "SHA256:", &wrong);
        })
        .refused(),
        Shape::new("an unknown Priority, Section and Multi-Arch", |w| {
            let odd = "Size: VALUE\nPriority: whatever\nSection: -\nMulti-Arch: no\n";
            with_lines(w, "Size:", odd);
        }),
    ]
}

/// Text with its digests in upper case.
fn upper(text: &str) -> String {
    let mut changed = String::new();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("SHA256: ") {
            Some(digest) => changed += &format!("SHA256: {}", digest.to_uppercase()),
            None => changed += line,
        }
    }
    changed
}

fn streams() -> Vec<Shape> {
    use Compression::{Bzip2, Gzip, Lzma, Xz, Zstd};
    vec![
        Shape::new("gz, then zeros", |w| tailed(w, Gzip, &[0; 17])),
        Shape::new("gz, then text", |w| tailed(w, Gzip, b"text after it")),
        Shape::new("gz, then the start of another", |w| {
            tailed(w, Gzip, &[0x1f, 0x8b])
        }),
        Shape::new("gz of two members", |w| {
            packed(w, Gzip, |text| {
                let (first, second) = text.split_at(text.len() / 2);
                [compress(Gzip, first), compress(Gzip, second)].concat()
            })
        }),
        Shape::new("gz that is cut", |w| {
            packed(w, Gzip, |text| {
                let mut whole = compress(Gzip, text);
                whole.truncate(whole.len() - 20);
                whole
            })
        })
        .refused(),
        Shape::new("gz that is text", |w| packed(w, Gzip, |text| text.to_vec())),
        Shape::new("xz, then zeros", |w| tailed(w, Xz, &[0; 8])),
        Shape::new("xz, then text", |w| tailed(w, Xz, b"text after it")),
        Shape::new("bz2, then text", |w| tailed(w, Bzip2, b"text after it")),
        Shape::new("lzma, then text", |w| tailed(w, Lzma, b"text after it")),
        Shape::new("zst, then text", |w| tailed(w, Zstd, b"text after it")).refused(),
        Shape::new("zst, then zeros", |w| tailed(w, Zstd, &[0; 8])).refused(),
    ]
}
