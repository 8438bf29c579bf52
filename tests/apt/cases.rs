//! Thirty demands that each depend on one rule of apt, with apt's answers, on excerpts of the
//! indexes. They need no network.
//!
//! `excerpts_are_apts` compares the stored answers with apt's answers to the stored excerpts. With
//! RBOOTSTRAP_APT_EXCERPTS=write it first makes both anew from the indexes of the host's mirror.

mod list;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use rbootstrap::testing::Index;
use rbootstrap::testing::Variant;
use rbootstrap::testing::{Compression, Integrity, decoder, encoder};
use rbootstrap::testing::{Selection, plan};

use crate::compare::{self, answer};
use crate::excerpt;
use crate::host::{self, Answer, Apt, Question, Setting};
use rbootstrap::testing::listing::{self, TestRelease};

pub(crate) use list::{CASES, Case};

pub(crate) const SUITES: [&str; 2] = ["trixie", "bookworm"];
const ARCHITECTURE: &str = "amd64";

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/apt/excerpts", name]
        .iter()
        .collect()
}

fn read(name: &str) -> String {
    let path = file(name);
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    decoder(Compression::Xz, &bytes[..], Integrity::Unknown)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn write(name: &str, text: &str) {
    let mut encoded = encoder(Compression::Xz, Vec::new(), 1).unwrap();
    encoded.write_all(text.as_bytes()).unwrap();
    fs::create_dir_all(file("")).unwrap();
    fs::write(file(name), encoded.finish().unwrap()).unwrap();
}

/// An index with one listing.
pub(crate) fn index(suite: &str, text: String) -> Index {
    let mut release = TestRelease::new(suite, ARCHITECTURE);
    release.codename = Some(suite.to_owned());
    listing::index(vec![release.listing(ARCHITECTURE, text)])
}

/// The planner's answer to a case.
pub(crate) fn ours(index: &Index, case: &Case) -> Option<Answer> {
    let selection = Selection {
        variant: Variant::Minbase,
        suite: case.suite.to_owned(),
        architectures: vec![ARCHITECTURE.to_owned()],
        include: case.words(),
        local: Vec::new(),
        exclude: Vec::new(),
        usr_is_merged: false,
        first_alternatives: false,
    };
    plan(index, &selection)
        .ok()
        .map(|plan| answer(&plan, ARCHITECTURE))
}

/// The stored answers by demand. A stored answer is a paragraph; that of a refusal is `refused`.
fn stored(suite: &str) -> BTreeMap<String, Option<Answer>> {
    let text = read(&format!("{suite}.answers.xz"));
    let mut answers = BTreeMap::new();
    for paragraph in text.split("\n\n") {
        let mut lines = paragraph.trim().lines();
        let Some(demand) = lines.next() else {
            continue;
        };
        let mut answer = Answer {
            ordered: true,
            ..Answer::default()
        };
        for line in lines {
            match line.strip_prefix("Base ") {
                Some(package) => answer.base.push(package.to_owned()),
                None => answer.operations.push(line.to_owned()),
            }
        }
        let is_refusal = answer.base.is_empty();
        answers.insert(demand.to_owned(), (!is_refusal).then_some(answer));
    }
    answers
}

fn written(answers: &[(&Case, Option<Answer>)]) -> String {
    let mut paragraphs = Vec::new();
    for (case, answer) in answers {
        let mut lines = vec![case.demand.to_owned()];
        match answer {
            None => lines.push("refused".to_owned()),
            Some(answer) => {
                for package in &answer.base {
                    lines.push(format!("Base {package}"));
                }
                lines.extend(answer.operations.iter().cloned());
            }
        }
        paragraphs.push(lines.join("\n"));
    }
    paragraphs.join("\n\n") + "\n"
}

fn agree(theirs: Option<&Answer>, ours: Option<&Answer>) -> Result<(), String> {
    match (theirs, ours) {
        (None, None) => Ok(()),
        (Some(theirs), Some(ours)) => compare::equal(theirs, ours),
        (theirs, _) => Err(format!(
            "only {} refuse",
            if theirs.is_some() { "we" } else { "they" }
        )),
    }
}

#[test]
fn stored_cases_are_answered_as_by_apt() {
    for suite in SUITES {
        let index = index(suite, read(&format!("{suite}.Packages.xz")));
        let answers = stored(suite);
        for case in CASES.iter().filter(|case| case.suite == suite) {
            let theirs = &answers[case.demand];
            let found = ours(&index, case);
            let result = case
                .shows(theirs.as_ref())
                .and_then(|()| agree(theirs.as_ref(), found.as_ref()));
            result.unwrap_or_else(|difference| {
                panic!("{suite} {} ({}): {difference}", case.demand, case.rule)
            });
        }
    }
}

#[test]
#[ignore = "asks the host's apt about the excerpts"]
fn excerpts_are_apts() {
    let _turn = crate::TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if std::env::var("RBOOTSTRAP_APT_EXCERPTS").as_deref() == Ok("write") {
        SUITES.into_iter().for_each(make);
    }
    for suite in SUITES {
        let text = read(&format!("{suite}.Packages.xz"));
        let answers = stored(suite);
        let (apt, _directory) = excerpt::apt(suite, &text);
        let index = index(suite, text);
        for case in CASES.iter().filter(|case| case.suite == suite) {
            let found = apt
                .answer(Variant::Minbase, &case.words(), Question::Order)
                .unwrap();
            // The order of the last `dpkg --configure --pending` in apt's simulation depends on the
            // size of apt's hash table.
            let unpacked = |answer: &Option<Answer>| {
                answer
                    .as_ref()
                    .map(|a| (a.base.clone(), host::unpacked(&a.operations)))
            };
            assert_eq!(
                unpacked(&answers[case.demand]),
                unpacked(&found),
                "{suite} {}",
                case.demand
            );
            agree(found.as_ref(), ours(&index, case).as_ref())
                .unwrap_or_else(|difference| panic!("{suite} {}: {difference}", case.demand));
        }
    }
}

/// Makes the excerpt and the answers of a suite from the mirror's index.
fn make(suite: &'static str) {
    let apt = Apt::new(Setting::plain(suite)).unwrap();
    let mut answers = Vec::new();
    for case in CASES.iter().filter(|case| case.suite == suite) {
        let answer = apt.answer(Variant::Minbase, &case.words(), Question::Order);
        answers.push((case, answer.unwrap()));
    }
    for (case, answer) in &answers {
        case.shows(answer.as_ref())
            .unwrap_or_else(|difference| panic!("{suite} {}: {difference}", case.demand));
    }
    let text = excerpt::reduce(&apt, &answers, ours);
    write(&format!("{suite}.Packages.xz"), &text);
    write(&format!("{suite}.answers.xz"), &written(&answers));
}
