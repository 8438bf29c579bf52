//! Compares apt's answers with the planner's, and prints how many are equal.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rbootstrap::testing::Variant;
use rbootstrap::testing::{Call, Plan, Selection, plan};

use crate::host::{Answer, Apt, Question};

/// How many apt processes run at once.
const AT_ONCE: usize = 2;

/// The order is compared for plans up to `SHORT` packages, and for one in `ONE_IN` of the others.
const SHORT: usize = 110;
const ONE_IN: usize = 20;

/// A demand that both answer.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    /// The row of the figures.
    pub kind: &'static str,
    pub variant: Variant,
    pub words: Vec<String>,
}

/// How the demands of one kind were answered.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    equal: usize,
    refused: usize,
    differ: usize,
}

/// Has both answer all demands. Returns the differences, and prints the figures.
#[expect(clippy::print_stderr, reason = "the test prints its figures")]
pub(crate) fn compare(apt: &Apt, demands: &[Demand]) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(demand) = demands.get(number) else {
                        break;
                    };
                    let result = differs(apt, demand, number.is_multiple_of(ONE_IN));
                    if let Err(difference) = &result {
                        eprintln!("{}", shown(apt, demand, difference));
                    }
                    results.lock().unwrap().push((demand, result));
                }
            });
        }
    });
    let mut differences = Vec::new();
    let mut figures = BTreeMap::<_, Figures>::new();
    for (demand, result) in results.into_inner().unwrap() {
        let of_kind = figures.entry(demand.kind).or_default();
        match result {
            Ok(true) => of_kind.equal += 1,
            Ok(false) => of_kind.refused += 1,
            Err(difference) => {
                of_kind.differ += 1;
                differences.push(shown(apt, demand, &difference));
            }
        }
    }
    for (
        kind,
        Figures {
            equal,
            refused,
            differ,
        },
    ) in figures
    {
        let all = equal + refused + differ;
        eprintln!(
            "| {} | {kind} | {all} | {equal} | {refused} | {differ} |",
            apt.setting.name
        );
    }
    differences
}

fn shown(apt: &Apt, demand: &Demand, difference: &str) -> String {
    format!(
        "{} {:?} {}: {difference}",
        apt.setting.name,
        demand.variant,
        demand.words.join(" ")
    )
}

/// Returns true if both find the same plan, false if both refuse, and a difference as an error.
fn differs(apt: &Apt, demand: &Demand, in_order: bool) -> Result<bool, String> {
    let selection = Selection {
        variant: demand.variant,
        suite: apt.setting.suite.clone(),
        architectures: apt.architectures.clone(),
        include: demand.words.clone(),
        local: Vec::new(),
        exclude: Vec::new(),
        usr_is_merged: false,
        first_alternatives: false,
    };
    let ours = plan(&apt.index, &selection);
    let short = ours
        .as_ref()
        .is_ok_and(|plan| plan.packages().len() <= SHORT);
    let question = if short || in_order {
        Question::Order
    } else {
        Question::Set
    };
    match (ours, apt.answer(demand.variant, &demand.words, question)?) {
        (Err(_), None) => Ok(false),
        (Err(error), Some(_)) => Err(format!("only we refuse: {error}")),
        (Ok(_), None) => Err("only apt refuses".to_owned()),
        (Ok(plan), Some(theirs)) => {
            equal(&theirs, &answer(&plan, &apt.architectures[0])).map(|()| true)
        }
    }
}

/// An error that names the first difference between two answers.
pub(crate) fn equal(theirs: &Answer, ours: &Answer) -> Result<(), String> {
    let their_set = theirs.set();
    let our_set = ours.set();
    if their_set != our_set {
        return Err(format!(
            "the set: only apt has {}; only we have {}",
            missing(&their_set, &our_set),
            missing(&our_set, &their_set)
        ));
    }
    if !theirs.ordered {
        return Ok(());
    }
    if replaces_base(theirs)? {
        return Ok(());
    }
    in_order("the order of the base", &theirs.base, &ours.base)?;
    // apt's simulation lists the packages of the last `dpkg --configure --pending`.
    let count = theirs.operations.len().min(ours.operations.len());
    in_order(
        "the order",
        &theirs.operations[..count],
        &ours.operations[..count],
    )
}

/// The first packages of `some` that `others` lacks.
fn missing(some: &BTreeMap<&str, &str>, others: &BTreeMap<&str, &str>) -> String {
    let mut missing = Vec::new();
    for (name, version) in some {
        if others.get(name) != Some(version) && missing.len() < 8 {
            missing.push(format!("{name} {version}"));
        }
    }
    missing.join(", ")
}

/// Whether the second call installs another version of a package of the base. The planner installs
/// that version in the first call, so the orders differ. An error if it is the same version, which
/// apt then did not know to be installed.
fn replaces_base(theirs: &Answer) -> Result<bool, String> {
    let mut replaces = false;
    for line in &theirs.operations {
        let Some(new) = line.strip_prefix("Inst ") else {
            continue;
        };
        if theirs.base.iter().any(|old| old == new) {
            return Err(format!("apt does not know that {new} is installed"));
        }
        replaces |= theirs.base.iter().any(|old| name(old) == name(new));
    }
    Ok(replaces)
}

fn name(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

fn in_order(what: &str, theirs: &[String], ours: &[String]) -> Result<(), String> {
    let mut at = 0;
    while at < theirs.len() && at < ours.len() && theirs[at] == ours[at] {
        at += 1;
    }
    if at == theirs.len() && at == ours.len() {
        return Ok(());
    }
    let theirs = &theirs[at..theirs.len().min(at + 5)];
    let ours = &ours[at..ours.len().min(at + 5)];
    Err(format!(
        "{what} at {at}: apt has {}; we have {}",
        theirs.join(", "),
        ours.join(", ")
    ))
}

/// The plan in apt's words.
pub(crate) fn answer(plan: &Plan, native: &str) -> Answer {
    let mut names = Vec::new();
    let mut lines = Vec::new();
    for chosen in plan.packages() {
        let package = chosen.package();
        let own = if package.architecture == "all" {
            native
        } else {
            &package.architecture
        };
        let name = format!("{}:{own}", package.name);
        lines.push(format!(
            "{name} {} [{}]",
            package.version, package.architecture
        ));
        names.push(name);
    }
    let mut operations = Vec::new();
    for call in plan.calls() {
        let (word, numbers, texts) = match call {
            Call::Unpack(numbers) => ("Inst", numbers, &lines),
            Call::Configure(numbers) => ("Conf", numbers, &lines),
            Call::Remove(numbers) => ("Remv", numbers, &names),
        };
        for number in numbers {
            operations.push(format!("{word} {}", texts[*number]));
        }
    }
    lines.truncate(plan.essential_count());
    Answer {
        base: lines,
        operations,
        ordered: true,
    }
}
