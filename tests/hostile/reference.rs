//! Which hostile packages dpkg itself takes, and where rbootstrap is stricter.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::case::Case;

/// Unpacks each package with the host's dpkg below a directory of its own, and asserts that it
/// takes those that rbootstrap takes, apart from `known` ones.
pub fn compare(table: &str, cases: &[Case], known: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for case in cases {
        let directory = tempfile::tempdir().unwrap();
        let takes = dpkg_takes(directory.path(), &case.build());
        let is_known = known.iter().any(|(name, _)| *name == case.name);
        if (takes == (case.code == 0)) == is_known {
            wrong.push(format!("{}: dpkg takes it: {takes}", case.name));
        }
    }
    println!(
        "{table}, with dpkg: {} cases, {} failed",
        cases.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{table}:\n{}", wrong.join("\n"));
    for (name, _) in known {
        assert!(
            cases.iter().any(|case| case.name == *name),
            "no case {name}"
        );
    }
}

/// Whether dpkg unpacks a package. The root is deep, as a path may climb.
fn dpkg_takes(directory: &Path, deb: &[u8]) -> bool {
    let root = directory.join("a/b/c/root");
    for path in ["info", "updates", "triggers"] {
        fs::create_dir_all(root.join("var/lib/dpkg").join(path)).unwrap();
    }
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let file = directory.join("package.deb");
    fs::write(&file, deb).unwrap();
    let mut dpkg = Command::new("dpkg");
    dpkg.args([
        "--force-depends",
        "--force-architecture",
        "--force-unsafe-io",
        "--root",
    ]);
    dpkg.arg(&root).arg("--unpack").arg(&file);
    dpkg.output().unwrap().status.success()
}
