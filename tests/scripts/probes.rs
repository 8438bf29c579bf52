//! Probes: one postinst in perl tries all of a list, each in a process of its own, and writes down
//! what the kernel answered.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::canary::{Canary, TOKEN};
use super::table::{tools, tools_deb};
use crate::context::{TestContext, outcome, processes_below};

/// A thing to try: perl code whose value is true if it was done, and which otherwise leaves an
/// error number in `$!`.
pub struct Probe {
    pub name: &'static str,
    pub code: String,
    /// The error numbers that count as a refusal.
    pub refusals: &'static [i32],
}

pub const DENIED: &[i32] = &[libc::EPERM, libc::EACCES];

/// A system call with arguments as perl writes them.
pub fn call(name: &'static str, number: i64, arguments: &str) -> Probe {
    let separator = if arguments.is_empty() { "" } else { ", " };
    Probe {
        name,
        code: format!("sys({number}{separator}{arguments}) >= 0"),
        refusals: DENIED,
    }
}

/// Perl code.
pub fn code(name: &'static str, code: &str, refusals: &'static [i32]) -> Probe {
    Probe {
        name,
        code: code.to_owned(),
        refusals,
    }
}

const PRELUDE: &str = r#"
open(my $answers, '>>', '/var/lib/answers') or die;
sub probe {
    my ($name, $try) = @_;
    my $child = fork();
    if (!$child) {
        $SIG{ALRM} = sub { syswrite($answers, "$name timeout\n"); exit };
        alarm(5);
        $! = 0;
        my $done = eval { $try->() };
        my $error = $! + 0;
        syswrite($answers, $name . ($@ ? " died $@" : $done ? " done\n" : " $error\n"));
        exit;
    }
    waitpid($child, 0);
    syswrite($answers, "$name killed $?\n") if $? & 127;
}
sub sys { my ($number, @arguments) = @_; return syscall($number, @arguments) }
sub processes { opendir(my $d, '/proc') or return (); return grep { /^\d+$/ } readdir($d) }
sub writable { my $file; return sysopen($file, $_[0], 1) }
sub readable { my ($file, $text); return 0 unless open($file, '<', $_[0]); return defined(sysread($file, $text, 64)) && length($text) > 0 }
"#;

/// Tries the probes in a tree of their own, in a run that must succeed, and prints how many there
/// were.
pub fn run(title: &str, probes: Vec<Probe>) {
    let mut probing = Probing::new(probes);
    let mut command = probing.command(&probing.context.mirror.url());
    outcome(&mut command).ok();
    let failures = probing.failures(&[]);
    assert!(failures.is_empty(), "{title}: {}", failures.join("\n"));
    println!("{title}: {} cases ran, 0 failed", probing.probes.len());
}

/// Probes in the postinst of a package.
pub struct Probing {
    pub probes: Vec<Probe>,
    pub canary: Canary,
    pub context: TestContext,
}

impl Probing {
    pub fn new(probes: Vec<Probe>) -> Probing {
        let canary = Canary::new();
        let mut script = format!("#!/usr/bin/perl\n{PRELUDE}");
        for probe in &probes {
            script += &format!("probe('{}', sub {{ {} }});\n", probe.name, probe.code);
        }
        let deb = tools("probing").member("postinst", 0o755, canary.fill_in(&script));
        Probing {
            probes,
            canary,
            context: TestContext::new([tools_deb(), deb]),
        }
    }

    /// A run that tries them.
    pub fn command(&self, mirror: &str) -> Command {
        let mut command = self.context.command();
        // Each probe has five seconds of its own.
        command.args(["--script-timeout=10m", "--variant=essential"]);
        command.args(["--include=probing", "fake"]);
        command.env(TOKEN.0, TOKEN.1);
        command.arg(self.context.root()).arg(mirror);
        command
    }

    /// What was not refused, or reached the canary, after a run that succeeded. `harmless` lists
    /// answers, as `name answer`, that are not failures.
    pub fn failures(&mut self, harmless: &[&str]) -> Vec<String> {
        let answers = answers(&self.context.root());
        let mut failures = Vec::new();
        for probe in &self.probes {
            let answer = answers.get(probe.name).map_or("none", |answer| answer);
            let number = answer.parse().ok();
            let is_harmless = harmless.contains(&&*format!("{} {answer}", probe.name));
            if !is_harmless && !number.is_some_and(|number| probe.refusals.contains(&number)) {
                failures.push(format!("{}: {answer}", probe.name));
            }
        }
        assert_eq!(answers.len(), self.probes.len(), "names are unique");
        let changes = self.canary.changes();
        if !changes.is_empty() {
            failures.push(changes);
        }
        failures.extend(processes_below(self.context.directory.path()));
        failures
    }
}

/// The first answer to each probe.
fn answers(root: &Path) -> BTreeMap<String, String> {
    let text = fs::read(root.join("var/lib/answers")).unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut answers = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, answer)) = line.split_once(' ') {
            answers
                .entry(name.to_owned())
                .or_insert_with(|| answer.to_owned());
        }
    }
    answers
}
