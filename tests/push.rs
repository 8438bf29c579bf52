//! Images in registries: what a run pushes, when it asks, and what it leaves when that fails.

mod several;

use std::fs;

use rbootstrap::testing::registry::{Asks, FakeRegistry, LOGIN, PASSWORD, digest, refusal};
use rbootstrap::testing::server::{Reply, Then};
use rustix::process::Signal;

use crate::context::{Outcome, TestContext, outcome};
use crate::interrupt::{interrupted, start, within_a_minute};
use crate::registry::Registry;

/// Pushes the essential set of the fake suite to `name` in a registry, with these arguments after
/// the suite.
fn run(context: &TestContext, name: &str, options: &[&str], target: &[&str]) -> Outcome {
    let url = context.mirror.url();
    let mut command = context.command();
    command
        .args(["--variant=essential", "--push", name])
        .args(options)
        .arg("fake")
        .args(target);
    // MIRROR comes after TARGET.
    match target.is_empty() {
        true => command.env("RBOOTSTRAP_MIRROR", url),
        false => command.arg(url),
    };
    outcome(&mut command)
}

/// The digests that a file of references names, by name.
fn refs(context: &TestContext, file: &str) -> Vec<String> {
    let text = fs::read_to_string(context.path(file)).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_run_pushes_what_it_makes() {
    let context = TestContext::new([]);
    let registry = FakeRegistry::start(Asks::Bearer, |_, _| None);
    let host = registry.host();
    fs::create_dir(context.path("home/.docker")).unwrap();
    let logins = format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"{LOGIN}\"}}}}}}");
    fs::write(context.path("home/.docker/config.json"), logins).unwrap();
    let name = format!("{host}/team/fake:1");
    let also = format!("--push={host}/team/other:2");

    let made = run(&context, &name, &[&also, "--refs=place"], &[]).ok();
    assert_eq!(made.stdout, b"");
    let manifest = registry.stored().manifests["team/fake:1"].content.clone();
    let found = digest(&manifest);
    assert_eq!(
        refs(&context, "place"),
        [
            format!("{host}/team/fake@{found}"),
            format!("{host}/team/other@{found}")
        ]
    );
    made.names(&[&format!("pushed {name}, "), &found]);
    // The second repository has its layer from the first.
    let sent: Vec<String> = registry.changes();
    let uploads = sent
        .iter()
        .filter(|change| change.starts_with("PUT /v2/team/other/blobs"));
    assert_eq!(uploads.count(), 0, "{sent:?}");
    context.assert_nothing_left();

    // A file that has the image gives the registry nothing new.
    registry.server.clear_log();
    let same = run(&context, &name, &[], &["place.oci.tar"]).ok();
    same.names(&[&format!("{name} is unchanged: {found}")]);
    let changes = registry.changes();
    let stores = changes.iter().filter(|change| change.starts_with("PUT"));
    assert_eq!(stores.count(), 0, "{changes:?}");

    // So does the archive itself, whose name is that of the first push.
    let mut push = context.program();
    let pushed = outcome(push.args(["push", "place.oci.tar"])).ok();
    assert_eq!(pushed.text(), format!("{host}/team/fake@{found}\n"));

    // A tree stays beside what the registry gets.
    run(&context, &format!("{host}/team/fake:tree"), &[], &["root"]).ok();
    assert!(context.root().join("usr/bin/dpkg").exists());
    let again = registry.stored().manifests["team/fake:tree"]
        .content
        .clone();
    assert_eq!(again, manifest);
    let mut pack = context.program();
    pack.args([
        "pack",
        "--push",
        &format!("{host}/team/fake:packed"),
        "root",
    ]);
    outcome(&mut pack).ok();
    let packed = registry.stored().manifests["team/fake:packed"]
        .content
        .clone();
    assert_eq!(packed, manifest);
}

/// What a registry does, and what a run says.
struct Case {
    name: &'static str,
    registry: fn() -> FakeRegistry,
    words: &'static [&'static str],
}

const CASES: [Case; 4] = [
    Case {
        name: "no login",
        registry: || FakeRegistry::start(Asks::Basic, |_, _| None),
        words: &[
            "denies access (401)",
            "hint: there is no login for",
            "docker login",
        ],
    },
    Case {
        name: "no right",
        registry: || {
            FakeRegistry::start(Asks::Nothing, |asked, _| {
                (asked.method == "POST").then(|| refusal(403, "DENIED", "read only"))
            })
        },
        words: &["denies access (403): DENIED: read only"],
    },
    Case {
        name: "no repository",
        registry: || {
            FakeRegistry::start(Asks::Nothing, |asked, _| {
                (asked.method == "POST").then(|| refusal(404, "NAME_UNKNOWN", "unknown"))
            })
        },
        words: &["404 Not Found: NAME_UNKNOWN", "to be created first"],
    },
    Case {
        name: "no space",
        registry: || {
            FakeRegistry::start(Asks::Nothing, |asked, _| {
                (asked.method == "POST").then(|| refusal(507, "UNKNOWN", "no space left"))
            })
        },
        words: &["507 Insufficient Storage: UNKNOWN: no space left"],
    },
];

