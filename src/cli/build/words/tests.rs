//! The texts of errors, and the keys that are suggested.

use super::*;
use crate::formats::image_table::ImageTable;

/// The options of the whole build.
#[derive(Parser)]
#[command(no_binary_name = true)]
struct CommonArgs {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    access: AccessArgs,
}

/// The error of an image with these settings.
fn refused(settings: &str) -> Error {
    let table = format!("[[images]]\nsuite = 'x'\nname = 'a'\n{settings}");
    let table = table.replace("name = 'a'\nname", "name");
    let entry = ImageTable::parse(&table, "amd64").unwrap().images.remove(0);
    let none: [&str; 0] = [];
    let common = CommonArgs::parse_from(none);
    let place = ImagePlace {
        file: Path::new("t.toml"),
        directory: Path::new("out"),
        run: &common.run,
        access: &common.access,
    };
    let files = files(&entry, place.directory);
    place.words(&entry, &files).unwrap_err()
}

#[test]
fn unknown_keys_and_endings_get_a_hint() {
    let rows = [
        (
            "a letter more",
            "includes = 'x'",
            "`includes` is not an option for images",
            "did you mean `include`?",
        ),
        (
            "the plural",
            "variants = 'x'",
            "`variants` is not an option for images",
            "did you mean `variant`?",
        ),
        (
            "a key of the table",
            "only-mirrors = 'x'",
            "`only-mirrors` is not an option for images",
            "did you mean `only-mirror`?",
        ),
        (
            "an option of the run",
            "cache-dir = 'x'",
            "`cache-dir` is not an option for images",
            "docs/build.md lists the keys; options of the run itself belong on the command line",
        ),
        (
            "a name with the beginning of an ending",
            "name = 'a.oci'\nformat = 'tar'",
            "`name`: the file a.oci.tar would be taken for an image of another format",
            "do not end the name in part of an image extension, such as `.oci`",
        ),
        (
            "an ending that a name would complete",
            "name = 'a.tar'\nformat = 'gz'",
            "`format`: no image has the ending `.gz`",
            "the endings are .oci.tar, .tar, .tar.gz, .tgz, .tar.xz, .txz, .tar.zst, .squashfs, \
             .sqfs, .ext2, .ext4",
        ),
    ];
    for (case, settings, problem, hint) in rows {
        let error = refused(settings);
        let text = error.to_string();
        assert!(text.ends_with(problem), "{case}: {text}");
        assert_eq!(error.hint().as_deref(), Some(hint), "{case}");
    }
}
