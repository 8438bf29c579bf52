//! Which packages `--variant scratch` takes, and which it leaves out although others depend on them.

use super::*;

const STANZAS: &str = "
base-files 1 Pre-Depends:awk Essential:yes
mawk 1 Provides:awk Depends:libc6
libc6 1 Depends:libgcc-s1
libgcc-s1 1 Depends:libc6
libc-bin 1 Depends:libc6
dpkg 1 Depends:tar,libc6
tar 1 Depends:libc6
debconf 1 Depends:perl-base
perl-base 1 Depends:libc6
openssl 1 Depends:libssl3,libc6
libssl3 1 Depends:libc6
ca-certificates 1 Depends:openssl,debconf|debconf-2.0
static 1
program 1 Depends:interpreter,debconf|debconf-2.0
interpreter 1 Pre-Depends:dpkg Depends:libssl3,libc6
virtual 1 Depends:awk
fonts 1 Depends:fontconfig-config,ucf
fontconfig-config 1 Depends:ucf
ucf 1 Depends:debconf,sensible-utils
sensible-utils 1
either 1 Depends:dpkg|static,absent|interpreter
named 1 Depends:debconf,java-common
java-common 1 Depends:tar
";

/// The names of the packages, sorted.
fn chosen(include: &str, exclude: &str) -> String {
    let listings = vec![listing("trixie", "amd64", STANZAS)];
    let plan = solve(listings, Variant::Scratch, include, exclude).unwrap();
    let mut names = Vec::new();
    for chosen in plan.packages() {
        names.push(chosen.package().name.as_str());
    }
    names.sort_unstable();
    names.join(" ")
}

#[test]
fn what_only_scripts_need_is_left_out() {
    let rows = [
        ("", "", "base-files"),
        ("static", "", "base-files static"),
        ("libc6", "", "base-files libc-bin libc6 libgcc-s1"),
        ("ca-certificates", "", "base-files ca-certificates"),
        (
            "program",
            "",
            "base-files interpreter libc-bin libc6 libgcc-s1 libssl3 program",
        ),
        (
            "program",
            "libc-bin",
            "base-files interpreter libc6 libgcc-s1 libssl3 program",
        ),
        ("static", "base-files", "static"),
        (
            "virtual",
            "",
            "base-files libc-bin libc6 libgcc-s1 mawk virtual",
        ),
        // It has files that programs read.
        ("fonts", "", "base-files fontconfig-config fonts"),
        // The first alternative of the plan answers, even if it is left out.
        (
            "either",
            "",
            "base-files either interpreter libc-bin libc6 libgcc-s1 libssl3",
        ),
        ("named", "", "base-files named"),
        // Whoever wants one names it.
        (
            "ca-certificates openssl",
            "",
            "base-files ca-certificates libc-bin libc6 libgcc-s1 libssl3 openssl",
        ),
        ("dpkg", "", "base-files dpkg libc-bin libc6 libgcc-s1 tar"),
    ];
    for (include, exclude, expected) in rows {
        assert_eq!(chosen(include, exclude), expected, "{include} -{exclude}");
    }
}
