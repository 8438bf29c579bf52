//! Cases of hostile scripts, and the loop that runs them one after another over one archive.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rbootstrap::testing::{DebBuilder, base};

use super::canary::{Canary, TOKEN};
use crate::context::{TestContext, processes_below};

/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a case may do with the tree before it is removed.
type Look = fn(&Path) -> Result<(), String>;

/// A package with a hostile script, and what follows from it.
pub struct Case {
    name: String,
    debs: Vec<DebBuilder>,
    options: Vec<&'static str>,
    code: i32,
    says: Vec<&'static str>,
    never_says: Vec<&'static str>,
    look: Option<Look>,
}

impl Case {
    /// A package whose postinst is this, in a run that succeeds.
    pub fn postinst(name: &str, body: &str) -> Case {
        Case::script(name, "postinst", body)
    }

    pub fn script(name: &str, script: &str, body: &str) -> Case {
        Case::of(tools(name).script(script, body))
    }

    /// A package, in a run that succeeds.
    pub fn of(deb: DebBuilder) -> Case {
        Case {
            name: deb.name.clone(),
            debs: vec![deb],
            options: Vec::new(),
            code: 0,
            says: Vec::new(),
            never_says: Vec::new(),
            look: None,
        }
    }

    /// A package that is installed after the first, and made of the rest of the case.
    pub fn then(mut self, build: fn(DebBuilder) -> DebBuilder) -> Case {
        let later = DebBuilder::new(&format!("{}-later", self.name), "1");
        let later = later.field("Pre-Depends", &self.name);
        self.debs.push(build(later));
        self
    }

