//! `--variant scratch`: images without apt, dpkg's database and scripts, in which programs run.

use std::fs;
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::DebBuilder;

use crate::context::docker::Docker;
use crate::context::{TestContext, outcome};
use crate::oci::files;

/// Packages as Debian has them, with scripts that would fail.
fn packages() -> Vec<DebBuilder> {
    // Newer than those of the base distribution.
    let failing = |name: &str| DebBuilder::new(name, "9").script("preinst", "exit 1");
    vec![
        failing("base-files")
            .depends("awk")
            .file("usr/lib/os-release", "ID=debian\nVERSION_ID=13\n")
            .file("etc/issue", "x"),
        failing("libc6").file("lib/libc.so.6", "x"),
        failing("libc-bin")
            .depends("libc6")
            .file("sbin/ldconfig", "x")
            .file("usr/share/doc/libc-bin/copyright", "free")
            .file("usr/lib/locale/C.utf8/LC_CTYPE", "x"),
        failing("ca-certificates")
            .depends("dpkg")
            .file("usr/share/ca-certificates/mozilla/b.crt", "B\n")
            .file("usr/share/ca-certificates/mozilla/a.crt", "A\n"),
        failing("tool")
            .depends("libc6, ca-certificates")
            .conffile("etc/tool", "y")
            .file("bin/tool", "x"),
        failing("mawk")
            .field("Provides", "awk")
            .file("usr/bin/mawk", "x"),
    ]
}

/// `38832:4b46c012b15c`
fn is_size_and_digest(word: &str) -> bool {
    let (size, digest) = word.split_once(':').unwrap_or_default();
    let is_size = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
    is_size && digest.len() == 12
}

#[test]
#[ignore = "needs root"]
fn a_tree_has_what_programs_need_and_no_more() {
    let context = TestContext::new(packages());
    context.make(&["--variant=scratch", "--include=tool"]).ok();
    let mut tree = Vec::new();
    for line in context.tree() {
        // Which directories of libraries there are depends on the architecture, and so do sizes.
        let is_library =
            line.contains("/lib32") || line.contains("/lib64") || line.contains("/libx32");
        if !is_library && !line.contains(" /dev/") {
            let words = line.split(' ').filter(|word| !is_size_and_digest(word));
            tree.push(words.collect::<Vec<&str>>().join(" "));
        }
    }
    insta::assert_snapshot!(tree.join("\n"));
    assert_eq!(context.read("etc/ssl/certs/ca-certificates.crt"), "A\nB\n");
    let recorded = context.read("var/lib/dpkg/status.d/tool");
    assert!(recorded.starts_with("Package: tool\n"), "{recorded}");
    assert!(
        context
            .read("var/lib/dpkg/status.d/tool.md5sums")
            .contains("  etc/tool\n")
    );
    assert!(!context.root().join("usr/share/doc/tool").exists());
}

#[test]
#[ignore = "needs root"]
fn an_image_and_its_pack_are_the_same_and_list_the_packages() {
    let context = TestContext::new(packages());
    let url = context.mirror.url();
    let image = |options: &[&str], target: &str| {
        let mut words = vec!["--variant=scratch", "--include=tool", "--tag=a/b:c"];
        words.extend(options);
        words.extend(["fake", target, &url]);
        context.run(words).ok();
    };
    image(
        &["--jobs=1", "--manifest=manifest.json", "--lock=lock"],
        "one.oci.tar",
    );
    image(&["--jobs=7", "--no-cache"], "two.oci.tar");
    let one = fs::read(context.path("one.oci.tar")).unwrap();
    assert!(one == fs::read(context.path("two.oci.tar")).unwrap());
    context
        .run([
            "--locked=lock",
            "--tag=a/b:c",
            "fake",
            "three.oci.tar",
            &url,
        ])
        .ok();
    assert!(one == fs::read(context.path("three.oci.tar")).unwrap());
    context.make(&["--variant=scratch", "--include=tool"]).ok();
    let mut pack = context.program();
    pack.args([
        "pack",
        "--tag=a/b:c",
        "--manifest=packed.json",
        "root",
        "packed.oci.tar",
    ]);
    outcome(&mut pack).ok();
    assert!(one == fs::read(context.path("packed.oci.tar")).unwrap());
    for manifest in ["manifest.json", "packed.json"] {
        let text = fs::read_to_string(context.path(manifest)).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut names = Vec::new();
        for package in manifest["packages"].as_array().unwrap() {
            names.push(
                package["purl"]
                    .as_str()
                    .unwrap()
                    .rsplit('/')
                    .next()
                    .unwrap()
                    .to_owned(),
            );
        }
        let names: Vec<&str> = names
            .iter()
            .map(|name| name.split('@').next().unwrap())
            .collect();
        assert_eq!(
            names,
            ["base-files", "ca-certificates", "libc-bin", "libc6", "tool"]
        );
    }
    assert_eq!(files(&context.path("one.oci.tar")).len(), 6);
}

#[test]
fn what_scripts_need_is_refused_with_scratch() {
    let context = TestContext::new([]);
    let rows: [(&[&str], &str); 2] = [
        (
            &["--foreign"],
            "--foreign has no effect with --variant=scratch",
        ),
        (
            &["--preseed=/dev/null"],
            "--preseed has no effect with --variant=scratch",
        ),
    ];
    for (options, expected) in rows {
        let refused = context.print_debs(&[&["--variant=scratch"], options].concat());
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
        assert_eq!(refused.code, Some(2));
    }
}

