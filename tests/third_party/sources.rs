//! Sources in odd forms: quotes, variables, options, schemes, fields.

use std::fs;

use rbootstrap::testing::Compression;
use rbootstrap::testing::tar::compress;

use super::makers::plain;
use super::odd::{below_architecture, flat_in, named};
use super::{Shape, World};

pub fn shapes() -> Vec<Shape> {
    let mut shapes = variables();
    shapes.extend(quotes());
    shapes.extend(options());
    shapes.extend(schemes());
    shapes.extend(fields());
    shapes.extend(lists());
    shapes
}

fn plainly(name: &'static str, source: &'static str) -> Shape {
    Shape::new(name, plain).from(source)
}

fn variables() -> Vec<Shape> {
    vec![
        Shape::new("$(ARCH) in a URI", below_architecture)
            .from("deb [signed-by={key}] {uri}/$(ARCH) own main"),
        Shape::new("$(ARCH) in a URI of a file", below_architecture)
            .from("deb [signed-by={key}] file:{root}/$(ARCH) own main"),
        Shape::new("$(ARCH) in a flat suite", |w| {
            flat_in(w, rbootstrap::testing::host_architecture())
        })
        .from("deb [signed-by={key}] {uri} $(ARCH)/"),
        Shape::new("$(ARCH) in fields", |w| {
            named(w, &architecture("own-"), "own", &architecture("own-"))
        })
        .from("Types: deb\nURIs: {uri}\nSuites: own-$(ARCH)\nComponents: main\nSigned-By: {key}"),
        Shape::new("$(ARCH) in a suite of a line", |w| {
            named(w, &architecture("own-"), "own", &architecture("own-"))
        })
        .from("deb [signed-by={key}] {uri} own-$(ARCH) main")
        .refused(),
        Shape::new("$(arch)", below_architecture)
            .from("deb [signed-by={key}] {uri}/$(arch) own main")
            .refused(),
    ]
}

fn architecture(before: &str) -> String {
    format!("{before}{}", rbootstrap::testing::host_architecture())
}

fn quotes() -> Vec<Shape> {
    vec![
        plainly("quotes", "deb [signed-by={key}] \"{uri}\" \"own\" \"main\""),
        plainly(
            "quotes in a word",
            "deb [signed-by={key}] {uri} o\"w\"n main",
        ),
        plainly(
            "quotes in an option",
            "deb [signed-by=\"{key}\"] {uri} own main",
        ),
        plainly("single quotes", "deb [signed-by={key}] '{uri}' own main").refused(),
        plainly("an open quote", "deb [signed-by={key}] {uri} own \"main").refused(),
        plainly("escapes", "deb [signed-by={key}] {uri} o%77n m%61in"),
        plainly("tabs", "deb\t[signed-by={key}] \t{uri}\town\tmain"),
        plainly("blanks first", "  deb [signed-by={key}] {uri} own main"),
        plainly(
            "a comment",
            "deb [signed-by={key}] {uri} own main # comment",
        ),
        plainly(
            "a comment in a word",
            "deb [signed-by={key}] {uri} own main#comment",
        ),
        plainly(
            "quotes around the type",
            "\"deb\" [signed-by={key}] {uri} own main",
        )
        .refused(),
        plainly(
            "the type in upper case",
            "DEB [signed-by={key}] {uri} own main",
        )
        .refused(),
        plainly(
            "a component twice",
            "deb [signed-by={key}] {uri} own main main",
        ),
        plainly("slashes last", "deb [signed-by={key}] {uri}// own main"),
        plainly("no component", "deb [signed-by={key}] {uri} own").refused(),
        plainly(
            "a component of a flat suite",
            "deb [signed-by={key}] {uri} own/ main",
        )
        .refused(),
        plainly(
            "a suite in brackets",
            "deb [signed-by={key}] {uri} [own] main",
        )
        .refused(),
    ]
}

