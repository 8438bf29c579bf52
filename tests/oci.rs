//! OCI images: the same image in every form and from every way to it, several platforms in one
//! index, joined images, and failures that leave nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use rbootstrap::testing::{DebBuilder, FakeSuite};
use rustix::process::{Pid, Signal, kill_process};

use crate::context::mounted::Mounted;
use crate::context::{TestContext, outcome};
use crate::interrupt::{start, within_a_minute};

/// The files of an archive or of a directory, by their names.
pub fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    if path.is_dir() {
        rbootstrap::testing::tree::walk(path, &mut |file, metadata| {
            if metadata.is_file() {
                let name = file.strip_prefix(path).unwrap().display().to_string();
                files.insert(name, fs::read(file).unwrap());
            }
        });
        return files;
    }
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        if entry.header().entry_type().is_file() {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(name, content);
        }
    }
    files
}

/// The platforms of an image, in the order of its index.
fn platforms(files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let parse = |name: &str| -> serde_json::Value { serde_json::from_slice(&files[name]).unwrap() };
    let index = parse("index.json");
    let top = index["manifests"].as_array().unwrap();
    assert_eq!(top.len(), 1, "descriptors in index.json");
    let mut manifests = top.clone();
    if top[0]["mediaType"]
        .as_str()
        .unwrap()
        .contains("image.index")
    {
        let digest = top[0]["digest"]
            .as_str()
            .unwrap()
            .replace("sha256:", "blobs/sha256/");
        manifests = parse(&digest)["manifests"].as_array().unwrap().clone();
    }
    let name = |manifest: &serde_json::Value| {
        let platform = &manifest["platform"];
        let variant = platform["variant"]
            .as_str()
            .map(|variant| format!("/{variant}"));
        let architecture = platform["architecture"].as_str().unwrap();
        format!("{architecture}{}", variant.unwrap_or_default())
    };
    manifests.iter().map(name).collect()
}

#[test]
#[ignore = "needs root, dpkg"]
fn every_way_to_an_image_gives_the_same_image() {
    let context = TestContext::new([]);
    let url = context.mirror.url();
    let run = |options: &[&str], target: &str| {
        let mut arguments = vec!["--variant=essential", "--tag=a/b:c"];
        arguments.extend(options);
        arguments.extend(["fake", target, &url]);
        context.run(arguments).ok()
    };
    run(&["--jobs=1"], "one.oci.tar");
    let expected = fs::read(context.path("one.oci.tar")).unwrap();
    let mut ways = 1;
    let mut same = |name: &str, found: &[u8]| {
        assert!(found == expected, "{name}: {} bytes", found.len());
        ways += 1;
    };
    run(&["--jobs=8", "--no-cache"], "two.oci.tar");
    same(
        "more threads",
        &fs::read(context.path("two.oci.tar")).unwrap(),
    );
    same("standard output", &run(&["--format=oci"], "-").stdout);
    run(&["--format=oci"], "named.tar");
    same(
        "--format oci",
        &fs::read(context.path("named.tar")).unwrap(),
    );
    run(&["--tar", "beside.oci.tar"], "root");
    same(
        "beside a directory",
        &fs::read(context.path("beside.oci.tar")).unwrap(),
    );
    let mut pack = context.program();
    pack.args(["pack", "--tag=a/b:c", "root", "packed.oci.tar"]);
    outcome(&mut pack).ok();
    same("pack", &fs::read(context.path("packed.oci.tar")).unwrap());
    run(&["--format=oci"], "layout");
    assert_eq!(
        files(&context.path("layout")),
        files(&context.path("one.oci.tar"))
    );
    let mut join = context.program();
    join.args(["join", "joined.oci.tar", "layout"]);
    outcome(&mut join).ok();
    same(
        "join of one",
        &fs::read(context.path("joined.oci.tar")).unwrap(),
    );
    println!("{ways} ways to one archive");
    assert_eq!(ways, 7);
    assert_eq!(platforms(&files(&context.path("layout"))).len(), 1);
}

/// A suite of three architectures with one package of each.
fn ported() -> TestContext {
    let mut suite = FakeSuite::new("fake");
    suite.architectures = ["amd64", "arm64", "armhf"].map(str::to_owned).to_vec();
    for architecture in suite.architectures.clone() {
        let content = format!("for {architecture}");
        let deb = DebBuilder::new("hello", "1").architecture(&architecture);
        suite = suite.with([deb.file("usr/bin/hello", content)]);
    }
    TestContext::of(&suite)
}

