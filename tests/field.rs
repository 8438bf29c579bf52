//! Archives and sources that apt accepts although they are unusual: no Release, no Date, quotes and
//! variables in sources, passwords in URIs, package names in upper case.

use std::fs;

use rbootstrap::testing::archive::{date, now};
use rbootstrap::testing::tar::compress;
use rbootstrap::testing::{Compression, DebBuilder, FakeSuite, host_architecture};

use crate::context::{Outcome, TestContext};

/// A context with an archive of one package beside the suite's own: `extra`, below `directory`,
/// with an index and no Release.
fn without_release(directory: &str, index: &str, compression: Compression) -> TestContext {
    let context = TestContext::new([]);
    let deb = DebBuilder::new("extra", "1").architecture("all");
    let pool = format!("{directory}/extra_1_all.deb");
    let promise = context.archive.place(&pool, &deb.build());
    let promise = promise.replace(&pool, "extra_1_all.deb");
    let stanza = format!("{}{promise}\n", deb.stanza());
    let path = context.path("archive").join(directory).join(index);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, compress(compression, stanza.as_bytes())).unwrap();
    context
}

fn print_debs(context: &TestContext, include: &str, source: &str) -> Outcome {
    context.print_debs(&["--include", include, "--source", source])
}

#[test]
#[ignore = "needs time"]
fn archives_without_a_release_are_read_where_they_are_trusted() {
    let native = format!("dists/own/main/binary-{}/Packages.gz", host_architecture());
    let cases = [
        ("flat", "Packages", Compression::None, "./"),
        ("flat", "Packages.gz", Compression::Gzip, "./"),
        ("flat", "Packages.xz", Compression::Xz, "./"),
        ("flat", "Packages.zst", Compression::Zstd, "./"),
        ("whole", native.as_str(), Compression::Gzip, "own main"),
    ];
    for (directory, index, compression, place) in cases {
        let context = without_release(directory, index, compression);
        let web = format!("{}/{directory}", context.mirror.url());
        let file = format!("file:{}", context.path("archive").join(directory).display());
        let copy = file.replace("file:", "copy:");
        for uri in [&web, &file, &copy] {
            let line = format!("deb [trusted=yes] {uri} {place}");
            let outcome = print_debs(&context, "extra", &line).ok();
            assert!(outcome.text().contains("extra=1:"), "{line}");
            assert_eq!(
                outcome.stderr.matches("has no Release file").count(),
                1,
                "{}",
                outcome.stderr
            );
            // Where signatures are checked, what is not signed is not read.
            let line = format!("deb {uri} {place}");
            print_debs(&context, "extra", &line).fails(5);
        }
    }
}

#[test]
fn a_release_without_a_date_is_accepted_of_a_users_own_source() {
    let soon = format!("Date: {}\n", date(now() + 7200));
    let cases = [
        ("", "", 0),
        ("Date: yesterday\n", "", 0),
        (soon.as_str(), "", 3),
        (soon.as_str(), "check-date=no", 0),
        (soon.as_str(), "date-max-future=36000", 0),
        (soon.as_str(), "date-max-future=3600", 3),
    ];
    for (extra, options, code) in cases {
        let context = TestContext::new([]);
        let own = FakeSuite::new("own").with([DebBuilder::new("extra", "1")]);
        context.archive.publish(&own);
        let directory = context.path("archive/dists/own");
        let release = fs::read_to_string(directory.join("Release")).unwrap();
        let mut text = String::new();
        for line in release.split_inclusive('\n') {
            if !line.starts_with("Date:") {
                text.push_str(line);
            }
        }
        context
            .archive
            .sign(&own, &directory, &format!("{extra}{text}"));
        let key = context.path("keyring.gpg");
        let line = format!(
            "deb [signed-by={} {options}] {} own main",
            key.display(),
            context.mirror.url()
        );
        let outcome = print_debs(&context, "extra", &line);
        assert_eq!(
            outcome.code,
            Some(code),
            "{extra}{options}: {}",
            outcome.stderr
        );
        if code == 0 && extra != soon {
            assert!(outcome.stderr.contains("no date"), "{}", outcome.stderr);
        }
    }
}

#[test]
fn sources_have_apts_quotes_and_variables() {
    let context = TestContext::new([]);
    let architecture = host_architecture();
    let own = FakeSuite::new(&format!("own-{architecture}"))
        .with([DebBuilder::new("extra", "1").architecture("all")]);
    context.archive.publish(&own);
    let key = context.path("keyring.gpg").display().to_string();
    let url = context.mirror.url();
    for line in [
        format!("deb [signed-by=\"{key}\"] \"{url}\" \"own-{architecture}\" main # comment"),
        format!("deb [signed-by={key}] {url} own%2d{architecture} ma%69n"),
        format!(
            "Types: deb\nURIs: {url}\nSuites: own-$(ARCH)\nComponents: main\nSigned-By: {key}\n"
        ),
    ] {
        let mut source = line.clone();
        if line.starts_with("Types") {
            fs::write(context.path("own.sources"), &line).unwrap();
            "own.sources".clone_into(&mut source);
        }
        let printed = print_debs(&context, "extra", &source).ok().text();
        assert!(printed.contains("extra=1:"), "{line}: {printed}");
    }
    let line = format!("deb [signed-by={key} color=red] {url} own-{architecture} main");
    let outcome = print_debs(&context, "extra", &line).ok();
    assert!(outcome.stderr.contains("color"), "{}", outcome.stderr);
}

#[test]
fn names_are_known_in_either_case() {
    let context = TestContext::new([
        DebBuilder::new("LPCNet", "1").architecture("all"),
        DebBuilder::new("codec", "1")
            .architecture("all")
            .field("Depends", "lpcnet"),
        DebBuilder::new("agent", "1")
            .architecture("all")
            .field("Depends", "LpcNET"),
    ]);
    for include in ["lpcnet", "LPCNet", "codec", "Agent"] {
        let printed = context.print_debs(&["--include", include]).ok().text();
        assert!(printed.contains("lpcnet=1:"), "{include}: {printed}");
    }
}