#[test]
#[ignore = "needs root, dpkg"]
fn a_registry_that_takes_nothing_fails_the_run_before_any_download() {
    for case in &CASES {
        let context = TestContext::new([]);
        let registry = (case.registry)();
        let name = format!("{}/team/fake:1", registry.host());
        let failed = run(&context, &name, &["--tries=2"], &[]).fails(5);
        failed
            .names(case.words)
            .names(&[&format!("error: cannot push {name}"), "caused by: http://"]);
        assert_eq!(context.mirror.debs(), Vec::<String>::new(), "{}", case.name);
        context.assert_nothing_left();
    }
    // Nobody listens there.
    let context = TestContext::new([]);
    let name = "127.0.0.1:1/team/fake:1";
    let failed = run(&context, name, &["--tries=1"], &[]).fails(5);
    failed.names(&["connection refused", name]);
    context.assert_no_deb_requested();
    context.assert_nothing_left();
    println!("{} registries", CASES.len() + 1);
}

#[test]
#[ignore = "needs root, dpkg"]
fn an_image_stays_if_it_cannot_be_pushed() {
    let context = TestContext::new([]);
    // It takes the blobs, which the run cannot know before.
    let registry = FakeRegistry::start(Asks::Nothing, |asked, _| {
        (asked.method == "PUT" && asked.target.contains("/manifests/"))
            .then(|| refusal(400, "MANIFEST_INVALID", "no such media type"))
    });
    let name = format!("{}/team/fake:1", registry.host());
    let failed = run(&context, &name, &["--refs=refs"], &["place.oci.tar"]).fails(5);
    failed.names(&[
        "MANIFEST_INVALID: no such media type",
        "the image stays in place.oci.tar: `rbootstrap push place.oci.tar NAME` pushes it",
    ]);
    assert!(context.path("place.oci.tar").exists());
    assert!(!context.path("refs").exists());
    let failed = run(&context, &name, &[], &[]).fails(5);
    assert!(!failed.stderr.contains("stays"), "{}", failed.stderr);
}

#[test]
fn only_a_layout_with_one_image_is_pushed() {
    let context = TestContext::bare();
    fs::create_dir_all(context.path("empty/blobs/sha256")).unwrap();
    fs::write(
        context.path("empty/index.json"),
        "{\"schemaVersion\":2,\"manifests\":[]}",
    )
    .unwrap();
    fs::write(context.path("a.tar"), [0; 10240]).unwrap();
    let table = [
        (
            "a file that is absent",
            "absent.oci.tar",
            2,
            "cannot read absent.oci.tar",
        ),
        (
            "a tar",
            "a.tar",
            2,
            "a.tar is not an OCI image: it has no index.json",
        ),
        (
            "an empty layout",
            "empty",
            2,
            "empty has 0 images in its index.json",
        ),
        (
            "a URL",
            "http://h/a.oci.tar",
            2,
            "which is a URL and not a path",
        ),
    ];
    for (name, image, code, message) in table {
        let mut push = context.program();
        push.args(["push", image, "127.0.0.1:1/a:1"]);
        let failed = outcome(&mut push).fails(code);
        assert!(failed.stderr.contains(message), "{name}: {}", failed.stderr);
    }
    println!("{} images", table.len());
}

#[test]
#[ignore = "needs root"]
fn a_login_in_a_file_of_its_own_is_not_shown() {
    let context = TestContext::bare();
    let registry = FakeRegistry::start(Asks::Basic, |_, _| None);
    let host = registry.host();
    let logins = format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"{LOGIN}\"}}}}}}");
    fs::write(context.path("logins"), logins).unwrap();
    fs::create_dir(context.path("tree")).unwrap();
    let mut pack = context.program();
    pack.args(["pack", "-v", "--arch=amd64", "--push"])
        .arg(format!("{host}/team/fake:1"))
        .args(["--registry-auth", "logins", "tree"]);
    let packed = outcome(&mut pack).ok();
    let told = packed.stderr + &String::from_utf8_lossy(&packed.stdout);
    assert!(told.contains("is from logins"), "{told}");
    for secret in [PASSWORD, LOGIN] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
