//! Sources in odd forms: quotes, variables, options, schemes, fields.

use super::Shape;
use super::makers::plain;
use super::odd::{below_architecture, flat_in, named};

pub fn shapes() -> Vec<Shape> {
    let mut shapes = variables();
    shapes.extend(quotes());
    shapes.extend(options());
    shapes.extend(schemes());
    shapes.extend(fields());
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
