//! Command lines that are refused, with their messages.

use super::*;

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
        "rbootstrap --format xfs noble n",
        "rbootstrap --tag n noble n",
        "rbootstrap --user 1 noble n.tar",
        "rbootstrap --label a=b noble -",
        "rbootstrap --compress zstd noble n",
        "rbootstrap --compress zstd noble n.tar.gz",
        "rbootstrap --compress gz noble n.tar",
        "rbootstrap --compress xz noble n.oci.tar",
        "rbootstrap --arch amd64 --arch arm64 noble n",
        "rbootstrap --arch amd64 --arch arm64 noble n --tar n.oci.tar",
        "rbootstrap --arch amd64 --arch amd64,i386 noble n.oci.tar",
        "rbootstrap --arch arm64,armhf --arch amd64 --arch arm64 --print-debs noble",
        "rbootstrap --foreign --variant=extract noble n",
        "rbootstrap --sbom n.xml noble n",
        "rbootstrap --manifest - noble n",
        "rbootstrap --sbom http://m/n.json noble n",
        "rbootstrap --lock - noble n",
        "rbootstrap --lock http://m/n.lock noble n",
        "rbootstrap --simulate --manifest n.json noble",
        "rbootstrap --print-debs --sbom n.json noble",
        "rbootstrap --download-only --manifest n.json noble",
        "rbootstrap --attest noble n.tar",
        "rbootstrap --sbom n.json --arch amd64 --arch arm64 noble n.oci.tar",
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
        error: invalid value 'fat' for '--variant <NAME>': unknown variant `fat` (expected one of: essential, apt, minbase, buildd, important, standard, custom, extract, scratch)
    rbootstrap noble n m
        error: `m` is not the URL of a mirror: it has no scheme
    rbootstrap noble http://m/ubuntu
        error: TARGET is `http://m/ubuntu`, which is a URL and not a path
    rbootstrap --simulate noble copy:/srv/ubuntu
        error: TARGET is `copy:/srv/ubuntu`, which is a URL and not a path
    rbootstrap noble n --tar http://m/n.tar
        error: --tar is `http://m/n.tar`, which is a URL and not a path
    rbootstrap --mirror m noble n
        error: `m`, the value of --mirror, is not the URL of a mirror: it has no scheme
    rbootstrap --mirror http://m/[x] noble n
        error: `http://m/[x]`, the value of --mirror, is not the URL of a mirror: sources.list cannot hold its blanks, quotes, `#` or brackets
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
    rbootstrap --format xfs noble n
        error: invalid value 'xfs' for '--format <FORMAT>'
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
    rbootstrap --arch amd64 --arch amd64,i386 noble n.oci.tar
        error: --arch names `amd64` as the native architecture of two images
    rbootstrap --arch arm64,armhf --arch amd64 --arch arm64 --print-debs noble
        error: --arch names `arm64` as the native architecture of two images
    rbootstrap --foreign --variant=extract noble n
        error: --foreign has no effect with --variant=extract, which configures nothing
    rbootstrap --sbom n.xml noble n
        error: `n.xml`: no bill of materials is written with that ending
    rbootstrap --manifest - noble n
        error: --manifest - is not supported, because it is standard output
    rbootstrap --sbom http://m/n.json noble n
        error: --sbom is `http://m/n.json`, which is a URL and not a path
    rbootstrap --lock - noble n
        error: --lock - is not supported, because it is standard output
    rbootstrap --lock http://m/n.lock noble n
        error: --lock is `http://m/n.lock`, which is a URL and not a path
    rbootstrap --simulate --manifest n.json noble
        error: the argument '--simulate' cannot be used with '--manifest <FILE>'
    rbootstrap --print-debs --sbom n.json noble
        error: the argument '--print-debs' cannot be used with '--sbom <FILE>'
    rbootstrap --download-only --manifest n.json noble
        error: the argument '--download-only' cannot be used with '--manifest <FILE>'
    rbootstrap --attest noble n.tar
        error: --attest does not apply to `n.tar`, which is a tar
    rbootstrap --sbom n.json --arch amd64 --arch arm64 noble n.oci.tar
        error: --sbom `n.json` would be written for each --arch
    rbootstrap --compress-level 3 noble n
        error: --compress-level does not apply to `n`, which is a directory
    rbootstrap --compress-level 3 noble n.tar
        error: uncompressed output has no level
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
fn the_hint_of_an_unknown_ending_fits_the_output() {
    let rows = [
        (
            "rbootstrap noble n.img",
            "; --format dir makes a directory of any name",
        ),
        ("rbootstrap noble n --tar n.img", ".ext4"),
        (
            "rbootstrap pack n n.img",
            "; --format tar writes a tar under any name",
        ),
        ("rbootstrap join n.img a.oci.tar", ".ext4"),
    ];
    for (row, end) in rows {
        let cli = parse(row).unwrap();
        let error = match cli.command {
            None => cli.bootstrap.into_request(&Environment::default()).err(),
            Some(CommandArgs::Pack(pack)) => pack.image().err(),
            Some(CommandArgs::Join(join)) => join.options().err(),
            Some(_) => None,
        };
        let hint = error.and_then(|error| error.hint()).unwrap_or_default();
        assert!(
            hint.starts_with("the endings are ") && hint.ends_with(end),
            "{row}: {hint}"
        );
    }
}

#[test]
fn join_refuses_urls() {
    let cli = parse("rbootstrap join http://m/n.oci.tar a.oci.tar").unwrap();
    let Some(CommandArgs::Join(join)) = cli.command else {
        panic!("another command");
    };
    let error = join.options().unwrap_err().to_string();
    assert_eq!(
        error,
        "OUTPUT is `http://m/n.oci.tar`, which is a URL and not a path"
    );
}

/// clap repeats words that it does not take, and these may have a password.
#[test]
fn refused_words_are_shown_without_passwords() {
    for word in ["http://u:s3cret@h/x", "u:s3cret@h/x"] {
        for line in [
            format!("rbootstrap --jobs {word} noble n"),
            format!("rbootstrap noble --no-such={word}"),
            format!("rbootstrap noble n --{word}"),
        ] {
            let error = exit::without_passwords(parse(&line).unwrap_err());
            let text = error.to_string();
            assert!(!text.contains("s3cret"), "{line}: {text}");
        }
    }
}
