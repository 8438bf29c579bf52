//! Command lines as tables: what each asks for, and which are refused; the helps as snapshots.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::FromArgMatches;
use clap::builder::{Resettable, StyledStr};

use super::environment::Environment;
use super::{Cli, CommandArgs, help, order};
use crate::pack::{Content, ENDINGS, Image, Layout};
use crate::run::Request;

/// The request of a command line, or its error.
fn request(arguments: &str) -> Result<Request, String> {
    let cli = parse(arguments).map_err(|error| first_line(&error.to_string()))?;
    assert!(cli.command.is_none(), "{arguments}");
    let request = cli.bootstrap.into_request(&Environment::default());
    request.map_err(|error| format!("error: {error}"))
}

/// Parses a command line without the environment's variables.
fn parse(arguments: &str) -> Result<Cli, clap::Error> {
    let command = help::command().mut_args(|arg| arg.env(Resettable::Reset));
    let words = arguments.split(' ').map(OsString::from).collect();
    let matches = command
        .clone()
        .try_get_matches_from(order::command_first(words, &command))?;
    Cli::from_arg_matches(&matches)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Each command line with what it writes.
fn outputs(rows: &[&str]) -> String {
    let mut table = String::new();
    for row in rows {
        let made = match request(row) {
            Ok(request) => shown(&request),
            Err(error) => error,
        };
        writeln!(table, "{row}\n    {made}").unwrap();
    }
    table
}

fn shown(request: &Request) -> String {
    let mut parts = vec![format!("{:?}", request.goal)];
    if let Some(directory) = &request.outputs.directory {
        parts.push(format!("directory {}", directory.display()));
    }
    if let Some(image) = &request.outputs.image {
        parts.push(image_line(image));
    }
    for architectures in &request.other_architectures {
        parts.push(format!("and {}", architectures.join(",")));
    }
    parts.join(", ")
}

fn image_line(image: &Image) -> String {
    let at = match image.path() {
        None => "stdout".to_owned(),
        Some(path) => path.display().to_string(),
    };
    let form = match &image.content {
        Content::Tar(_) => "tar",
        Content::Oci {
            layout: Layout::Archive(_),
            ..
        } => "OCI archive",
        Content::Oci {
            layout: Layout::Directory(_),
            ..
        } => "OCI directory",
    };
    format!("{form} {at}, {}", image.encoding)
}

/// Compares a help text with its snapshot.
fn assert_text(name: &str, text: &StyledStr) {
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn the_command_is_well_formed() {
    help::command().debug_assert();
}

#[test]
fn short_help() {
    assert_text("short_help", &help::command().render_help());
}

#[test]
fn long_help() {
    assert_text("long_help", &help::command().render_long_help());
}

#[test]
fn help_of_pack() {
    let mut command = help::command();
    command.build();
    let pack = command.find_subcommand_mut("pack").unwrap();
    assert_text("help_of_pack", &pack.render_help());
}

#[test]
fn help_and_readme_name_every_ending() {
    let help = help::command().render_long_help().to_string();
    let readme = include_str!("../../README.md");
    for (ending, _) in ENDINGS {
        assert!(
            help.contains(&format!("{ending}, ")) || help.contains(&format!(" {ending} ")),
            "{ending}"
        );
        assert!(readme.contains(&format!("`*{ending}`")), "{ending}");
    }
}

#[test]
fn the_target_decides_what_is_written() {
    insta::assert_snapshot!(outputs(&[
        "rbootstrap noble ./noble",
        "rbootstrap noble n.tar",
        "rbootstrap noble ./http://m/n",
        "rbootstrap noble a:b",
        "rbootstrap noble n.tar.zst",
        "rbootstrap noble n.tgz",
        "rbootstrap --format dir noble n.tar",
        "rbootstrap --format tar noble n",
        "rbootstrap noble n --tar n.tar.xz",
        "rbootstrap noble n --tar n",
        "rbootstrap noble n --tar n.oci.tar",
        "rbootstrap noble n.oci.tar",
        "rbootstrap --format oci noble n.tar",
        "rbootstrap --format oci noble n",
        "rbootstrap --format oci noble -",
        "rbootstrap --format tar noble n.oci.tar",
        "rbootstrap --format tar noble n.img",
        "rbootstrap --format dir noble n.img",
        "rbootstrap noble n.d/",
        "rbootstrap --compress zstd --compress-level 19 noble n.oci.tar",
        "rbootstrap --compress zstd noble -",
        "rbootstrap --arch amd64,i386 --arch arm64 noble n.oci.tar",
        "rbootstrap --compress-level 0 noble n.txz",
        "rbootstrap --print-debs noble",
        "rbootstrap --simulate noble n",
        "rbootstrap --dry-run noble n",
        "rbootstrap --download-only noble n",
    ]), @"
    rbootstrap noble ./noble
        Make, directory ./noble
    rbootstrap noble n.tar
        Make, tar n.tar, not compressed
    rbootstrap noble ./http://m/n
        Make, directory ./http://m/n
    rbootstrap noble a:b
        Make, directory a:b
    rbootstrap noble n.tar.zst
        Make, tar n.tar.zst, zst at level 9
    rbootstrap noble n.tgz
        Make, tar n.tgz, gz at level 6
    rbootstrap --format dir noble n.tar
        Make, directory n.tar
    rbootstrap --format tar noble n
        Make, tar n, not compressed
    rbootstrap noble n --tar n.tar.xz
        Make, directory n, tar n.tar.xz, xz at level 6
    rbootstrap noble n --tar n
        Make, directory n, tar n, not compressed
    rbootstrap noble n --tar n.oci.tar
        Make, directory n, OCI archive n.oci.tar, gz at level 6
    rbootstrap noble n.oci.tar
        Make, OCI archive n.oci.tar, gz at level 6
    rbootstrap --format oci noble n.tar
        Make, OCI archive n.tar, gz at level 6
    rbootstrap --format oci noble n
        Make, OCI directory n, gz at level 6
    rbootstrap --format oci noble -
        Make, OCI archive stdout, gz at level 6
    rbootstrap --format tar noble n.oci.tar
        Make, tar n.oci.tar, not compressed
    rbootstrap --format tar noble n.img
        Make, tar n.img, not compressed
    rbootstrap --format dir noble n.img
        Make, directory n.img
    rbootstrap noble n.d/
        Make, directory n.d/
    rbootstrap --compress zstd --compress-level 19 noble n.oci.tar
        Make, OCI archive n.oci.tar, zst at level 19
    rbootstrap --compress zstd noble -
        Make, tar stdout, zst at level 9
    rbootstrap --arch amd64,i386 --arch arm64 noble n.oci.tar
        Make, OCI archive n.oci.tar, gz at level 6, and arm64
    rbootstrap --compress-level 0 noble n.txz
        Make, tar n.txz, xz at level 0
    rbootstrap --print-debs noble
        PrintDebs
    rbootstrap --simulate noble n
        Simulate
    rbootstrap --dry-run noble n
        Simulate
    rbootstrap --download-only noble n
        Download
    ");
}

#[test]
fn contradictions_are_refused() {
    insta::assert_snapshot!(outputs(&[
        "rbootstrap",
        "rbootstrap --variant=fat noble n",
        "rbootstrap noble n m",
        "rbootstrap noble http://m/ubuntu",
        "rbootstrap --simulate noble copy:/srv/ubuntu",
        "rbootstrap noble n --tar http://m/n.tar",
        "rbootstrap --mirror m noble n",
        "rbootstrap --mirror http://m/[x] noble n",
        "rbootstrap noble a http://b c",
        "rbootstrap noble a http://b c d",
        "rbootstrap -q -v noble n",
        "rbootstrap noble n.tar --tar m.tar",
        "rbootstrap noble n.img",
        "rbootstrap noble n.tar.lz4",
        "rbootstrap noble n.oci.tar.gz",
        "rbootstrap noble n --tar n.zip",
        "rbootstrap --format oci noble n.tar.gz",
        "rbootstrap --format ext4 noble n",
        "rbootstrap --tag n noble n",
        "rbootstrap --user 1 noble n.tar",
        "rbootstrap --label a=b noble -",
        "rbootstrap --compress zstd noble n",
        "rbootstrap --compress zstd noble n.tar.gz",
        "rbootstrap --compress gz noble n.tar",
        "rbootstrap --compress xz noble n.oci.tar",
        "rbootstrap --arch amd64 --arch arm64 noble n",
        "rbootstrap --arch amd64 --arch arm64 noble n --tar n.oci.tar",
        "rbootstrap --compress-level 3 noble n",
        "rbootstrap --compress-level 3 noble n.tar",
        "rbootstrap --compress-level 0 noble n.tar.gz",
        "rbootstrap --compress-level 20 noble n.tar.zst",
        "rbootstrap --compress-level 10 noble n.tar.xz",
        "rbootstrap --compress-level 256 noble n.tar.xz",
        "rbootstrap --tag Noble noble n.oci.tar",
        "rbootstrap --label a noble n.oci.tar",
        "rbootstrap --env =b noble n.oci.tar",
        "rbootstrap --cmd '[' noble n.oci.tar",
        "rbootstrap --workdir srv noble n.oci.tar",
        "rbootstrap --user a:b:c noble n.oci.tar",
        "rbootstrap --format dir noble",
        "rbootstrap --print-debs --simulate noble",
        "rbootstrap --download-only --no-cache noble",
        "rbootstrap --merged-usr --no-merged-usr noble n",
        "rbootstrap --no-check-gpg --force-check-gpg noble n",
        "rbootstrap --jobs 0 noble n",
        "rbootstrap --downloads 65 noble n",
        "rbootstrap --timeout 0 noble n",
        "rbootstrap --tries 0 noble n",
        "rbootstrap --min-speed fast noble n",
        "rbootstrap --mirror-wait long noble n",
        "rbootstrap --cache-max-size many noble n",
        "rbootstrap --script-timeout soon noble n",
        "rbootstrap --path-exclude usr/share/man/* noble n",
        "rbootstrap --path-include= noble n",
        "rbootstrap --no-such-option noble n",
    ]), @r#"
    rbootstrap
        error: the following required arguments were not provided:
    rbootstrap --variant=fat noble n
        error: invalid value 'fat' for '--variant <NAME>': unknown variant `fat` (expected one of: essential, apt, minbase, buildd, important, standard, custom, extract)
    rbootstrap noble n m
        error: `m` is not the URL of a mirror
    rbootstrap noble http://m/ubuntu
        error: TARGET is `http://m/ubuntu`, which is a URL and not a path
    rbootstrap --simulate noble copy:/srv/ubuntu
        error: TARGET is `copy:/srv/ubuntu`, which is a URL and not a path
    rbootstrap noble n --tar http://m/n.tar
        error: --tar is `http://m/n.tar`, which is a URL and not a path
    rbootstrap --mirror m noble n
        error: `m` is not the URL of a mirror
    rbootstrap --mirror http://m/[x] noble n
        error: `http://m/[x]` is not the URL of a mirror
    rbootstrap noble a http://b c
        error: unexpected argument `c` after SUITE, TARGET and MIRROR
    rbootstrap noble a http://b c d
        error: unexpected argument `c` after SUITE, TARGET and MIRROR
    rbootstrap -q -v noble n
        error: the argument '--quiet' cannot be used with '--verbose...'
    rbootstrap noble n.tar --tar m.tar
        error: --tar needs a directory TARGET, but `n.tar` is a tar
    rbootstrap noble n.img
        error: `n.img`: no image is written with the ending .img
    rbootstrap noble n.tar.lz4
        error: `n.tar.lz4`: no image is written with the ending .tar.lz4
    rbootstrap noble n.oci.tar.gz
        error: `n.oci.tar.gz`: no image is written with the ending .oci.tar.gz
    rbootstrap noble n --tar n.zip
        error: `n.zip`: no image is written with the ending .zip
    rbootstrap --format oci noble n.tar.gz
        error: `n.tar.gz`: an OCI image is not compressed as a whole, its layer is
    rbootstrap --format ext4 noble n
        error: invalid value 'ext4' for '--format <FORMAT>'
    rbootstrap --tag n noble n
        error: --tag does not apply to `n`, which is a directory
    rbootstrap --user 1 noble n.tar
        error: --user does not apply to `n.tar`, which is a tar
    rbootstrap --label a=b noble -
        error: --label does not apply to `-`, which is a tar unless --format oci is given
    rbootstrap --compress zstd noble n
        error: --compress does not apply to `n`, which is a directory
    rbootstrap --compress zstd noble n.tar.gz
        error: --compress does not apply to `n.tar.gz`, which is compressed as its ending says
    rbootstrap --compress gz noble n.tar
        error: --compress does not apply to `n.tar`, which is compressed as its ending says
    rbootstrap --compress xz noble n.oci.tar
        error: invalid value 'xz' for '--compress <HOW>'
    rbootstrap --arch amd64 --arch arm64 noble n
        error: --arch is given more than once, but one tree has one native architecture
    rbootstrap --arch amd64 --arch arm64 noble n --tar n.oci.tar
        error: --arch is given more than once, but one tree has one native architecture
    rbootstrap --compress-level 3 noble n
        error: --compress-level does not apply to `n`, which is a directory
    rbootstrap --compress-level 3 noble n.tar
        error: what is not compressed has no level
    rbootstrap --compress-level 0 noble n.tar.gz
        error: gz has the levels 1 to 9, not 0
    rbootstrap --compress-level 20 noble n.tar.zst
        error: zst has the levels 1 to 19, not 20
    rbootstrap --compress-level 10 noble n.tar.xz
        error: xz has the levels 0 to 9, not 10
    rbootstrap --compress-level 256 noble n.tar.xz
        error: invalid value '256' for '--compress-level <N>': 256 is not in 0..=255
    rbootstrap --tag Noble noble n.oci.tar
        error: invalid value 'Noble' for '--tag <NAME[:TAG]>': `Noble` is not the name of an image: its parts have a-z 0-9, and . _ - between them
    rbootstrap --label a noble n.oci.tar
        error: invalid value 'a' for '--label <KEY=VALUE>': `a` is not KEY=VALUE
    rbootstrap --env =b noble n.oci.tar
        error: invalid value '=b' for '--env <NAME=VALUE>': `=b` is not NAME=VALUE
    rbootstrap --cmd '[' noble n.oci.tar
        error: invalid value ''['' for '--cmd <WORDS>': `'['` has quotes: write the words as a list, ["word", "word"]
    rbootstrap --workdir srv noble n.oci.tar
        error: invalid value 'srv' for '--workdir <PATH>': `srv` is not an absolute path
    rbootstrap --user a:b:c noble n.oci.tar
        error: invalid value 'a:b:c' for '--user <USER[:GROUP]>': `a:b:c` is not a user such as 1000, 1000:1000 or nobody
    rbootstrap --format dir noble
        error: --format dir needs a TARGET
    rbootstrap --print-debs --simulate noble
        error: the argument '--print-debs' cannot be used with '--simulate'
    rbootstrap --download-only --no-cache noble
        error: the argument '--download-only' cannot be used with '--no-cache'
    rbootstrap --merged-usr --no-merged-usr noble n
        error: the argument '--merged-usr' cannot be used with '--no-merged-usr'
    rbootstrap --no-check-gpg --force-check-gpg noble n
        error: the argument '--no-check-gpg' cannot be used with '--force-check-gpg'
    rbootstrap --jobs 0 noble n
        error: invalid value '0' for '--jobs <N>': 0 is not in 1..=65535
    rbootstrap --downloads 65 noble n
        error: invalid value '65' for '--downloads <N>': 65 is not in 1..=64
    rbootstrap --timeout 0 noble n
        error: invalid value '0' for '--timeout <TIME>': a timeout of 0 would end every transfer
    rbootstrap --tries 0 noble n
        error: invalid value '0' for '--tries <N>': 0 is not in 1..=100
    rbootstrap --min-speed fast noble n
        error: invalid value 'fast' for '--min-speed <SIZE>': `fast` is not a size such as 500M or 2G
    rbootstrap --mirror-wait long noble n
        error: invalid value 'long' for '--mirror-wait <TIME>': `long` is not a time such as 90s, 30m or 2h
    rbootstrap --cache-max-size many noble n
        error: invalid value 'many' for '--cache-max-size <SIZE>': `many` is not a size such as 500M or 2G
    rbootstrap --script-timeout soon noble n
        error: invalid value 'soon' for '--script-timeout <TIME>': `soon` is not a time such as 90s, 30m or 2h
    rbootstrap --path-exclude usr/share/man/* noble n
        error: invalid value 'usr/share/man/*' for '--path-exclude <GLOB>': the pattern `usr/share/man/*` does not begin with `/` or `*`
    rbootstrap --path-include= noble n
        error: invalid value '' for '--path-include <GLOB>': the pattern `` does not begin with `/` or `*`
    rbootstrap --no-such-option noble n
        error: unexpected argument '--no-such-option' found
    "#);
}

#[test]
fn options_reach_the_part_of_the_stage_that_reads_them() {
    let made = request(
        "rbootstrap --include=a,b --include=c --exclude=d --arch=amd64,i386 --variant=- \
         --components=main,universe --mirror=https://f/ --source=s.list --keyring=k.gpg \
         --no-check-gpg --no-check-valid-until --no-pockets --merged-usr --keep \
         --allow-rollback --allow-other-suite \
         --timeout=9 --min-speed=2K --tries=7 --mirror-wait=0 \
         --path-exclude=/a/* --path-include=/a/b --path-exclude=*.c --preseed=p --preseed=- \
         --cache-dir=c --cache-max-size=1M --state-dir=s --jobs=3 --downloads=4 \
         --allow-weak-sandbox \
         --tag=h.x/a:b --label=a=b --label=c=d --annotation=e=f --cmd=bash --entrypoint=[] \
         --env=A=B --user=1:2 --workdir=/srv --compress=zstd --compress-level=3 --tar=n.oci.tar \
         --script-timeout=90s --script-memory=1G \
         noble n http://m/",
    )
    .unwrap();
    insta::assert_debug_snapshot!(made);
}

#[test]
fn path_rules_keep_their_order_across_both_options() {
    let rows = [
        "--path-exclude=/a --path-include=/b --path-exclude=/c --path-include=/d",
        "--path-include /b --path-exclude /a --variant=apt --path-include /a/*",
    ];
    let mut table = String::new();
    for row in rows {
        let made = request(&format!("rbootstrap {row} noble n")).unwrap();
        for rule in made.system.path_rules {
            writeln!(table, "{rule}").unwrap();
        }
        table.push('\n');
    }
    insta::assert_snapshot!(table, @"
    path-exclude=/a
    path-include=/b
    path-exclude=/c
    path-include=/d

    path-include=/b
    path-exclude=/a
    path-include=/a/*
    ");
}

#[test]
fn without_options_the_defaults_count() {
    let made = request("rbootstrap noble n").unwrap();
    let mut limits = made.limits;
    limits.jobs = 0; // the host's processors
    insta::assert_debug_snapshot!((
        made.system,
        made.sources,
        made.outputs,
        made.cache,
        made.network,
        limits,
        made.sandbox
    ));
}

#[test]
fn pack_takes_the_same_outputs() {
    let rows = [
        "rbootstrap pack n",
        "rbootstrap -q pack n",
        "rbootstrap pack http://m/n",
        "rbootstrap pack n http://m/n.tar",
        "rbootstrap pack n m.oci.tar",
        "rbootstrap pack --format oci n m",
        "rbootstrap pack --format oci --arch arm64 n -",
        "rbootstrap pack n m",
        "rbootstrap pack --compress-level 1 n m.tgz",
        "rbootstrap pack --arch arm64 n m.tar",
        "rbootstrap pack --format dir n m",
        "rbootstrap pack --env A=B n m.tar",
        "rbootstrap pack n m.img",
    ];
    let mut table = String::new();
    for row in rows {
        let made = parse(row).map_err(|error| first_line(&error.to_string()));
        let made = made.and_then(|cli| match cli.command {
            Some(CommandArgs::Pack(pack)) => pack.image().map_err(|error| error.to_string()),
            _ => panic!("{row}"),
        });
        let made = made.map_or_else(|error| error, |image| image_line(&image));
        writeln!(table, "{row}\n    {made}").unwrap();
    }
    insta::assert_snapshot!(table);
}
