//! The schema: what it reads and refuses, and that docs/json.md describes all of it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::report::PackageTotals;

const DOCUMENTATION: &str = include_str!("../../../../docs/json.md");

/// One event of every kind, each with all its optional fields.
fn samples() -> Vec<JsonEvent> {
    let stage = Stage::Download;
    let text = String::from("text");
    let item = String::from("bash");
    let package = PlannedPackage {
        name: "bash".into(),
        version: "5.2-1".into(),
        architecture: "amd64".into(),
        download_bytes: 1,
        installed_bytes: 2,
        reason: "essential".into(),
    };
    let step = PlannedStep {
        number: 1,
        name: "base".into(),
        description: "base amd64".into(),
    };
    vec![
        JsonEvent::StageStarted {
            stage,
            unit: Unit::Bytes,
            total: 1,
        },
        JsonEvent::Progress {
            stage,
            done: 1,
            total: 2,
        },
        JsonEvent::Working {
            stage,
            item: item.clone(),
        },
        JsonEvent::StageEnded {
            stage,
            done: 2,
            seconds: 0.5,
        },
        JsonEvent::Span {
            stage,
            item,
            from: 0.25,
            to: 0.5,
        },
        JsonEvent::Note { text: text.clone() },
        JsonEvent::Warning { text: text.clone() },
        JsonEvent::Detail { text: text.clone() },
        JsonEvent::Output { text: text.clone() },
        JsonEvent::Plan {
            packages: vec![package],
            steps: vec![step],
        },
        JsonEvent::Summary {
            name: "trixie".into(),
            packages: Some(1),
            download_bytes: Some(1),
            seconds: 1.5,
            stages: vec![StageTime {
                stage,
                seconds: 0.5,
            }],
        },
        JsonEvent::Error {
            message: text.clone(),
            causes: vec![text.clone()],
            hint: Some(text),
            class: "network".into(),
            code: 5,
        },
    ]
}

/// The place of an event in `samples`. A new kind of event does not compile until it has one.
fn number(event: &JsonEvent) -> usize {
    match event {
        JsonEvent::StageStarted { .. } => 0,
        JsonEvent::Progress { .. } => 1,
        JsonEvent::Working { .. } => 2,
        JsonEvent::StageEnded { .. } => 3,
        JsonEvent::Span { .. } => 4,
        JsonEvent::Note { .. } => 5,
        JsonEvent::Warning { .. } => 6,
        JsonEvent::Detail { .. } => 7,
        JsonEvent::Output { .. } => 8,
        JsonEvent::Plan { .. } => 9,
        JsonEvent::Summary { .. } => 10,
        JsonEvent::Error { .. } => 11,
    }
}

fn line(event: JsonEvent) -> JsonLine {
    JsonLine {
        version: VERSION,
        run: RunId::next(),
        image: Some("trixie-minbase-amd64".into()),
        step: Some(StepLabel {
            number: 2,
            name: "unpack".into(),
        }),
        at: 0.75,
        event,
    }
}

/// The paths of all fields of a value: `stages`, `stages.seconds`.
fn fields(value: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = format!("{prefix}{name}");
                fields(value, &format!("{path}."), found);
                found.insert(path);
            }
        }
        Value::Array(values) => {
            for value in values {
                fields(value, prefix, found);
            }
        }
        _ => {}
    }
}

/// The fields in the tables of a section of the documentation, whose head is `| field |`.
fn documented_fields(section: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_table_of_fields = false;
    for row in section.lines() {
        let first = row.split('|').nth(1).unwrap_or_default().trim();
        match first {
            "" => is_table_of_fields = false,
            "field" => is_table_of_fields = true,
            _ if is_table_of_fields && first.starts_with('`') => {
                found.insert(first.trim_matches('`').to_owned());
            }
            _ => {}
        }
    }
    found
}

/// The part of the documentation below a heading.
fn section(heading: &str) -> &'static str {
    let Some((_, rest)) = DOCUMENTATION.split_once(&format!("\n{heading}\n")) else {
        panic!("docs/json.md has no heading `{heading}`");
    };
    rest.split("\n#").next().unwrap_or_default()
}

/// The fields that are in every object, or may be.
const COMMON: [&str; 6] = ["version", "run", "image", "step", "at", "event"];

#[test]
fn the_documentation_has_every_event_and_every_field() {
    let mut headings = BTreeSet::new();
    let mut common = BTreeSet::new();
    for (at, event) in samples().into_iter().enumerate() {
        assert_eq!(number(&event), at);
        let Value::Object(object) = serde_json::to_value(line(event)).unwrap() else {
            panic!("a line is an object");
        };
        let kind = object["event"].as_str().unwrap().to_owned();
        let mut own = BTreeSet::new();
        for (name, value) in object {
            let is_common = COMMON.contains(&&name[..]);
            let found = if is_common { &mut common } else { &mut own };
            fields(&value, &format!("{name}."), found);
            found.insert(name);
        }
        let heading = format!("### `{kind}`");
        assert_eq!(documented_fields(section(&heading)), own, "{kind}");
        headings.insert(heading);
    }
    assert_eq!(
        documented_fields(section("## Fields of every object")),
        common
    );
    let documented = DOCUMENTATION
        .lines()
        .filter(|line| line.starts_with("### "))
        .map(str::to_owned);
    assert_eq!(documented.collect::<BTreeSet<String>>(), headings);
}

