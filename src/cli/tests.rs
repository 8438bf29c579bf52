//! Command lines as tables: what each asks for, and which are refused; the helps as snapshots.

mod pushed;
mod refused;

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::FromArgMatches;
use clap::builder::{Resettable, StyledStr};

use super::environment::Environment;
use super::pack::PackedImage;
use super::{Cli, CommandArgs, exit, help, order};
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
    let push = &request.outputs.push;
    for reference in &push.references {
        parts.push(match &push.unnamed {
            Some(_) => format!("only registry {reference}"),
            None => format!("registry {reference}"),
        });
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
        Content::FileSystem { kind, .. } => kind.name(),
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
            help.contains(&format!("{ending},")) || help.contains(&format!(" {ending} ")),
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
         --manifest=m.json --sbom=s.cdx.json --sbom=s.json --attest \
         --script-timeout=90s --script-memory=1G \
         --push=h.x:1/p:q --push=r --refs=refs --registry-auth=auth --insecure-registry=h.x:1 \
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
        let made = match made {
            Ok(PackedImage::Written(image)) => image_line(&image),
            Ok(PackedImage::Unnamed(_)) => "registries".to_owned(),
            Err(error) => error,
        };
        writeln!(table, "{row}\n    {made}").unwrap();
    }
    insta::assert_snapshot!(table);
}
