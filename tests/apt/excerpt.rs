//! Excerpts of indexes: the stanzas that some answers depend on, with apt's numbers of the
//! packages.
//!
//! apt numbers a package where a stanza first mentions it, and the numbers decide between
//! providers. So an excerpt begins with a stanza whose Suggests mention all names in the order of
//! the whole index.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;

use rbootstrap::testing::Index;
use rbootstrap::testing::{Algorithm, digest};
use rbootstrap::testing::{Fields, stanzas};

use crate::cases::{Case, index};
use crate::compare;
use crate::host::{Answer, Apt, Setting};

/// The fields that resolvers read, in the order in which apt reads names.
const FIELDS: [&str; 17] = [
    "Package",
    "Version",
    "Architecture",
    "Multi-Arch",
    "Priority",
    "Essential",
    "Protected",
    "Important",
    "Pre-Depends",
    "Depends",
    "Conflicts",
    "Breaks",
    "Recommends",
    "Suggests",
    "Replaces",
    "Enhances",
    "Provides",
];
/// The relation fields begin here. Those before `ACTIVE` are dependencies and conflicts.
const RELATIONS: usize = 8;
const ACTIVE: usize = 12;

/// The package of the first stanza; no demand names it.
const OPENING: &str = "the-order-of-mentions";

/// apt with an excerpt as its only index, which is served from a directory. apt reads the index in
/// place, so the caller keeps the directory. It needs a Filename even for a .deb that it never
/// fetches.
pub(crate) fn apt(suite: &str, text: &str) -> (Apt, tempfile::TempDir) {
    let text = text.replace(
        "\nArchitecture:",
        "\nFilename: pool/absent.deb\nSize: 1\nArchitecture:",
    );
    let directory = tempfile::tempdir().unwrap();
    let path = "main/binary-amd64/Packages";
    let at = directory.path().join("dists").join(suite);
    fs::create_dir_all(at.join(path).parent().unwrap()).unwrap();
    let sum = digest(Algorithm::Sha256, text.as_bytes()).hexadecimal();
    let release = format!(
        "Origin: Debian\nLabel: Debian\nSuite: {suite}\nCodename: {suite}\n\
         Date: Sun, 01 Jun 2025 00:00:00 UTC\nArchitectures: amd64\n\
         Components: main\nSHA256:\n {sum} {} {path}\n",
        text.len()
    );
    fs::write(at.join(path), &text).unwrap();
    fs::write(at.join("Release"), release).unwrap();
    let mirror = Some(format!("file:{}", directory.path().display()));
    (
        Apt::new(Setting {
            mirror,
            ..Setting::plain(suite)
        })
        .unwrap(),
        directory,
    )
}

/// The names in a relation field.
fn names(field: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for text in field.split([',', '|']) {
        let text = text.trim();
        let end = text.find([' ', '(', ':', '[', '\n']).unwrap_or(text.len());
        if end > 0 {
            names.push(&text[..end]);
        }
    }
    names
}

struct Whole<'a> {
    /// The stanzas with their names, in order.
    stanzas: Vec<(&'a str, Fields<'a>)>,
    by_name: HashMap<&'a str, Vec<usize>>,
    providers: HashMap<&'a str, Vec<usize>>,
    /// All names by first mention.
    mentioned: Vec<&'a str>,
}

