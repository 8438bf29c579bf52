//! The page of `--timings`: of a whole run, and in a browser where there is one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{Outcome, World, outcome, skip};

const PROBE: &str = include_str!("timings/probe.js");

/// A world in which a run has left its page, and the page.
fn page() -> Option<(World, PathBuf)> {
    let world = World::new([])?;
    let path = world.path("timings.html");
    world
        .make(&["--include=hello", "--timings", path.to_str().unwrap()])
        .ok();
    Some((world, path))
}

/// The row of a package: all of its bars.
fn row<'p>(page: &'p str, name: &str) -> &'p str {
    let begin = page
        .find(&format!("<div class=row data-name='{name}'"))
        .unwrap_or_else(|| panic!("no row for {name}"));
    page[begin..].split("</div></div></div>").next().unwrap()
}

#[test]
fn every_package_of_a_run_has_each_of_its_steps() {
    let Some((world, path)) = page() else { return };
    let page = fs::read_to_string(path).unwrap();
    for line in world.installed() {
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
fn an_image_has_a_step_too() {
    let Some(world) = World::new([]) else { return };
    let (page, tar) = (world.path("timings.html"), world.path("image.tar"));
    world
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
fn a_browser_shows_it_and_answers_the_keyboard() {
    let Some(browser) = [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ]
    .into_iter()
    .find(|p| Path::new(p).exists()) else {
        return skip("needs Chromium");
    };
    let Some((world, path)) = page() else { return };
    let written = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        written.replace("</body>", &format!("<script>{PROBE}</script></body>")),
    )
    .unwrap();
    let shown = open(browser, &world, &path);
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
fn open(browser: &str, world: &World, page: &Path) -> Outcome {
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
            world.path("browser").display()
        ))
        .args(["--virtual-time-budget=3000", "--dump-dom"]);
    outcome(command.arg(format!("file://{}", page.display()))).ok()
}