/// An image of trixie from Debian's mirror, loaded into an engine under its name.
fn load(docker: &Docker, directory: &Path, name: &str, packages: &str) {
    let mut make = Command::new(assert_cmd::cargo::cargo_bin!("rbootstrap"));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live-cache");
    make.current_dir(directory).arg("--cache-dir").arg(cache);
    make.args([
        "--variant=scratch",
        "--tag",
        name,
        "--include",
        packages,
        "trixie",
    ]);
    outcome(make.arg(format!("{name}.oci.tar"))).ok();
    let mut load = docker.command();
    let archive = directory.join(format!("{name}.oci.tar"));
    outcome(load.arg("load").arg("-i").arg(archive)).ok();
}

/// What a container prints, of an image that a Dockerfile makes of another.
fn run_on(docker: &Docker, directory: &Path, dockerfile: &str) -> String {
    fs::write(directory.join("Dockerfile"), dockerfile).unwrap();
    let mut build = docker.command();
    build
        .env("DOCKER_BUILDKIT", "0")
        .arg("build")
        .args(["--network=none", "-t", "built", "."]);
    outcome(build.current_dir(directory)).ok();
    docker.run("built", &[]).ok().text()
}

const HELLO: &str = "#include <stdio.h>\n#include <locale.h>\n#include <pwd.h>\n\
    int main(void) { struct passwd *user = getpwuid(65532);\n\
    printf(\"hello %s %s\\n\", setlocale(LC_ALL, \"C.UTF-8\"), user ? user->pw_name : \"-\"); }\n";

/// Without `setlocale`: there are no locales without a C library.
const STATIC: &str = "#include <stdio.h>\nint main(void) { puts(\"hello\"); }\n";

const TLS: &str = "import ssl, tempfile, os\n\
    context = ssl.create_default_context()\n\
    print(context.cert_store_stats()['x509_ca'] > 100, len(context.get_ca_certs()) > 100)\n\
    print(os.path.expanduser('~'), open('/etc/os-release').read().count('trixie') > 0)\n";

const JAVA: &str = "public class Hello { public static void main(String[] a) { System.out.println(\"hello \" + a.length); } }\n";

#[test]
#[ignore = "needs root, network, docker, gcc"]
fn programs_of_all_kinds_run_in_docker() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path();
    let docker = Docker::start();
    let compile = |source: &str, name: &str, options: &[&str]| {
        let file = directory.join(format!("{name}.c"));
        fs::write(&file, source).unwrap();
        let mut gcc = Command::new("gcc");
        outcome(
            gcc.args(options)
                .arg("-o")
                .arg(directory.join(name))
                .arg(file),
        )
        .ok();
    };
    let run = |dockerfile: &str| run_on(&docker, directory, dockerfile);

    compile(STATIC, "static", &["-static"]);
    load(&docker, directory, "plain", "tzdata");
    let printed = run("FROM plain\nCOPY static /\nUSER nonroot\nCMD [\"/static\"]\n");
    assert_eq!(printed, "hello\n", "static");

    compile(HELLO, "dynamic", &[]);
    load(&docker, directory, "dynamic", "libc6");
    let printed = run("FROM dynamic\nCOPY dynamic /\nUSER 65532\nCMD [\"/dynamic\"]\n");
    assert_eq!(printed, "hello C.UTF-8 nonroot\n", "dynamic");

    fs::write(directory.join("tls.py"), TLS).unwrap();
    load(&docker, directory, "python", "python3,ca-certificates");
    let printed =
        run("FROM python\nCOPY tls.py /\nUSER nonroot\nCMD [\"/usr/bin/python3\", \"/tls.py\"]\n");
    assert_eq!(printed, "True True\n/home/nonroot True\n", "TLS by Python");

    fs::write(directory.join("Hello.java"), JAVA).unwrap();
    load(&docker, directory, "java", "openjdk-21-jdk-headless");
    let java = "/usr/lib/jvm/java-21-openjdk-amd64/bin/java";
    let printed = run(&format!(
        "FROM java\nCOPY Hello.java /\nCMD [\"{java}\", \"/Hello.java\", \"a\"]\n"
    ));
    assert_eq!(printed, "hello 1\n", "Java");
    println!("4 programs");
}

/// What a client says of a server whose authority is not among the image's certificates.
const UNKNOWN: &str = "unable to get local issuer certificate";

#[test]
#[ignore = "needs root, network, docker"]
fn clients_trust_the_certificates_of_the_image() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path();
    let docker = Docker::start();
    let script = include_str!("scratch/handshake.py");
    fs::write(directory.join("handshake.py"), script).unwrap();
    load(
        &docker,
        directory,
        "tls",
        "python3,ca-certificates,curl,openssl",
    );
    let run = |step: &str| format!("RUN [\"/usr/bin/python3\", \"/handshake.py\", \"{step}\"]\n");
    let [make, trust] = ["make", "trust"].map(run);
    let start = format!("FROM tls\nCOPY handshake.py /\n{make}");
    let end = "USER nonroot\nCMD [\"/usr/bin/python3\", \"/handshake.py\", \"connect\"]\n";
    for (added, expected) in [("", UNKNOWN), (trust.as_str(), "hello")] {
        let printed = run_on(&docker, directory, &format!("{start}{added}{end}"));
        let mut lines = String::new();
        for client in ["python", "curl", "openssl"] {
            lines.push_str(&format!("{client}: {expected}\n"));
        }
        assert_eq!(printed, lines, "added: `{added}`");
    }
    println!("6 handshakes");
}
