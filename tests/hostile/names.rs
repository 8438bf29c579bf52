//! Names of entries: climbing, absolute, contradicting each other, and names that no file can have.

use rbootstrap::testing::tar::{directory, entry, fifo, file, symlink};

use super::case::{Case, accepted, refused};
use super::harness::{Canary, run};

const OUTSIDE: &str = "is not a path inside the tree";
const CONTRADICTS: &str = "contradicts its entry";

fn climbing(out: &str) -> Vec<Case> {
    vec![
        refused("up", OUTSIDE).entries(&[file("./../escaped", "x")]),
        refused("up-far", OUTSIDE).entries(&[file("../../../../../../escaped", "x")]),
        refused("up-between", OUTSIDE).entries(&[file("./usr/../../escaped", "x")]),
        refused("up-at-the-end", OUTSIDE).entries(&[directory("./usr/..")]),
        refused("up-absolute", OUTSIDE).entries(&[file("/../escaped", "x")]),
        refused("up-directory", OUTSIDE).entries(&[directory("../escaped/")]),
        refused("up-symlink", OUTSIDE).entries(&[symlink("../escaped", "x")]),
        refused("up-fifo", OUTSIDE).entries(&[fifo("../escaped", 0o644)]),
        refused("up-and-back", OUTSIDE).entries(&[file("./usr/../etc/x", "x")]),
        accepted("absolute").entries(&[file(format!("{out}/escaped"), "x")]),
        accepted("slashes").entries(&[file(format!("//{out}//.//escaped"), "x")]),
        accepted("dots-in-a-name").entries(&[file("./usr/..x/...", "x")]),
    ]
}

fn contradicting() -> Vec<Case> {
    vec![
        refused("below-a-file", CONTRADICTS).entries(&[file("./a", "x"), file("./a/b", "y")]),
        refused("below-a-pipe", CONTRADICTS).entries(&[fifo("./a", 0o644), file("./a/b/c", "y")]),
        refused("directory-below-a-file", CONTRADICTS)
            .entries(&[file("./a", "x"), directory("./a/b/")]),
        refused("file-then-directory", CONTRADICTS).entries(&[file("./a", "x"), directory("./a/")]),
        refused("directory-then-file", CONTRADICTS).entries(&[directory("./a/"), file("./a", "x")]),
        refused("pipe-over-a-directory", CONTRADICTS)
            .entries(&[directory("./a/"), fifo("./a", 0o644)]),
        refused("link-below-a-file", CONTRADICTS)
            .entries(&[file("./a", "x"), symlink("./a/b", "c")]),
        accepted("symlink-over-a-directory").entries(&[
            directory("./a/"),
            file("./a/b", "x"),
            symlink("./a", "usr"),
        ]),
        accepted("twice").entries(&[file("./a", "x"), file("./a", "y")]),
        accepted("directory-twice").entries(&[directory("./a/"), directory("./a/").mode(0o700)]),
    ]
}

fn odd() -> Vec<Case> {
    let deep = format!("./{}x", "d/".repeat(1900));
    let name = "n".repeat(256);
    vec![
        refused("newline", OUTSIDE).entries(&[file("./usr/a\nb", "x")]),
        refused("newline-in-a-directory", OUTSIDE).entries(&[directory("./usr\n/")]),
        refused("name-of-256-bytes", OUTSIDE).entries(&[file(format!("./{name}"), "x")]),
        refused("directory-of-256-bytes", OUTSIDE).entries(&[file(format!("./{name}/x"), "x")]),
        refused("path-of-4096-bytes", OUTSIDE)
            .entries(&[file(format!("./{}x", "directory/".repeat(410)), "x")]),
        refused("path-of-60-kilobytes", OUTSIDE)
            .entries(&[file(format!("./{}x", "d/".repeat(30_000)), "x")]),
        refused("root-as-a-file", OUTSIDE).data(rbootstrap::testing::tar::tar(&[file(".", "x")])),
        refused("root-as-a-symlink", "has no valid name").entries(&[symlink("./", "/etc")]),
        refused("root-as-a-pipe", OUTSIDE).entries(&[fifo("./.", 0o644)]),
        refused("no-name", "has no valid name").entries(&[file("", "x")]),
        accepted("name-of-255-bytes").entries(&[file(format!("./{}", &name[1..]), "x")]),
        accepted("path-of-3802-bytes").entries(&[file(deep, "x")]),
        accepted("control-characters").entries(&[file("./\x1b[2J\x1b]0;x\x07\r\t", "x")]),
        accepted("no-encoding").entries(&[file(b"./\xff\xfe\x80", "x")]),
        accepted("spaces-and-quotes").entries(&[file("./ '\"$(touch escaped) `x`;*?", "x")]),
        accepted("dashes").entries(&[file("./--help", "x")]),
        accepted("root-with-a-mode").data(rbootstrap::testing::tar::tar(&[directory("./")
            .mode(0o777)
            .ids(1000, 1000)])),
        accepted("v7-directory").entries(&[entry("./usr/", b'0', 0o755)]),
    ]
}

#[test]
#[ignore = "needs root"]
fn names_that_lead_nowhere() {
    let canary = Canary::new();
    let mut cases = climbing(canary.path());
    cases.extend(contradicting());
    cases.extend(odd());
    run("names", &["--variant=extract"], &canary, &cases);
}