#[test]
fn the_documentation_has_every_stage_with_its_unit() {
    let stages = [
        Stage::Indexes,
        Stage::Plan,
        Stage::Download,
        Stage::Decode,
        Stage::Unpack,
        Stage::Configure,
        Stage::Pack,
        Stage::Push,
    ];
    for stage in stages {
        let name = serde_json::to_value(stage).unwrap();
        assert_eq!(name, stage.name());
        let unit = serde_json::to_value(stage.unit()).unwrap();
        let unit = unit.as_str().unwrap();
        let row = format!("| `{}` | `{unit}` |", stage.name());
        assert!(DOCUMENTATION.contains(&row), "{row}");
    }
}

#[test]
fn a_line_reads_back_and_has_no_other_fields() {
    for event in samples() {
        let line = line(event);
        let text = line.to_text();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert_eq!(serde_json::from_str::<JsonLine>(&text).unwrap(), line);
        let mut with_more: Value = serde_json::from_str(&text).unwrap();
        with_more["unknown"] = 1.into();
        let error = serde_json::from_value::<JsonLine>(with_more).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `unknown`"),
            "{error}"
        );
    }
}

#[test]
fn control_characters_are_escaped() {
    let text = line(JsonEvent::Output {
        text: "\u{1b}[31m \u{9b}31m \u{7f}\n".into(),
    })
    .to_text();
    assert!(
        text.contains(r#""text":"\u001b[31m \u009b31m \u007f\n""#),
        "{text}"
    );
}

/// A run that began just now.
fn new_run() -> RunState {
    RunState {
        started: Instant::now(),
        stages: super::super::Stages::default(),
        spans: Vec::new(),
        failure: None,
        image: None,
    }
}

/// The objects that these events make.
fn shown(events: Vec<Event>) -> Vec<JsonEvent> {
    let id = RunId::next();
    let mut run = new_run();
    let mut stages = ShownStages::default();
    let mut shown = Vec::new();
    for event in events {
        if run.keep(&event) {
            shown.extend(stages.event(id, event, &run));
        }
    }
    shown
}

#[test]
fn a_stage_starts_however_it_begins_and_starts_again() {
    let stage = Stage::Configure;
    let shown = shown(vec![
        Event::Ended { stage },
        Event::Advanced { stage, by: 1 },
        Event::Grew { stage, by: 2 },
        Event::Advanced { stage, by: 2 },
        Event::Ended { stage },
        Event::Ended { stage },
        Event::Advanced { stage, by: 1 },
        Event::Began { stage, total: 1 },
    ]);
    let unit = Unit::Packages;
    let [
        started,
        progress,
        JsonEvent::StageEnded { done: 2, .. },
        again,
    ] = &shown[..]
    else {
        panic!("{shown:?}");
    };
    let expected = JsonEvent::StageStarted {
        stage,
        unit,
        total: 2,
    };
    assert_eq!(*started, expected);
    let expected = JsonEvent::Progress {
        stage,
        done: 2,
        total: 2,
    };
    assert_eq!(*progress, expected);
    let expected = JsonEvent::StageStarted {
        stage,
        unit,
        total: 3,
    };
    assert_eq!(*again, expected);
}

#[test]
fn bytes_are_told_of_ten_times_a_second_at_most() {
    let stage = Stage::Download;
    let mut events = vec![Event::Began { stage, total: 1000 }];
    for _ in 0..1000 {
        events.push(Event::Advanced { stage, by: 1 });
    }
    events.push(Event::Ended { stage });
    let shown = shown(events);
    assert!(shown.len() < 20, "{} objects", shown.len());
    let Some(JsonEvent::StageEnded { done: 1000, .. }) = shown.last() else {
        panic!("{shown:?}");
    };
}

#[test]
fn a_summary_has_the_stages_that_began() {
    let stage = Stage::Unpack;
    let shown = shown(vec![
        Event::Began { stage, total: 1 },
        Event::Ended { stage },
        Event::Finished(Summary {
            name: "trixie".into(),
            packages: Some(PackageTotals {
                count: 1,
                download_bytes: 7,
            }),
        }),
    ]);
    let Some(JsonEvent::Summary {
        packages: Some(1),
        download_bytes: Some(7),
        stages,
        ..
    }) = shown.last()
    else {
        panic!("{shown:?}");
    };
    assert_eq!(stages.len(), 1);
    assert_eq!(stages[0].stage, stage);
}
