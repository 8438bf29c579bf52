//! Symlinks and hard links: to the host, in circles, to what is not there.

use rbootstrap::testing::tar::{device, directory, file, hard_link, symlink};

use super::case::{Case, accepted, refused};
use super::harness::{Canary, run};

const OUTSIDE: &str = "is not a path inside the tree";
const NOT_A_FILE: &str = "which is not a file";

fn symlinks(out: &str) -> Vec<Case> {
    let far = "../".repeat(20);
    let through = |link: &str, target: &str| {
        [
            symlink(format!("./{link}"), target),
            file(format!("./{link}/escaped"), "x"),
        ]
    };
    vec![
        accepted("absolute-link").entries(&through("out", out)),
        accepted("climbing-link").entries(&through("out", &format!("{far}{out}"))),
        accepted("link-to-the-root").entries(&[
            symlink("./top", "/"),
            file(format!("./top{out}/escaped"), "x"),
        ]),
        accepted("chain-of-links").entries(&[
            symlink("./a", &far),
            symlink("./b", "a"),
            symlink("./c", &format!("b{out}")),
            file("./c/escaped", "x"),
        ]),
        accepted("link-in-a-link").entries(&[
            directory("./usr/"),
            symlink("./usr/out", out),
            symlink("./late", "usr/out/directory"),
            file("./late/file", "x"),
        ]),
        accepted("link-over-the-host-secret").entries(&[
            symlink("./out", out),
            symlink("./out/secret", "/etc/passwd"),
        ]),
        accepted("link-to-proc").entries(&through("p", "/proc/self/root")),
        accepted("link-to-a-descriptor").entries(&[symlink("./p", "/proc/self/fd/3/..")]),
        refused("link-to-itself", "contradicts its entry").entries(&through("a", "a")),
        refused("links-in-a-circle", "contradicts its entry").entries(&[
            symlink("./a", "b"),
            symlink("./b", "a"),
            file("./a/x", "x"),
        ]),
        refused("file-below-a-link-to-a-file", "contradicts its entry").entries(&[
            file("./a", "x"),
            symlink("./b", "a"),
            file("./b/c", "x"),
        ]),
        refused("link-without-a-target", "has no valid target").entries(&[symlink("./a", "")]),
        refused("target-of-5000-bytes", "has no valid target")
            .entries(&[symlink("./a", &"t".repeat(5000))]),
        accepted("target-with-newlines").entries(&[symlink("./a", "b\n\x1b[2J")]),
    ]
}

fn hard_links(out: &str) -> Vec<Case> {
    vec![
        refused("hard-link-up", OUTSIDE).entries(&[hard_link("./a", "../../secret")]),
        refused("hard-link-far-up", OUTSIDE).entries(&[hard_link(
            "./a",
            &format!("{}{out}/secret", "../".repeat(20)),
        )]),
        refused("hard-link-to-the-host", NOT_A_FILE).entries(&[hard_link(
            "./a",
            &format!("{out}/secret"),
        )
        .mode(0o6777)]),
        refused("hard-link-through-a-link", NOT_A_FILE).entries(&[
            symlink("./out", out),
            hard_link("./a", "./out/secret").mode(0o6777),
        ]),
        refused("hard-link-to-itself", NOT_A_FILE).entries(&[hard_link("./a", "./a")]),
        refused("hard-links-in-a-circle", NOT_A_FILE)
            .entries(&[hard_link("./a", "./b"), hard_link("./b", "./a")]),
        refused("hard-link-to-nothing", NOT_A_FILE).entries(&[hard_link("./a", "./missing")]),
        refused("hard-link-without-a-target", NOT_A_FILE).entries(&[hard_link("./a", "")]),
        refused("hard-link-to-the-root", NOT_A_FILE).entries(&[hard_link("./a", "./")]),
        refused("hard-link-to-a-directory", NOT_A_FILE)
            .entries(&[directory("./d/"), hard_link("./a", "./d")]),
        refused("hard-link-to-a-symlink", NOT_A_FILE).entries(&[
            symlink("./usr/s", "/etc/passwd"),
            hard_link("./a", "./usr/s"),
        ]),
        refused("hard-link-below-a-file", NOT_A_FILE)
            .entries(&[file("./f", "x"), hard_link("./a", "./f/g")]),
        refused("hard-link-over-a-directory", "contradicts its entry").entries(&[
            file("./f", "x"),
            directory("./a/"),
            hard_link("./a", "./f"),
        ]),
        refused(
            "hard-link-to-a-later-file",
            "is a hard link to /f, which is not a file",
        )
        .entries(&[hard_link("./a", "./f"), file("./f", "x")]),
        accepted("hard-link-to-a-hard-link").entries(&[
            file("./f", "x"),
            hard_link("./a", "./f"),
            hard_link("./b", "./a"),
        ]),
        accepted("hard-link-to-a-device")
            .entries(&[device("./null", 1, 3), hard_link("./a", "./null")]),
        accepted("hard-link-over-its-target").entries(&[file("./f", "x"), hard_link("./f", "./f")]),
    ]
}

#[test]
#[ignore = "needs root"]
fn links_that_lead_nowhere() {
    let canary = Canary::new();
    let mut cases = symlinks(canary.path());
    cases.extend(hard_links(canary.path()));
    run("links", &["--variant=extract"], &canary, &cases);
}