fn options() -> Vec<Shape> {
    vec![
        plainly(
            "blanks in brackets",
            "deb [ signed-by={key} ] {uri} own main",
        ),
        plainly(
            "no blank after brackets",
            "deb [signed-by={key}]{uri} own main",
        )
        .refused(),
        plainly(
            "an option without a value",
            "deb [signed-by=] {uri} own main",
        )
        .refused(),
        plainly("an option without =", "deb [trusted] {uri} own main").refused(),
        plainly(
            "two brackets",
            "deb [signed-by={key}] [trusted=no] {uri} own main",
        )
        .refused(),
        plainly(
            "a comma last",
            "deb [signed-by={key}, trusted=no] {uri} own main",
        ),
        plainly(
            "an option in upper case",
            "deb [LANG=de signed-by={key}] {uri} own main",
        ),
        plainly(
            "another architecture",
            "deb [arch=m68k signed-by={key}] {uri} own main",
        )
        .refused(),
        plainly(
            "no Packages",
            "deb [target-=Packages signed-by={key}] {uri} own main",
        )
        .refused(),
        plainly(
            "only Packages",
            "deb [target=Packages signed-by={key}] {uri} own main",
        ),
        plainly(
            "options of downloads",
            "deb [lang=none by-hash=no pdiffs=no signed-by={key}] {uri} own main",
        ),
    ]
}

fn schemes() -> Vec<Shape> {
    vec![
        plainly("file:", "deb [signed-by={key}] file:{root} own main"),
        plainly(
            "file: with three slashes",
            "deb [signed-by={key}] file://{root} own main",
        ),
        plainly(
            "file: with two slashes",
            "deb [signed-by={key}] file:/{root} own main",
        )
        .refused(),
        plainly(
            "file: with a host",
            "deb [signed-by={key}] file://localhost{root} own main",
        )
        .refused(),
        plainly(
            "file: with a dot",
            "deb [signed-by={key}] file:{root}/./ own main",
        ),
        plainly("copy:", "deb [signed-by={key}] copy:{root} own main"),
        plainly(
            "copy: with three slashes",
            "deb [signed-by={key}] copy://{root} own main",
        ),
        plainly("FILE:", "deb [signed-by={key}] FILE:{root} own main").refused(),
    ]
}

fn fields() -> Vec<Shape> {
    vec![
        plainly(
            "deb822 in lower case",
            "types: deb\nuris: {uri}\nsuites: own\ncomponents: main\nsigned-by: {key}",
        ),
        plainly(
            "fields without blanks",
            "Types:deb\nURIs:{uri}\nSuites:own\nComponents:main\nSigned-By:{key}",
        ),
        plainly(
            "fields with blanks before colons",
            "Types : deb\nURIs : {uri}\nSuites : own\nComponents : main\nSigned-By : {key}",
        ),
        plainly(
            "comments between fields",
            "# c\nTypes: deb\nURIs: {uri}\n# c\nSuites: own\nComponents: main\nSigned-By: {key}",
        ),
        plainly(
            "values in further lines",
            "Types: deb\nURIs:\n {uri}\nSuites: own\nComponents:\n main\nSigned-By: {key}",
        ),
        plainly(
            "two suites that are one",
            "Types: deb\nURIs: {uri}\nSuites: own own\nComponents: main\nSigned-By: {key}",
        ),
        plainly(
            "empty lines before fields",
            "\n\nTypes: deb\nURIs: {uri}\nSuites: own\nComponents: main\nSigned-By: {key}",
        ),
        plainly(
            "fields of DOS",
            "Types: deb\r\nURIs: {uri}\r\nSuites: own\r\nComponents: main\r\nSigned-By: {key}\r\n",
        ),
        plainly(
            "Enabled: maybe",
            "Enabled: maybe\nTypes: deb\nURIs: {uri}\nSuites: own\nComponents: main\nSigned-By: {key}",
        ),
        plainly(
            "Enabled: off",
            "Enabled: off\nTypes: deb\nURIs: {uri}\nSuites: own\nComponents: main\nSigned-By: {key}",
        )
        .refused(),
        plainly(
            "Suites twice",
            "Types: deb\nURIs: {uri}\nSuites: own\nSuites: none\nComponents: main\nSigned-By: {key}",
        )
        .refused(),
        plainly(
            "a comma in URIs",
            "Types: deb\nURIs: {uri}/,\nSuites: own\nComponents: main\nSigned-By: {key}",
        )
        .refused(),
        plainly(
            "a comma in Components",
            "Types: deb\nURIs: {uri}\nSuites: own\nComponents: main, contrib\nSigned-By: {key}",
        )
        .refused(),
        plainly(
            "a line without a colon",
            "Types: deb\nURIs: {uri}\nSuites: own\nComponents: main\nSigned-By: {key}\nnothing",
        )
        .refused(),
        plainly(
            "no Types",
            "URIs: {uri}\nSuites: own\nComponents: main\nSigned-By: {key}",
        )
        .refused(),
        plainly(
            "another type",
            "Types: rpm\nURIs: {uri}\nSuites: own\nComponents: main\nSigned-By: {key}",
        )
        .refused(),
        plainly(
            "no Components",
            "Types: deb\nURIs: {uri}\nSuites: own\nSigned-By: {key}",
        )
        .refused(),
        plainly(
            "a byte order mark before fields",
            "\u{feff}Types: deb\nURIs: {uri}\nSuites: own\nComponents: main\nSigned-By: {key}",
        )
        .refused(),
        plainly(
            "a line of blanks between stanzas",
            "Types: deb\nURIs: {uri}\nSuites: own\nComponents: main\nSigned-By: {key}\n \nSuites: none",
        )
        .refused(),
    ]
}