#[ignore = "needs root"]
fn an_interrupt_ends_a_push() {
    let context = TestContext::bare();
    fs::create_dir(context.path("place")).unwrap();
    let name = |host: &str| format!("--push={host}/team/fake:1");
    let table: [(&str, &[&str], bool); 2] = [
        ("without a file", &[], false),
        ("with a file", &["root.oci.tar"], true),
    ];
    for (case, output, stays) in table {
        let registry = FakeRegistry::start(Asks::Nothing, |asked, _| {
            (asked.method == "PUT").then(|| Reply::raw("HTTP/1.1 2", b"").cut(0, Then::Hang))
        });
        let mut pack = context.program();
        pack.args(["pack", "--arch=amd64", &name(&registry.host()), "place"]);
        let child = start(pack.args(output));
        registry.server.wait_for("blobs/uploads/");
        assert!(within_a_minute(|| registry.changes().len() > 3), "{case}");
        let stderr = interrupted(child, Signal::INT);
        assert_eq!(
            stderr.contains("the image stays"),
            stays,
            "{case}: {stderr}"
        );
        assert_eq!(
            stderr.contains("everything is undone"),
            !stays,
            "{case}: {stderr}"
        );
        for file in output {
            fs::remove_file(context.path(file)).unwrap();
        }
        context.assert_nothing_left();
    }
}

/// Pushes of the program against Debian's docker-registry, read back by skopeo.
#[test]
#[ignore = "needs root, dpkg, skopeo, docker-registry"]
fn a_real_registry_has_what_was_pushed() {
    let context = TestContext::new([]);
    let registry = Registry::start(&context.path("registry"));
    let host = registry.host();
    context.make(&["--variant=essential"]).ok();
    let program = |arguments: &[&str]| outcome(context.program().args(arguments)).ok();
    program(&["pack", "--arch=s390x", "root", "other.oci.tar"]);
    let mut pushed = 0;
    for (form, options) in [
        ("gz", &[][..]),
        ("zstd", &["--compress=zstd"]),
        ("attested", &["--attest"]),
    ] {
        let name = format!("{host}/team/{form}:1");
        let archive = format!("{form}.oci.tar");
        let arguments = ["pack", "--refs=refs", "--push", &name, "root", &archive];
        program(&[&arguments, options].concat());
        // As an index of two platforms, too.
        let two = format!("{host}/team/two-{form}:1");
        let joined = format!("two-{form}.oci.tar");
        if form != "attested" {
            program(&["pack", "--arch=s390x", "root", "other.oci.tar"]);
            program(&[
                "join",
                "--push",
                &two,
                "--refs=two",
                &joined,
                &archive,
                "other.oci.tar",
            ]);
        }
        for file in ["refs", "two"] {
            if file == "two" && form == "attested" {
                continue;
            }
            let reference = refs(&context, file).remove(0);
            let raw = registry.inspect(&reference);
            let (_, expected) = reference.rsplit_once('@').unwrap();
            assert_eq!(digest(&raw), expected, "{form}");
            pushed += 1;
        }
        // Again: neither a blob nor a manifest.
        let before = registry.requests();
        let again = program(&["push", &archive, &name]);
        assert!(again.stderr.contains(" is unchanged: "), "{}", again.stderr);
        let new = registry.requests()[before.len()..].concat();
        for method in ["PUT", "POST", "PATCH"] {
            assert!(!new.contains(method), "{new}");
        }
        // Under another tag: the manifest alone.
        let before = registry.requests();
        program(&["push", &archive, &format!("{host}/team/{form}:2")]);
        let new = registry.requests()[before.len()..].to_vec();
        let stores: Vec<&String> = new.iter().filter(|line| !line.contains("HEAD")).collect();
        assert!(
            stores.iter().all(|line| line.contains("/manifests/2")),
            "{new:?}"
        );
        assert_eq!(stores.len(), 1, "{new:?}");
        // In another repository, beside the first: mounted.
        let before = registry.requests();
        let elsewhere = format!("{host}/copy/{form}:1");
        program(&["push", &archive, &name, &elsewhere]);
        let new = registry.requests()[before.len()..].concat();
        assert!(
            !new.contains(&format!("PUT /v2/copy/{form}/blobs/")),
            "{new}"
        );
        assert!(new.contains("&mount=") || new.contains("?mount="), "{new}");
        let copy =
            format!("skopeo copy -q --all --src-tls-verify=false docker://{elsewhere} dir:copied");
        let mut words = copy.split(' ');
        let mut command = std::process::Command::new(words.next().unwrap());
        command.args(words).current_dir(context.directory.path());
        command.env("HOME", context.path("home"));
        outcome(&mut command).ok();
    }
    println!("{pushed} images read back with their digests");
    assert_eq!(pushed, 5);
}
