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
        exclude: Vec::new(),
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
        let only = |a: &BTreeMap<&str, &str>, b: &BTreeMap<&str, &str>| {
            let only = a
                .iter()
                .filter(|(name, version)| b.get(*name) != Some(version))
                .map(|(name, version)| format!("{name} {version}"));
            only.take(8).collect::<Vec<_>>().join(", ")
        };
        return Err(format!(
            "the set: only apt has {}; only we have {}",
            only(&their_set, &our_set),
            only(&our_set, &their_set)
        ));
    }
    if !theirs.ordered {
        return Ok(());
    }
    // If a demand selects another version of an essential package, the planner installs that
    // version in the first call.
    let replaced = theirs
        .operations
        .iter()
        .filter_map(|line| line.strip_prefix("Inst "));
    let mut replaced = replaced
        .filter(|new| theirs.base.iter().any(|old| name(old) == name(new)))
        .peekable();
    if replaced.peek().is_some() {
        let again = replaced.find(|new| theirs.base.iter().any(|old| old == new));
        return again.map_or(Ok(()), |new| {
            Err(format!("apt does not know that {new} is installed"))
        });
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

fn name(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

fn in_order(what: &str, theirs: &[String], ours: &[String]) -> Result<(), String> {
    let Some(at) = theirs
        .iter()
        .zip(ours)
        .position(|(a, b)| a != b)
        .or((theirs.len() != ours.len()).then_some(theirs.len().min(ours.len())))
    else {
        return Ok(());
    };
    let part = |all: &[String]| {
        all.iter()
            .skip(at)
            .take(5)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ")
    };
    Err(format!(
        "{what} at {at}: apt has {}; we have {}",
        part(theirs),
        part(ours)
    ))
}

/// The plan in apt's words.
pub(crate) fn answer(plan: &Plan, native: &str) -> Answer {
    let name = |number: usize| {
        let package = plan.packages()[number].package();
        let own = if package.architecture == "all" {
            native
        } else {
            &package.architecture
        };
        (
            format!("{}:{own}", package.name),
            format!("{} [{}]", package.version, package.architecture),
        )
    };
    let full = |number: usize| {
        let (name, version) = name(number);
        format!("{name} {version}")
    };
    let operations = plan.calls().iter().flat_map(|call| match call {
        Call::Unpack(all) => all
            .iter()
            .map(|n| format!("Inst {}", full(*n)))
            .collect::<Vec<_>>(),
        Call::Configure(all) => all.iter().map(|n| format!("Conf {}", full(*n))).collect(),
        Call::Remove(all) => all.iter().map(|n| format!("Remv {}", name(*n).0)).collect(),
    });
    Answer {
        base: (0..plan.essential_count()).map(full).collect(),
        operations: operations.collect(),
        ordered: true,
    }
}
