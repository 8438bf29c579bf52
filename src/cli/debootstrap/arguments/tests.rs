use super::*;

fn request(words: &str) -> Result<String, String> {
    let words = words.split(' ').filter(|word| !word.is_empty());
    let all = ["debootstrap"].into_iter().chain(words);
    let arguments = DebootstrapArgs::try_parse_from(all.chain(["suite", "no-such-target"]));
    let arguments = arguments.map_err(|error| error.to_string())?;
    let mut request = arguments.request(&Environment::default())?;
    // The time of day.
    request.outputs.epoch = None;
    Ok(format!("{request:?}"))
}

#[test]
fn options_reach_the_request() {
    let rows = [
        ("--arch=arm64", "architectures: [\"arm64\"]"),
        ("--include=a,b", "include: [\"a\", \"b\"]"),
        ("--exclude=a,b", "exclude: [\"a\", \"b\"]"),
        (
            "--include a,b --exclude b",
            "include: [\"a\"], exclude: [\"b\"]",
        ),
        ("--extra-suites=x,y", "extra_suites: [\"x\", \"y\"]"),
        (
            "--components=main,contrib",
            "components: [\"main\", \"contrib\"]",
        ),
        ("--variant=minbase", "variant: Minbase"),
        ("--variant buildd", "variant: Buildd"),
        ("--merged-usr", "merged_usr: Some(true)"),
        ("--no-merged-usr", "merged_usr: Some(false)"),
        ("--keyring=/dev/null", "keyrings: [\"/dev/null\"]"),
        ("--no-check-sig", "check_signatures: false"),
        ("--no-check-gpg", "check_signatures: false"),
        ("--print-debs", "goal: PrintDebs"),
        ("--download-only", "only_downloads: true"),
        (
            "--make-tarball=/t.tgz",
            "only_downloads: true, saves_state: true",
        ),
        ("--make-tarball /t.tgz", "content: Tar(File(\"/t.tgz\"))"),
        ("--foreign", "first_stage: true"),
        ("--unpack-tarball=/etc/passwd", "debs_of_target: true"),
        (
            "--foreign --unpack-tarball=/etc/passwd",
            "first_stage: true",
        ),
        ("--keep-debootstrap-dir", "keeps_directory: true"),
        ("--cache-dir=/", "packages: Some(\"/\")"),
    ];
    let plain = request("").unwrap();
    for (words, expected) in &rows {
        assert!(!plain.contains(expected), "{words}: {plain}");
        let found = request(words).unwrap();
        assert!(found.contains(expected), "{words}: {found}");
    }
    let without_effect = [
        "--variant=-",
        "--force-check-sig",
        "--force-check-gpg",
        "--verbose",
        "--resolve-deps",
        "--no-resolve-deps",
        "--log-extra-deps",
        "--extractor=ar",
        "--extractor dpkg-deb",
    ];
    for words in without_effect {
        assert_eq!(request(words).unwrap(), plain, "{words}");
    }
}

#[test]
fn words_that_debootstrap_refuses_are_refused() {
    let one = "please use only one of those options.";
    let rows = [
        (
            "--print-debs --download-only",
            &format!("--print-debs is specified with --download-only, {one}")[..],
        ),
        (
            "--foreign --make-tarball=/t.tgz",
            &format!("--make-tarball is specified with --foreign, {one}"),
        ),
        (
            "--unpack-tarball=/etc/passwd --download-only",
            &format!("--download-only is specified with --unpack-tarball, {one}"),
        ),
        (
            "--no-check-sig --force-check-sig",
            "error: the argument '--no-check-sig' cannot be used with '--force-check-sig'",
        ),
        ("--extractor=other", "other: unknown extractor"),
        (
            "--unpack-tarball=/no/such",
            "/no/such: No such file or directory",
        ),
        (
            "--cache-dir=x",
            "cache directory should be specified with an absolute path",
        ),
        ("--cache-dir=/no/such", "/no/such: No such directory"),
        ("--variant=other", "unsupported variant"),
        (
            "--keyring=/no/such",
            "specified keyring file (/no/such) not found",
        ),
    ];
    for (words, expected) in &rows {
        let refused = request(words).unwrap_err();
        assert!(refused.starts_with(expected), "{words}: {refused}");
    }
}
