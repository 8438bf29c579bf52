//! The page of `--timings`: of a whole run, and in a browser where there is one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rbootstrap::testing::base;

use crate::context::{Outcome, TestContext, outcome};

const PROBE: &str = include_str!("timings/probe.js");

/// A context in which a run has left its page, and the page.
fn page() -> (TestContext, PathBuf) {
    let context = TestContext::new([]);
    let path = context.path("timings.html");
    context
        .make(&["--include=hello", "--timings", path.to_str().unwrap()])
        .ok();
    (context, path)
}

/// The row of a package: all of its bars.
fn row<'p>(page: &'p str, name: &str) -> &'p str {
    let begin = page
        .find(&format!("<div class=row data-name='{name}'"))
        .unwrap_or_else(|| panic!("no row for {name}"));
    page[begin..].split("</div></div></div>").next().unwrap()
}

#[test]
#[ignore = "needs root, dpkg"]
fn every_package_of_a_run_has_each_of_its_steps() {
    let (context, path) = page();
    let page = fs::read_to_string(path).unwrap();
    for line in context.installed() {
        let row = row(&page, line.split([' ', ':']).next().unwrap());
        for step in ["download", "decode", "unpack", "configure"] {
            assert!(
                row.contains(&format!("class='b {step}")),
                "{line} has no {step}: {row}"
            );
        }
    }
    assert!(row(&page, "plan").contains("class='b plan"));
}

#[test]
#[ignore = "needs root, dpkg"]
fn an_image_has_a_step_too() {
    let context = TestContext::new([]);
    let (page, tar) = (context.path("timings.html"), context.path("image.tar"));
    context
        .make(&[
            "--timings",
            page.to_str().unwrap(),
            "--tar",
            tar.to_str().unwrap(),
        ])
        .ok();
    assert!(row(&fs::read_to_string(page).unwrap(), "image").contains("class='b pack"));
}

#[test]
#[ignore = "needs root, dpkg, chromium"]
fn a_browser_shows_it_and_answers_the_keyboard() {
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let browser = browsers.iter().find(|name| base::program(name).is_some());
    let browser = browser.expect("a Chromium");
    let (context, path) = page();
    let written = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        written.replace("</body>", &format!("<script>{PROBE}</script></body>")),
    )
    .unwrap();
    let shown = open(browser, &context, &path);
    let found = shown
        .text()
        .split("data-probe=\"")
        .nth(1)
        .unwrap_or_default()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(found, "done", "stderr:\n{}", shown.stderr);
    let complaints: Vec<&str> = shown
        .stderr
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert_eq!(complaints, Vec::<&str>::new());
}

/// The page as it is once its scripts have run.
fn open(browser: &str, context: &TestContext, page: &Path) -> Outcome {
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-quic",
        "--disable-sync",
    ]);
    command.args([
        "--disable-background-networking",
        "--disable-component-update",
        "--enable-logging=stderr",
        "--window-size=1400,900",
    ]);
    command
        .arg(format!(
            "--user-data-dir={}",
            context.path("browser").display()
        ))
        .args(["--virtual-time-budget=3000", "--dump-dom"]);
    outcome(command.arg(format!("file://{}", page.display()))).ok()
}
