//! The page of `--timings`: its data after real runs, and the page in a browser where there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rbootstrap::testing::{DebBuilder, base};
use serde_json::Value;

use crate::context::{Outcome, TestContext, outcome};

/// Uses the page of a complete run.
const PROBE: &str = include_str!("timings/probe.js");

/// Looks at the page of a run that failed before it did anything.
const PROBE_OF_FAILURE: &str = r##"
const sections = [...document.querySelectorAll("section")];
const failure = document.querySelector("#failure");
const isRight = sections.every((one) => one.offsetHeight === 0)
  && !document.querySelector("#nothing").hidden
  && failure.offsetHeight > 0 && failure.textContent.includes("no-such-suite");
document.body.dataset.probe = isRight ? "done" : "wrong";
"##;

/// A context in which a run has left its page, and the page.
fn page() -> (TestContext, PathBuf) {
    let context = TestContext::new([]);
    let path = context.path("timings.html");
    context
        .make(&["--include=hello", "--timings", path.to_str().unwrap()])
        .ok();
    (context, path)
}

/// The data in a page.
fn data(page: &Path) -> Value {
    let page = fs::read_to_string(page).unwrap();
    let begin = "<script type=\"application/json\" id=\"data\">";
    let (_, rest) = page.split_once(begin).unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(json).unwrap()
}

/// The stages of each row of a page.
fn stages(data: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut rows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for span in data["spans"].as_array().unwrap() {
        assert!(span["from"].as_f64() <= span["to"].as_f64(), "{span}");
        let row = span["row"].as_str().unwrap().to_owned();
        let stage = span["stage"].as_str().unwrap().to_owned();
        rows.entry(row).or_default().insert(stage);
    }
    rows
}

#[test]
#[ignore = "needs root, dpkg"]
fn every_package_of_a_run_has_a_span_in_each_stage() {
    let (context, path) = page();
    let data = data(&path);
    let stages = stages(&data);
    for line in context.installed() {
        let name = line.split([' ', ':']).next().unwrap();
        let expected = ["configure", "decode", "download", "unpack"].map(str::to_owned);
        assert_eq!(stages[name], BTreeSet::from(expected), "{line}");
    }
    assert_eq!(stages["plan"], BTreeSet::from(["plan".to_owned()]));
    assert_eq!(data["failure"], Value::Null);
    assert!(data["path"].as_array().unwrap().len() > 3);
}

#[test]
#[ignore = "needs root, dpkg"]
fn an_image_has_a_span() {
    let context = TestContext::new([]);
    let page = context.path("timings.html");
    let tar = context.path("image.tar");
    let options = ["--timings", page.to_str().unwrap(), "--tar"];
    context
        .make(&[&options[..], &[tar.to_str().unwrap()]].concat())
        .ok();
    let stages = stages(&data(&page));
    assert_eq!(stages["image"], BTreeSet::from(["pack".to_owned()]));
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_run_that_fails_has_a_page_that_says_why() {
    let broken = DebBuilder::new("broken", "1").script("postinst", "exit 3");
    let context = TestContext::new([broken]);
    let page = context.path("timings.html");
    context
        .make(&["--include=broken", "--timings", page.to_str().unwrap()])
        .fails(7);
    let data = data(&page);
    let failure = data["failure"].as_str().unwrap();
    assert!(failure.contains("broken"), "{failure}");
    assert!(stages(&data)["broken"].contains("unpack"));
}

#[test]
#[ignore = "needs root, dpkg, chromium"]
fn a_browser_shows_it_and_answers_the_keyboard() {
    let browser = browser();
    let (context, path) = page();
    assert_eq!(probe(browser, &context, &path, PROBE), "done");
}

#[test]
#[ignore = "needs chromium"]
fn a_browser_shows_a_run_without_spans() {
    let browser = browser();
    let context = TestContext::bare();
    let path = context.path("timings.html");
    let options = ["--timings", path.to_str().unwrap()];
    context
        .run([&options[..], &["--print-debs", "no-such-suite", "root"]].concat())
        .fails(2);
    assert_eq!(probe(browser, &context, &path, PROBE_OF_FAILURE), "done");
}

/// The browser of this host.
fn browser() -> &'static str {
    for name in ["chromium", "chromium-browser", "google-chrome"] {
        if base::program(name).is_some() {
            return name;
        }
    }
    panic!("no Chromium");
}

/// Opens a page with a script that leaves its findings in the body's `data-probe`; gives these.
/// Fails if the page writes to the console, which is where errors go.
#[track_caller]
fn probe(browser: &str, context: &TestContext, page: &Path, script: &str) -> String {
    let written = fs::read_to_string(page).unwrap();
    let with_probe = written.replace("</body>", &format!("<script>{script}</script></body>"));
    fs::write(page, with_probe).unwrap();
    let shown = open(browser, context, page);
    for line in shown.stderr.lines() {
        assert!(!line.contains("CONSOLE"), "{line}");
    }
    let text = shown.text();
    let found = text.split("data-probe=\"").nth(1).unwrap_or_default();
    found.split('"').next().unwrap().to_owned()
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
        "--disable-background-networking",
        "--disable-component-update",
        "--enable-logging=stderr",
        "--window-size=1400,900",
        "--virtual-time-budget=3000",
        "--dump-dom",
    ]);
    let profile = context.path("browser");
    command.arg(format!("--user-data-dir={}", profile.display()));
    outcome(command.arg(format!("file://{}", page.display()))).ok()
}
