//! Tables of images, and files that are none.

use super::*;

const FILE: &str = r#"
[defaults]
profile = "docker"
include = ["ca-certificates"]
label = { maintainer = "me", "org.opencontainers.image.vendor" = "us" }
slim = true

[[images]]
suite = ["trixie", "bookworm"]
arch = ["amd64", "arm64,armhf"]
variant = ["minbase", "buildd"]
tag = "registry.example/{suite}:{variant}-{arch}"

[[images]]
name = "own"
suite = "sid"
slim = false
include = ["curl", "vim"]
label = { maintainer = "you" }
cmd = ["sh", "-c", "echo 'a b' \"{name}\""]
compress-level = 9
format = ".tar.zst"
sbom = []
only-mirror = "http://mirror.example/{time}/{suite}"
"#;

fn parse(text: &str) -> Result<ImageTable, BadTable> {
    ImageTable::parse(text, "s390x")
}

/// `--profile=docker`
fn words(entry: &ImageEntry) -> Vec<String> {
    let mut words = Vec::new();
    for option in &entry.options {
        match &option.values {
            None => words.push(format!("--{}", option.name)),
            Some(values) => {
                let name = &option.name;
                words.extend(values.iter().map(|value| format!("--{name}={value}")));
            }
        }
    }
    words
}

#[test]
fn a_row_is_the_product_of_its_lists() {
    let images = parse(FILE).unwrap().images;
    let names: Vec<&str> = images.iter().map(|image| image.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "trixie-minbase-amd64",
            "trixie-minbase-arm64",
            "trixie-buildd-amd64",
            "trixie-buildd-arm64",
            "bookworm-minbase-amd64",
            "bookworm-minbase-arm64",
            "bookworm-buildd-amd64",
            "bookworm-buildd-arm64",
            "own",
        ]
    );
    let foreign = &images[3];
    assert_eq!(foreign.architectures, "arm64,armhf");
    assert_eq!(foreign.ending, "oci.tar");
    assert_eq!(foreign.sboms, ["spdx.json"]);
    assert_eq!(
        words(foreign),
        [
            "--include=ca-certificates",
            "--label=maintainer=me",
            "--label=org.opencontainers.image.vendor=us",
            "--profile=docker",
            "--slim",
            "--tag=registry.example/trixie:buildd-arm64",
        ]
    );
}

#[test]
fn an_image_replaces_defaults_and_tables_add_up() {
    let own = parse(FILE).unwrap().images.pop().unwrap();
    assert_eq!(own.variant, "important");
    assert_eq!(own.architectures, "s390x");
    assert_eq!(own.ending, "tar.zst");
    assert!(own.sboms.is_empty());
    assert_eq!(
        own.only_mirror.as_deref(),
        Some("http://mirror.example/{time}/sid")
    );
    assert_eq!(
        words(&own),
        [
            r#"--cmd=["sh","-c","echo 'a b' \"own\""]"#,
            "--compress-level=9",
            "--include=curl",
            "--include=vim",
            "--label=maintainer=you",
            "--label=org.opencontainers.image.vendor=us",
            "--profile=docker",
        ]
    );
}

#[test]
fn endings_have_placeholders() {
    let text = "[[images]]\nsuite = 'a'\nname = 'b'\nformat = '{suite}.tar'\n\
                sbom = '{arch}.cdx.json'\npush = 'c'\n";
    let names = parse(text).unwrap().images[0].file_names();
    assert_eq!(names.image, "b.a.tar");
    assert_eq!(names.sboms, ["b.s390x.cdx.json"]);
    assert_eq!(names.refs.as_deref(), Some("b.refs"));
}

#[test]
fn other_files_are_refused() {
    let image = |text: &str| format!("[[images]]\nsuite = 'a'\n{text}\n");
    let rows = [
        ("empty", String::new(), "it has no [[images]]"),
        ("no suite", "[[images]]".into(), "image 1 has no `suite`"),
        (
            "no suites",
            "[[images]]\nsuite = []".into(),
            "image 1 has no `suite`",
        ),
        (
            "other table",
            "[image]".into(),
            "it is not valid TOML, or has another structure",
        ),
        (
            "no TOML",
            "images".into(),
            "it is not valid TOML, or has another structure",
        ),
        (
            "a number for a text",
            image("name = 1"),
            "image 1: `name` is an integer, not a string",
        ),
        (
            "a number in a list of texts",
            image("variant = [1]"),
            "image 1: `variant` is an integer, not a string in its list",
        ),
        (
            "a list in a list",
            image("include = [['a']]"),
            "image 1: `include` is a list, not a string or a number",
        ),
        (
            "a path for a name",
            image("name = '../a'"),
            "`../a` is not a name: it has a-z A-Z 0-9 . _ + - and begins with a letter or digit",
        ),
        (
            "a list of no variant",
            image("variant = []"),
            "image 1: `variant` is an empty list, which gives no image",
        ),
        (
            "a list of no architecture",
            image("arch = []"),
            "image 1: `arch` is an empty list, which gives no image",
        ),
        (
            "a value in a table",
            image("env = {A = true}"),
            "image 1: `env.A` is a boolean, not a string or a number",
        ),
        (
            "a path for a format",
            image("format = 'x/{name}'"),
            "`format`: `x/a-important-s390x` is not an ending: it has a-z A-Z 0-9 . _ + -",
        ),
        (
            "a path for a bill of materials",
            image("sbom = ['../spdx.json']"),
            "`sbom`: `../spdx.json` is not an ending: it has a-z A-Z 0-9 . _ + -",
        ),
        (
            "no ending",
            image("format = '.'"),
            "`format`: `.` is not an ending: it has a-z A-Z 0-9 . _ + -",
        ),
        (
            "one ending twice",
            image("name = 'b'\nsbom = ['spdx.json', '.spdx.json']"),
            "the image `b` would write b.spdx.json twice",
        ),
        (
            "an ending of another file",
            image("name = 'b'\nsbom = ['lock']"),
            "the image `b` would write b.lock twice",
        ),
        (
            "an image that two images write",
            image("name = 'b'") + &image("name = 'b.oci'\nformat = 'tar'\nsbom = []"),
            "the images `b` and `b.oci` would both write b.oci.tar",
        ),
        (
            "an image that is the lock of another",
            image("name = 'b.lock'\nformat = 'tar'") + &image("name = 'b'\nsbom = 'lock.tar'"),
            "the images `b.lock` and `b` would both write b.lock.tar",
        ),
        (
            "one name twice",
            image("variant = ['x', 'y']\nname = '{suite}'"),
            "two images are called `a`",
        ),
    ];
    for (case, text, expected) in &rows {
        let error = parse(text).expect_err(case);
        assert_eq!(error.to_string(), *expected, "{case}");
    }
}