impl<'a> Whole<'a> {
    fn of(text: &'a str) -> Whole<'a> {
        let mut whole = Whole {
            stanzas: Vec::new(),
            by_name: HashMap::new(),
            providers: HashMap::new(),
            mentioned: Vec::new(),
        };
        let mut seen = BTreeSet::new();
        for stanza in stanzas(text) {
            let all = Fields::read(stanza);
            let name = all.one("Package").unwrap_or_default();
            let number = whole.stanzas.len();
            whole.by_name.entry(name).or_default().push(number);
            let mut mentioned = vec![name];
            for field in &FIELDS[RELATIONS..] {
                mentioned.extend(names(all.one(field).unwrap_or_default()));
            }
            for name in mentioned {
                if seen.insert(name) {
                    whole.mentioned.push(name);
                }
            }
            for provided in all.one("Provides").into_iter().flat_map(names) {
                whole.providers.entry(provided).or_default().push(number);
            }
            whole.stanzas.push((name, all));
        }
        whole
    }

    /// The stanzas to which the dependencies and conflicts of a stanza refer.
    fn neighbours(&self, number: usize) -> BTreeSet<usize> {
        let mut neighbours = BTreeSet::new();
        let (_, fields) = &self.stanzas[number];
        for field in &FIELDS[RELATIONS..ACTIVE] {
            for name in names(fields.one(field).unwrap_or_default()) {
                neighbours.extend(self.serving(name));
            }
        }
        neighbours
    }

    /// The stanzas of a name and of its providers.
    fn serving(&self, name: &str) -> Vec<usize> {
        let mut serving = Vec::new();
        for numbers in [self.by_name.get(name), self.providers.get(name)] {
            serving.extend(numbers.into_iter().flatten());
        }
        serving
    }

    fn excerpt(&self, kept: &BTreeSet<usize>) -> String {
        let mut kept_names = BTreeSet::new();
        for number in kept {
            kept_names.insert(self.stanzas[*number].0);
        }
        let mut order = self.mentioned.clone();
        order.retain(|name| kept_names.contains(name));
        let mut text = format!(
            "Package: {OPENING}\nVersion: 0\nArchitecture: all\nSuggests: {}\n\n",
            order.join(", ")
        );
        for number in kept {
            for field in FIELDS {
                if let Some(value) = self.stanzas[*number].1.one(field) {
                    writeln!(text, "{field}: {value}").unwrap();
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Reduces the index of `apt` to the stanzas that its answers depend on. It begins with the
/// packages of the answers, their dependencies and conflicts. While the planner's answer to the
/// excerpt is not apt's answer to the whole index, it adds the next dependencies and conflicts.
pub(crate) fn reduce(
    apt: &Apt,
    answers: &[(&Case, Option<Answer>)],
    ours: impl Fn(&Index, &Case) -> Option<Answer>,
) -> String {
    let whole = Whole::of(apt.index.listings()[0].text());
    let mut active: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (case, answer) in answers {
        let mut names = case.words();
        if let Some(answer) = answer {
            for line in answer.base.iter().chain(&answer.operations) {
                names.extend(package_name(line));
            }
        }
        let stanzas = active.entry(case.demand).or_default();
        for name in names {
            stanzas.extend(whole.serving(&name));
        }
    }
    loop {
        let mut kept = BTreeSet::new();
        for number in active.values().flatten() {
            kept.insert(*number);
            kept.extend(whole.neighbours(*number));
        }
        let text = whole.excerpt(&kept);
        let index = index(&apt.setting.suite, text.clone());
        let mut wrong = Vec::new();
        for (case, theirs) in answers {
            let is_wrong = match (theirs, ours(&index, case)) {
                (Some(theirs), Some(ours)) => compare::equal(theirs, &ours).is_err(),
                (theirs, ours) => theirs.is_some() != ours.is_some(),
            };
            if is_wrong {
                wrong.push(case.demand);
            }
        }
        eprintln!(
            "{}: {} of {} stanzas, {} answers differ",
            apt.setting.suite,
            kept.len(),
            whole.stanzas.len(),
            wrong.len()
        );
        if wrong.is_empty() {
            return text;
        }
        for demand in wrong {
            let around = active.get_mut(demand).unwrap();
            let before = around.len();
            for number in around.clone() {
                around.extend(whole.neighbours(number));
            }
            assert!(
                around.len() > before,
                "{demand} differs on the whole index too"
            );
        }
    }
}

/// The package's name in a line of an answer: `Inst libc6:amd64 2.41-12 [amd64]`.
fn package_name(line: &str) -> Option<String> {
    let word = line.split(' ').find(|word| word.contains(':'))?;
    let (name, _) = word.split_once(':')?;
    Some(name.to_owned())
}