/// Lists of mirrors.
fn lists() -> Vec<Shape> {
    let from = "deb [signed-by={key}] mirror+file:{root}/list own main";
    let listed = |name: &'static str, make| Shape::new(name, make).from(from);
    vec![
        listed("a list of mirrors", |w| list(w, "list", "{uri}\n")),
        listed("a list with comments and empty lines", |w| {
            list(w, "list", "# ours\n\n{uri}\n# more\n")
        }),
        listed("a list in the format of DOS", |w| {
            list(w, "list", "{uri}/\r\n")
        }),
        listed("a list without a newline", |w| list(w, "list", "{uri}")),
        listed("a list whose best mirror is last", |w| {
            list(
                w,
                "list",
                "http://127.0.0.1:9/debian\n{uri}\tpriority:10\n",
            )
        }),
        listed("a list with limits", |w| {
            list(
                w,
                "list",
                "{uri}\tarch:amd64 arch:arm64 arch:all type:deb type:index\tcomponent:main\n",
            )
        }),
        listed("a list with a blank after its URI", |w| {
            list(w, "list", "{uri} priority:1\n")
        })
        .refused(),
        listed("a list of mirrors by type", |w| {
            list(w, "list", "{uri}\ttype:index\n{uri}/\ttype:deb\n")
        }),
        listed("a list of directories", |w| {
            list(w, "list", "file:{root}\n")
        }),
        listed("a list of another list", |w| {
            list(w, "list", "mirror+file:{root}/more\n");
            fs::write(w.other.root.join("more"), w.server.origin()).unwrap();
        })
        .refused(),
        listed("an empty list", |w| list(w, "list", "# none\n")).refused(),
        listed("a list that is missing", plain).refused(),
        Shape::new("a compressed list", |w| {
            list(w, "list.gz", "{uri}\n");
        })
        .from("deb [signed-by={key}] mirror+file:{root}/list.gz own main"),
        Shape::new("a list by copy", |w| list(w, "list", "{uri}\n"))
            .from("deb [signed-by={key}] mirror+copy:{root}/list own main"),
        Shape::new("a list in a field", |w| list(w, "list", "{uri}\n")).from(
            "Types: deb\nURIs: mirror+file:{root}/list\nSuites: own\nComponents: main\nSigned-By: {key}",
        ),
        Shape::new("a list with three slashes", |w| list(w, "list", "{uri}\n"))
            .from("deb [signed-by={key}] mirror+file://{root}/list own main"),
    ]
}

/// A plain archive, and a list of mirrors beside it.
fn list(w: &World, name: &str, text: &str) {
    plain(w);
    let text = text
        .replace("{uri}", &w.server.origin())
        .replace("{root}", &w.other.root.display().to_string());
    let compression = match name.strip_suffix(".gz") {
        Some(_) => Compression::Gzip,
        None => Compression::None,
    };
    let content = compress(compression, text.as_bytes());
    fs::write(w.other.root.join(name), content).unwrap();
}