#[test]
#[ignore = "needs root"]
fn several_platforms_are_one_index_however_they_come_together() {
    let context = ported();
    let url = context.mirror.url();
    let run = |options: &[&str], target: &str| {
        let mut arguments = vec!["--variant=extract", "--include=hello", "--tag=a:b"];
        arguments.extend(options);
        arguments.extend(["fake", target, &url]);
        context.run(arguments).ok()
    };
    run(
        &["--arch=armhf", "--arch=arm64", "--arch=amd64"],
        "all.oci.tar",
    );
    let all = files(&context.path("all.oci.tar"));
    assert_eq!(platforms(&all), ["amd64", "arm/v7", "arm64/v8"]);
    // index.json, manifest.json, oci-layout, the nested index, and three blobs a platform.
    assert_eq!(all.len(), 4 + 3 * 3);
    for architecture in ["amd64", "arm64", "armhf"] {
        run(
            &["--arch", architecture],
            &format!("{architecture}.oci.tar"),
        );
    }
    run(&["--format=oci", "--arch=arm64"], "layout");
    let join = |arguments: &[&str]| outcome(context.program().arg("join").args(arguments));
    join(&[
        "joined.oci.tar",
        "arm64.oci.tar",
        "amd64.oci.tar",
        "armhf.oci.tar",
    ])
    .ok();
    assert_eq!(files(&context.path("joined.oci.tar")), all);
    join(&["joined.oci.tar", "amd64.oci.tar", "armhf.oci.tar", "layout"]).ok();
    assert_eq!(files(&context.path("joined.oci.tar")), all);
    join(&["twice", "joined.oci.tar"]).ok();
    assert_eq!(files(&context.path("twice")), all);
    let stdout = join(&["-", "all.oci.tar"]).ok().stdout;
    assert!(stdout == fs::read(context.path("all.oci.tar")).unwrap());
    let printed = context.run([
        "--print-debs",
        "--variant=extract",
        "--include=hello",
        "--arch=amd64",
        "--arch=arm64",
        "fake",
        "x",
        &url,
    ]);
    assert_eq!(printed.ok().text(), "hello=1:amd64\nhello=1:arm64\n");

    join(&["bad.oci.tar", "arm64.oci.tar", "layout"])
        .fails(2)
        .names(&["arm64.oci.tar", "layout", "linux/arm64/v8"]);
    let mut broken = fs::read(context.path("amd64.oci.tar")).unwrap();
    let at = broken
        .windows(2)
        .position(|pair| pair == [0x1f, 0x8b])
        .unwrap();
    broken[at + 12] ^= 1;
    fs::write(context.path("broken.oci.tar"), &broken).unwrap();
    fs::write(context.path("empty.oci.tar"), vec![0; 10_240]).unwrap();
    fs::create_dir(context.path("void")).unwrap();
    let rows = [
        ("broken.oci.tar", 3, "another digest"),
        ("empty.oci.tar", 2, "index.json"),
        ("void", 2, "index.json"),
        ("no-such", 2, "no-such"),
        ("keyring.gpg", 2, "keyring.gpg"),
    ];
    for (name, code, words) in rows {
        join(&["bad.oci.tar", name])
            .fails(code)
            .names(&[words, name]);
        assert!(!context.path("bad.oci.tar").exists(), "{name}");
    }
}

#[test]
fn wrong_outputs_are_refused_before_anything_is_made() {
    let context = TestContext::bare();
    let rows: [(&[&str], &[&str]); 8] = [
        (&["fake", "x.img"], &["x.img", ".oci.tar", "--format dir"]),
        (&["fake", "x.tar.lz4"], &[".tar.lz4", ".tar.zst"]),
        (&["fake", "x.oci.tar.gz"], &[".oci.tar.gz"]),
        (
            &["--format=oci", "fake", "x.tar.gz"],
            &["layer", ".oci.tar"],
        ),
        (&["--label=a=b", "fake", "root"], &["--label", "directory"]),
        (&["--tag=A", "fake", "x.oci.tar"], &["--tag", "`A`"]),
        (
            &["--arch=amd64", "--arch=arm64", "fake", "root"],
            &["--arch", "comma"],
        ),
        (&["--compress-level=10", "fake", "x.tgz"], &["1 to 9"]),
    ];
    for (arguments, words) in rows {
        context
            .run(arguments.iter().chain(&["http://127.0.0.1:1"]))
            .fails(2)
            .names(words);
        context.assert_nothing_left();
    }
}

#[test]
#[ignore = "needs root"]
fn an_image_that_cannot_be_written_leaves_nothing() {
    let noise: Vec<u8> = (0..1_u64 << 17)
        .flat_map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 29).to_le_bytes())
        .collect();
    let context = TestContext::new([DebBuilder::new("noise", "1").file("usr/share/noise", noise)]);
    let url = context.mirror.url();
    let mut failed = 0;
    let mut succeeded = 0;
    for size in ["64k", "300k", "500k", "700k", "1100k", "20m"] {
        for target in ["place/x.oci.tar", "place/layout"] {
            let mounted = Mounted::tmpfs(&context.path("place"), &format!("size={size}"));
            let made = context.run([
                "--variant=extract",
                "--include=noise",
                "--format=oci",
                "fake",
                target,
                &url,
            ]);
            let left = rbootstrap::testing::tree::names(&context.path("place"));
            match made.code {
                Some(0) => succeeded += 1,
                Some(6) => {
                    assert!(left.is_empty(), "{target} on {size}: {left:?}");
                    failed += 1;
                }
                other => panic!("{target} on {size}: {other:?} {}", made.stderr),
            }
            drop(mounted);
            context.assert_nothing_besides_target();
        }
    }
    println!("{failed} failed, {succeeded} succeeded");
    assert!(failed >= 4 && succeeded >= 4, "{failed}, {succeeded}");
}

#[test]
#[ignore = "needs root"]
fn an_interrupt_while_the_image_goes_out_leaves_nothing() {
    let noise: Vec<u8> = (0..1_u64 << 19)
        .flat_map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 29).to_le_bytes())
        .collect();
    let context = TestContext::new([DebBuilder::new("noise", "1").file("usr/share/noise", noise)]);
    let url = context.mirror.url();
    let mut command = context.command();
    command.args([
        "--variant=extract",
        "--include=noise",
        "--format=oci",
        "fake",
        "-",
        &url,
    ]);
    let mut child = start(&mut command);
    // Its first byte comes when the layer is complete; the pipe is full long before the last.
    let mut first = [0];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let mut rest = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut content = Vec::new();
        let _ = rest.read_to_end(&mut content);
        content.len()
    });
    assert!(within_a_minute(|| child.try_wait().unwrap().is_some()));
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(143), "{stderr}");
    assert!(reader.join().unwrap() < 4 << 20);
    context.assert_nothing_left();
}
