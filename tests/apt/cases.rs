//! Thirty demands that each depend on one rule of apt, with apt's answers, on excerpts of the
//! indexes. They need no network.
//!
//! `excerpts_are_apts` compares the stored answers with apt's answers to the stored excerpts. With
//! RBOOTSTRAP_APT_EXCERPTS=write it first makes both anew from the indexes of the host's mirror.

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

/// A demand, the rule that decides it, and the expected names.
pub(crate) struct Case {
    pub suite: &'static str,
    pub demand: &'static str,
    rule: &'static str,
    /// Names in the answer; `-` if apt refuses the demand.
    present: &'static str,
    /// Names that are not in the answer.
    absent: &'static str,
}

const fn case(
    suite: &'static str,
    demand: &'static str,
    rule: &'static str,
    present: &'static str,
    absent: &'static str,
) -> Case {
    Case {
        suite,
        demand,
        rule,
        present,
        absent,
    }
}

pub(crate) const CASES: [Case; 30] = [
    case(
        "trixie",
        "tesseract-ocr-all ocrmypdf",
        "order",
        "fonts-dejavu-core fonts-dejavu-mono",
        "",
    ),
    case(
        "trixie",
        "ocrmypdf tesseract-ocr-all",
        "order",
        "",
        "fonts-dejavu-core fonts-dejavu-mono",
    ),
    case(
        "trixie",
        "python3-django-q python3-dev",
        "order",
        "python3-typing-extensions",
        "",
    ),
    case(
        "trixie",
        "python3-dev python3-django-q",
        "order",
        "",
        "python3-typing-extensions",
    ),
    case(
        "trixie",
        "r-cran-tmb libopenblas-serial-dev",
        "order, no undo",
        "libblas3 liblapack3 libopenblas0-serial",
        "",
    ),
    case(
        "trixie",
        "liblapacke libopenblas0-serial",
        "two passes",
        "",
        "libblas3 liblapack3",
    ),
    case(
        "trixie",
        "hunspell-de-med hunspell-de-ch-frami",
        "two passes",
        "",
        "hunspell-en-us",
    ),
    case(
        "trixie",
        "plplot-tcl-bin",
        "numbers",
        "libtk9.0 libtcl9.0 libtk8.6",
        "",
    ),
    case("trixie", "dgit", "numbers", "sopv-gpgv", "gosop"),
    case(
        "trixie",
        "php8.4-amqp",
        "numbers",
        "php8.4-phpdbg",
        "libapache2-mod-php8.4",
    ),
    case(
        "trixie",
        "mailutils-imap4d mysqmail-courier-logger",
        "protection",
        "courier-base courier-pop",
        "",
    ),
    case(
        "trixie",
        "systemd-standalone-sysusers tomcat10",
        "protection, discard",
        "tomcat10",
        "systemd",
    ),
    case(
        "trixie",
        "kuvert rmail",
        "own conflicts, sweep",
        "sendmail-bin",
        "ssmtp libicu76",
    ),
    case(
        "trixie",
        "libqt5serialport5-dev qtbase5-private-gles-dev",
        "sweep",
        "",
        "libglu1-mesa-dev libopengl-dev",
    ),
    case(
        "trixie",
        "diffmon jcat rmail",
        "repair",
        "sendmail-bin systemd",
        "exim4-config",
    ),
    case(
        "trixie",
        "cloudflare-ddns libeet1 systemd-standalone-shutdown",
        "repair",
        "systemd-standalone-sysusers",
        "systemd",
    ),
    case("trixie", "kdeconnect jmtpfs", "order", "fuse3", "fuse"),
    case("trixie", "xabacus xmabacus", "conflict", "-", ""),
    case(
        "trixie",
        "libmlir-22-dev libmlir-19-dev",
        "conflict",
        "-",
        "",
    ),
    case("trixie", "mail-transport-agent", "virtual demand", "-", ""),
    case("trixie", "dbus", "first alternative", "adduser", ""),
    case(
        "bookworm",
        "elogind janus",
        "next alternative, removal",
        "dbus-x11 dconf-gsettings-backend",
        "libsystemd0 gconf2-common",
    ),
    case(
        "bookworm",
        "libjack0 rakarrack",
        "protection",
        "jackd1",
        "jackd2",
    ),
    case(
        "bookworm",
        "uucp bcron",
        "two passes",
        "",
        "cron sensible-utils",
    ),
    case(
        "bookworm",
        "python3-gnuplotlib gnuplot-nox",
        "two passes",
        "",
        "libxml2 shared-mime-info",
    ),
    case(
        "bookworm",
        "alkimia-bin libqt5gui5-gles",
        "two passes, protection",
        "",
        "libqt5gui5 libgl1",
    ),
    case("bookworm", "japa jackd1", "sweep", "", "libopus0"),
    case(
        "bookworm",
        "epiphany libsdl1.2-compat-dev",
        "sweep",
        "",
        "libcaca0",
    ),
    case("bookworm", "afterstep", "numbers", "", "alacritty xterm"),
    case("bookworm", "php-yac", "numbers", "php8.2-phpdbg", ""),
];

pub(crate) const SUITES: [&str; 2] = ["trixie", "bookworm"];
const ARCHITECTURE: &str = "amd64";

impl Case {
    pub(crate) fn words(&self) -> Vec<String> {
        self.demand.split(' ').map(str::to_owned).collect()
    }

    /// An error if an answer does not depend on the rule as expected.
    fn shows(&self, found: Option<&Answer>) -> Result<(), String> {
        let Some(found) = found else {
            return if self.present == "-" {
                Ok(())
            } else {
                Err("refused".to_owned())
            };
        };
        let set = found.set();
        let has = |name: &&str| set.contains_key(format!("{name}:{ARCHITECTURE}").as_str());
        for name in self.present.split_whitespace() {
            if !has(&name) {
                return Err(format!("lacks {name}"));
            }
        }
        for name in self.absent.split_whitespace() {
            if has(&name) {
                return Err(format!("has {name}"));
            }
        }
        Ok(())
    }
}

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
        exclude: Vec::new(),
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
