//! Tables that are refused before anything is built, and lists of images, which need no archive.

use super::*;

/// A table, and what is said about it.
type Refusal = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
);

#[test]
#[ignore = "needs time"]
fn a_bad_table_is_refused_before_anything_is_built() {
    let rows: [Refusal; 12] = [
        ("no image", "", &[], "images.toml does not describe images"),
        (
            "an option of the run",
            "[[images]]\nsuite = 'fake'\nname = 'a'\ncache-dir = 'x'",
            &[],
            "images.toml: image a: `cache-dir` is not an option for images",
        ),
        (
            "a misspelled option",
            "[[images]]\nsuite = 'fake'\nname = 'a'\nincludes = ['x']",
            &[],
            "images.toml: image a: `includes` is not an option for images",
        ),
        (
            "a bad value",
            "[[images]]\nsuite = 'fake'\nname = 'a'\nvariant = 'fat'",
            &[],
            "images.toml: image a: invalid value 'fat' for '--variant <NAME>': unknown variant `fat`",
        ),
        (
            "an ending of no image",
            "[[images]]\nsuite = 'fake'\nname = 'a'\nformat = 'img'",
            &[],
            "images.toml: image a: `format`: no image has the ending `.img`",
        ),
        (
            "a bill of materials",
            "[[images]]\nsuite = 'fake'\nname = 'a'\nsbom = 'x.xml'",
            &[],
            "the image a cannot be built",
        ),
        (
            "an option of other images",
            "[[images]]\nsuite = 'fake'\nname = 'a'\nformat = 'tar'\ntag = 'x'",
            &[],
            "the image a cannot be built",
        ),
        (
            "no variant",
            "[[images]]\nsuite = 'fake'\nvariant = []",
            &[],
            "image 1: `variant` is an empty list",
        ),
        (
            "an image that two images write",
            "[[images]]\nsuite = 'fake'\nname = 'a'\n\
             [[images]]\nsuite = 'fake'\nname = 'a.oci'\nformat = 'tar'",
            &[],
            "the images `a` and `a.oci` would both write a.oci.tar",
        ),
        (
            "a bad value in a list",
            "[[images]]\nsuite = 'fake'\nname = 'a'\nvariant = 'fat'",
            &["--list"],
            "unknown variant `fat`",
        ),
        (
            "another name",
            "[[images]]\nsuite = 'fake'\nname = 'a'",
            &["--", "images.toml", "b*"],
            "images.toml has no image `b*`",
        ),
        (
            "a part",
            "[[images]]\nsuite = 'fake'\nname = 'a'",
            &["--shard=4/3"],
            "invalid value '4/3' for '--shard <I/N>': `4/3` is not a part such as 1/3",
        ),
    ];
    for (case, table, options, expected) in &rows {
        let context = context(table);
        let mut command = context.program();
        command.args(["build", "--output-dir=out"]).args(*options);
        if !options.contains(&"--") {
            command.arg("images.toml");
        }
        let refused = outcome(&mut command);
        assert_eq!(refused.code, Some(2), "{case}: {}", refused.stderr);
        assert!(
            refused.stderr.contains(expected),
            "{case}: {}",
            refused.stderr
        );
        assert_eq!(context.mirror.paths(), Vec::<String>::new(), "{case}");
        assert!(!context.path("out").exists(), "{case}");
    }
    println!("{} tables", rows.len());
    let context = TestContext::bare();
    let absent = outcome(context.program().args(["build", "absent.toml"]));
    absent.fails(2).names(&["cannot read absent.toml"]);
}

/// What is in an image is in the file alone.
#[test]
fn image_options_in_the_environment_are_ignored() {
    let context = TestContext::bare();
    let table = "[[images]]\nsuite = 'trixie'\nname = 'a'\n";
    fs::write(context.path("images.toml"), table).unwrap();
    let mut command = context.program();
    command.args(["build", "--list", "images.toml"]);
    command.env("RBOOTSTRAP_MIRROR", "no mirror");
    assert_eq!(outcome(&mut command).ok().text(), "a\n");
}

#[test]
fn the_output_directory_must_not_be_a_file() {
    let context = context("[[images]]\nsuite = 'fake'\nname = 'a'\n");
    fs::write(context.path("out"), "").unwrap();
    let refused = build(&context, &[]).fails(6);
    refused.names(&["cannot write out", "not a directory"]);
}

/// The names that a list has.
fn listed(context: &TestContext, options: &[&str]) -> Vec<String> {
    let text = build(context, &[&["--list"], options].concat()).ok().text();
    text.lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs time"]
fn a_list_has_the_parts_of_a_table() {
    let table = "[[images]]\nsuite = ['trixie', 'sid']\narch = ['amd64', 'arm64,armhf']\n\
                 variant = ['minbase', 'buildd']\n";
    let context = context(table);
    let all = listed(&context, &[]);
    assert_eq!(all.len(), 8);
    assert_eq!(all[3], "trixie-buildd-arm64");
    let mut parts = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        parts.extend(listed(&context, &["--shard", shard]));
    }
    parts.sort();
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(parts, sorted);
    let json = build(&context, &["--list", "--json", "--shard=2/8"])
        .ok()
        .text();
    assert_eq!(
        json,
        "{\"version\":1,\"images\":[{\"name\":\"trixie-minbase-arm64\",\"suite\":\"trixie\",\
         \"variant\":\"minbase\",\"architecture\":\"arm64\",\
         \"image\":\"out/trixie-minbase-arm64.oci.tar\"}]}\n"
    );
    let mut named = context.program();
    named.args(["build", "--list", "images.toml", "sid-*-amd64", "trixie-b*"]);
    assert_eq!(
        outcome(&mut named).ok().text(),
        "trixie-buildd-amd64\ntrixie-buildd-arm64\nsid-minbase-amd64\nsid-buildd-amd64\n"
    );
    assert_eq!(context.mirror.paths(), Vec::<String>::new());
}