    pub fn with(mut self, options: &[&'static str]) -> Case {
        self.options.extend(options);
        self
    }

    pub fn fails(mut self, code: i32, says: &[&'static str]) -> Case {
        self.code = code;
        self.says.extend(says);
        self
    }

    pub fn says(mut self, says: &[&'static str]) -> Case {
        self.says.extend(says);
        self
    }

    pub fn never_says(mut self, says: &[&'static str]) -> Case {
        self.never_says.extend(says);
        self
    }

    /// Triggers of the first package.
    pub fn triggers(mut self, lines: &str) -> Case {
        self.debs[0] = self.debs[0].clone().triggers(lines);
        self
    }

    /// Replaces the shell in the scripts of the first package.
    pub fn interpreter(mut self, path: &str) -> Case {
        for member in &mut self.debs[0].members {
            member.content = format!("#!{path}\ntrue\n").into_bytes();
        }
        self
    }

    pub fn looks(mut self, look: Look) -> Case {
        self.look = Some(look);
        self
    }

    fn fill_in(&mut self, canary: &Canary) {
        for deb in &mut self.debs {
            for member in &mut deb.members {
                let text = String::from_utf8(member.content.clone()).unwrap();
                member.content = canary.fill_in(&text).into_bytes();
            }
            for entry in &mut deb.entries {
                let target = String::from_utf8(entry.target.clone()).unwrap();
                entry.target = canary.fill_in(&target).into_bytes();
            }
        }
    }

    fn include(&self) -> String {
        let names: Vec<&str> = self.debs.iter().map(|deb| &*deb.name).collect();
        format!("--include={}", names.join(","))
    }
}

/// A package that needs the programs of the scripts.
pub fn tools(name: &str) -> DebBuilder {
    DebBuilder::new(name, "1").depends("hostile-tools")
}

/// The programs of the base that hostile scripts use.
const OF_THE_BASE: [&str; 21] = [
    "cat",
    "chmod",
    "chown",
    "cp",
    "date",
    "dirname",
    "dpkg-divert",
    "grep",
    "head",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mknod",
    "mv",
    "readlink",
    "rm",
    "sleep",
    "touch",
    "tr",
    "true",
];

/// The programs that hostile scripts use, with those libraries that the base lacks.
pub fn tools_deb() -> DebBuilder {
    let names = ["perl", "yes", "truncate", "setsid"];
    let mut deb = DebBuilder::new("hostile-tools", "1")
        .architecture(rbootstrap::testing::host_architecture())
        .field("Essential", "yes")
        .field("Priority", "required");
    let mut known = BTreeSet::new();
    for package in base::base() {
        for entry in &package.entries {
            known.insert(entry.path.clone());
        }
    }
    // A script without its program would seem to have been refused.
    let programs = names.iter().chain(&OF_THE_BASE).map(|name| {
        let program = base::program(name);
        program.unwrap_or_else(|| panic!("the scripts need {name}, which is not installed"))
    });
    for entry in programs.chain(base::libraries(&names)) {
        if !known.contains(&entry.path) {
            deb = deb.entry(entry);
        }
    }
    deb
}

/// Runs the cases and prints how many there were. Fails once all have run, naming those that
/// failed.
pub fn run(title: &str, mut cases: Vec<Case>) {
    let mut canary = Canary::new();
    let mut debs = vec![tools_deb()];
    for case in &mut cases {
        case.fill_in(&canary);
        debs.extend(case.debs.iter().cloned());
    }
    let context = TestContext::new(debs);
    let mut failures = Vec::new();
    let only = std::env::var("SCRIPT_CASE").unwrap_or_default();
    let mut ran = 0;
    for case in &cases {
        if !case.name.contains(&only) {
            continue;
        }
        let began = Instant::now();
        let outcome = run_case(&context, case);
        let mut problems = outcome.err().unwrap_or_default();
        problems += &canary.changes();
        if !problems.is_empty() {
            failures.push(format!("{}: {problems}", case.name));
            canary = Canary::new(); // later cases miss it, but report no change
        }
        println!("{title}: {} in {:.1?}", case.name, began.elapsed());
        ran += 1;
    }
    println!("{title}: {ran} cases ran, {} failed", failures.len());
    assert!(ran > 0 && failures.is_empty(), "{}", failures.join("\n"));
}

/// Makes a tree with the case's packages and compares what follows with what is expected.
fn run_case(context: &TestContext, case: &Case) -> Result<(), String> {
    let root = context.path("root");
    let log = context.path("stderr");
    let mut command = context.command();
    if !case
        .options
        .iter()
        .any(|option| option.starts_with("--variant"))
    {
        command.arg("--variant=essential");
    }
    command
        .args(["-vv", &case.include()])
        .args(&case.options)
        .env(TOKEN.0, TOKEN.1);
    command.arg("fake").arg(&root).arg(context.mirror.url());
    let Ended { code, process } = match finish(&mut command, &log) {
        Ok(ended) => ended,
        Err(problem) => {
            remove(&root); // for the next case
            return Err(problem);
        }
    };
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
    let end: String = text
        .lines()
        .rev()
        .take(12)
        .fold(String::new(), |end, line| format!("    {line}\n{end}"));
    let mut problems = String::new();
    if code != Some(case.code) {
        problems += &format!("exit code {code:?} instead of {}\n{end}", case.code);
    }
    for word in &case.never_says {
        if text.contains(word) {
            problems += &format!("`{word}` is in\n{end}");
        }
    }
    for word in &case.says {
        if !text.contains(word) {
            problems += &format!("`{word}` is not in\n{end}");
        }
    }
    if text.contains("panicked") || text.contains('\x1b') {
        problems += &format!("a panic or a control character in\n{end}");
    }
    if let (Some(look), Some(0)) = (case.look, code)
        && let Err(found) = look(&root)
    {
        problems += &found;
    }
    if code == Some(0) {
        remove(&root);
    }
    problems += &left(context, &root);
    problems += &groups_of(process);
    if root.exists() {
        remove(&root);
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// What a run left behind besides its tree.
fn left(context: &TestContext, root: &Path) -> String {
    let mut problems = String::new();
    if root.exists() {
        problems += "the target is still there\n";
    }
    let running = processes_below(context.directory.path());
    if !running.is_empty() {
        problems += &format!("still running: {running:?}\n");
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    if mounts.contains(context.directory.path().to_str().unwrap()) {
        problems += "something is still mounted\n";
    }
    let mut temporary = Vec::new();
    for entry in fs::read_dir(context.path("tmp")).unwrap() {
        temporary.push(entry.unwrap().file_name());
    }
    if !temporary.is_empty() {
        problems += &format!("left in TMPDIR: {temporary:?}\n");
    }
    problems
}

/// The control groups that a run has not removed.
fn groups_of(process: u32) -> String {
    let name = format!("rbootstrap-{process}-*");
    let mut find = Command::new("find");
    find.args(["/sys/fs/cgroup", "-maxdepth", "6", "-name", &name]);
    let found = find.output().unwrap().stdout;
    String::from_utf8(found).unwrap()
}

/// How a run ended.
struct Ended {
    code: Option<i32>,
    process: u32,
}

/// Runs a command with its stderr in a file. An error if it hangs.
fn finish(command: &mut Command, log: &PathBuf) -> Result<Ended, String> {
    let mut child = command
        .stdout(File::create(log.with_extension("out")).unwrap())
        .stderr(File::create(log).unwrap())
        .spawn()
        .unwrap();
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return Ok(Ended {
                code: status.code(),
                process: child.id(),
            });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    Err(format!("it did not end within {PATIENCE:?}\n"))
}

/// Removes a tree, whatever a script has made of it.
fn remove(root: &Path) {
    let mut command = Command::new("rm");
    command.args(["-rf", "--one-file-system"]).arg(root);
    assert!(command.status().unwrap().success());
}
