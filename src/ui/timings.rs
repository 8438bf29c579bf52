//! The page of `--timings`: where the time of a run went, to look at in a browser.
//!
//! One file that asks for nothing else. It shows the steps that the end waited for, every step in lanes by what it kept busy, how much
//! was at work at once, a row a package, and the slowest in a table. Its script only adds answers to mouse and keyboard.

mod charts;
mod path;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::report::Stage;

/// One step of one package.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// What kind of step.
    pub(crate) stage: Stage,
    /// The package, or the index.
    pub(crate) item: String,
    /// When it began.
    pub(crate) from: Instant,
    /// When it ended.
    pub(crate) to: Instant,
}

/// A run, as the page tells of it.
#[derive(Debug)]
pub(crate) struct TimedRun {
    /// What was made.
    pub(crate) title: String,
    /// When it began.
    pub(crate) began: Instant,
    /// How long it took.
    pub(crate) took: Duration,
    /// How many threads it was allowed.
    pub(crate) jobs: usize,
    /// What it did, in no order.
    pub(crate) spans: Vec<Span>,
    /// Why it failed, if it did.
    pub(crate) failure: Option<String>,
}

/// The kinds of step in the order of a package's life: what each is called, and what it does.
const KINDS: [(Stage, &str, &str); 7] = [
    (
        Stage::Indexes,
        "index",
        "package indexes fetched and decoded",
    ),
    (Stage::Plan, "plan", "packages chosen"),
    (Stage::Download, "download", "packages fetched and verified"),
    (
        Stage::Decode,
        "decode",
        "packages decoded into the staging place",
    ),
    (
        Stage::Unpack,
        "unpack",
        "packages laid into the tree, with their preinst",
    ),
    (
        Stage::Configure,
        "configure",
        "packages and triggers set up by dpkg",
    ),
    (Stage::Pack, "pack", "images written"),
];

/// Distances between two marks of an axis, in milliseconds.
const TICKS: [f64; 17] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 10e3, 60e3,
];

/// The browser's word that the page gets nothing from elsewhere.
const ALONE: &str = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">";

/// How many lines the table shows before it is asked for all.
const SHOWN: usize = 25;

/// A step in milliseconds since the run began.
#[derive(Debug)]
struct Timed {
    stage: Stage,
    item: String,
    /// What it shares with the other steps of its package.
    row: String,
    from: f64,
    to: f64,
}

struct Page<'a> {
    run: &'a TimedRun,
    took: f64,
    steps: Vec<Timed>,
    /// The steps that the end waited for, and since when.
    path: Vec<(usize, f64)>,
    waited: BTreeSet<usize>,
}

/// The page for a run.
pub(crate) fn page(run: &TimedRun) -> String {
    let page = Page::new(run);
    let title = escape(&run.title);
    let mut out = String::from("<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>");
    let _ = write!(
        out,
        "<meta name=viewport content='width=device-width'><title>{title}</title><style>{}</style>",
        include_str!("timings/page.css")
    );
    out.push_str(ALONE);
    let _ = write!(
        out,
        "<style>:root{{--from:0;--span:{:.3}}}</style></head><body><h1>{title}</h1>",
        page.took
    );
    page.tiles(&mut out);
    page.strip(&mut out);
    charts::lanes(&mut out, &page);
    charts::levels(&mut out, &page);
    page.rows(&mut out);
    page.table(&mut out);
    out.push_str("<div id=detail role=status hidden>Point at a bar, or use the keyboard.</div>");
    let _ = write!(
        out,
        "<script type='application/json' id=run>{}</script>",
        page.data()
    );
    let _ = writeln!(
        out,
        "<script>{}</script></body></html>",
        include_str!("timings/page.js")
    );
    out
}

impl<'a> Page<'a> {
    fn new(run: &'a TimedRun) -> Page<'a> {
        let since = |at: Instant| at.saturating_duration_since(run.began).as_secs_f64() * 1e3;
        let timed = |step: &Span| Timed {
            stage: step.stage,
            item: step.item.clone(),
            row: row(step).to_owned(),
            from: since(step.from),
            to: since(step.to),
        };
        let mut steps: Vec<Timed> = run.spans.iter().map(timed).collect();
        steps.sort_by(|a, b| a.from.total_cmp(&b.from).then(a.stage.cmp(&b.stage)));
        let end = steps.iter().map(|step| step.to).fold(0.1, f64::max);
        let path = path::critical(&steps);
        let waited = path.iter().map(|&(number, _)| number).collect();
        Page {
            run,
            took: (run.took.as_secs_f64() * 1e3).max(end),
            steps,
            path,
            waited,
        }
    }

    /// A bar for a step, where a step is shown.
    fn bar(&self, out: &mut String, number: usize) {
        let step = &self.steps[number];
        let waited = if self.waited.contains(&number) {
            " waited"
        } else {
            ""
        };
        let (class, length) = (kind(step.stage).1, step.to - step.from);
        let _ = write!(
            out,
            "<i class='b {class}{waited}' data-s={number} style='--a:{:.2};--d:{length:.2}'></i>",
            step.from
        );
    }

    /// Where the lines go that mark the time.
    fn grid(&self, out: &mut String) {
        out.push_str("<div class=grid>");
        for at in self.marks() {
            let _ = write!(out, "<i style='--a:{at}'></i>");
        }
        out.push_str("</div>");
    }

    fn axis(&self, out: &mut String) {
        out.push_str("<div class=axis>");
        for at in self.marks() {
            let _ = write!(out, "<span style='--a:{at}'>{:.2} s</span>", at / 1e3);
        }
        out.push_str("</div>");
    }

    fn marks(&self) -> impl Iterator<Item = f64> {
        let step = TICKS
            .into_iter()
            .find(|step| self.took / step <= 12.0)
            .unwrap_or(60e3);
        (0..=(self.took / step) as usize).map(move |number| number as f64 * step)
    }

    fn tiles(&self, out: &mut String) {
        let packages = self.packages().count();
        let _ = write!(
            out,
            "<div class=tiles><div class=tile><b>{:.2} s</b><small>{packages} packages, {} threads</small></div>",
            self.took / 1e3,
            self.run.jobs
        );
        for (stage, name, what) in KINDS {
            let steps = || self.steps.iter().filter(|step| step.stage == stage);
            let (count, work) = steps().fold((0, 0.0), |(count, work), step| {
                (count + 1, work + step.to - step.from)
            });
            if count > 0 {
                let (from, to) = steps().fold((f64::MAX, 0.0), |(from, to), step| {
                    (step.from.min(from), step.to.max(to))
                });
                let _ = write!(
                    out,
                    "<div class='tile {name}' title='{what}'><b>{name} {:.2} s</b><small>{count} step{}, {:.2} to {:.2} s</small></div>",
                    work / 1e3,
                    if count == 1 { "" } else { "s" },
                    from / 1e3,
                    to / 1e3
                );
            }
        }
        out.push_str("</div>");
    }

    /// The critical path: one strip, and how much of it each kind of step has.
    fn strip(&self, out: &mut String) {
        out.push_str(
            "<h2>What the end waited for</h2><p>Each of these steps had to end before the next could begin. In every chart they are the \
             ones in full colour between two lines; a shorter run needs one of them shorter. Hatched: it waited for none of the steps.</p>\
             <div class=plot>",
        );
        self.grid(out);
        out.push_str("<div class=strip><div class=track style='height:100%'><div class=clip>");
        let (mut shares, mut last): (BTreeMap<&str, (usize, f64)>, f64) = (BTreeMap::new(), 0.0);
        let gap = |out: &mut String, from: f64, to: f64| {
            if to > from {
                let _ = write!(
                    out,
                    "<i class='b gap' style='--a:{from:.2};--d:{:.2}'></i>",
                    to - from
                );
            }
            (to - from).max(0.0)
        };
        let mut waiting = 0.0;
        for &(number, since) in &self.path {
            let (step, class) = (&self.steps[number], kind(self.steps[number].stage).1);
            waiting += gap(out, last, since);
            let _ = write!(
                out,
                "<i class='b {class}' data-s={number} style='--a:{since:.2};--d:{:.2}'></i>",
                step.to - since
            );
            let share = shares.entry(class).or_default();
            *share = (share.0 + 1, share.1 + step.to - since);
            last = step.to;
        }
        waiting += gap(out, last, self.took);
        out.push_str("</div></div></div>");
        self.axis(out);
        out.push_str(
            "</div><table><thead><tr><th>of the path<th>steps<th>time<th>share</tr></thead><tbody>",
        );
        for (_, name, what) in KINDS {
            if let Some((count, time)) = shares.get(name) {
                let share = time / self.took * 100.0;
                let _ = write!(
                    out,
                    "<tr class={name}><td><i></i>{what}<td>{count}<td>{time:.0} ms<td>{share:.0} %</tr>"
                );
            }
        }
        let share = waiting / self.took * 100.0;
        let _ = write!(
            out,
            "<tr class=gap><td><i></i>none of these<td><td>{waiting:.0} ms<td>{share:.0} %</tr></tbody></table>"
        );
    }

    /// A row a package, in the order in which they were first turned to.
    fn rows(&self, out: &mut String) {
        let by_row = self.by_row();
        let mut ordered: Vec<_> = by_row.iter().collect();
        ordered.sort_by_key(|(_, steps)| steps.first());
        out.push_str(
            "<h2>Every package</h2><p>A row each, from the download to its setting up. Drag over a chart to look closer.</p>\
             <div class=tools hidden><input type=search id=filter placeholder='part of a name' aria-label='part of a name'>\
             <label>order <select id=order><option value=start>as begun<option value=work>most work<option value=longest>longest step\
             <option value=end>last done<option value=name>name</select></label>\
             <label><input type=checkbox id=only> only what the end waited for</label> <span id=shown></span> \
             <button id=reset>whole run</button>\
             <span><kbd>↓</kbd> <kbd>↑</kbd> package, <kbd>←</kbd> <kbd>→</kbd> step, <kbd>n</kbd> <kbd>p</kbd> along the path, \
             <kbd>+</kbd> <kbd>−</kbd> <kbd>0</kbd> closer, farther, all, <kbd>/</kbd> filter, <kbd>Esc</kbd> back</span></div>\
             <div class=plot>",
        );
        self.grid(out);
        self.axis(out);
        out.push_str("<div class=rows>");
        for (name, steps) in ordered {
            let lengths = || {
                steps
                    .iter()
                    .map(|&number| self.steps[number].to - self.steps[number].from)
            };
            let end = steps
                .iter()
                .map(|&number| self.steps[number].to)
                .fold(0.0, f64::max);
            let (name, start) = (
                escape(name),
                steps.first().map_or(0.0, |&number| self.steps[number].from),
            );
            let _ = write!(
                out,
                "<div class=row data-name='{name}' data-start={start:.2} data-work={:.2} data-longest={:.2} data-end={end:.2}>\
                 <span class=name title='{name}'>{name}</span><div class=track style='height:100%'><div class=clip>",
                lengths().sum::<f64>(),
                lengths().fold(0.0, f64::max)
            );
            steps.iter().for_each(|&number| self.bar(out, number));
            out.push_str("</div></div></div>");
        }
        out.push_str("</div></div>");
    }

    /// The packages that took the most work.
    fn table(&self, out: &mut String) {
        const COLUMNS: [Stage; 4] = [
            Stage::Download,
            Stage::Decode,
            Stage::Unpack,
            Stage::Configure,
        ];
        out.push_str("<h2>The slowest packages</h2><p>Milliseconds. A click on a heading orders by it.</p><table id=slowest><thead><tr>");
        let headings = ["package", "download", "decode", "unpack", "configure"]
            .map(|heading| format!("<th><button>{heading}</button>"));
        let _ = write!(
            out,
            "{}<th aria-sort=descending><button>together</button><th></tr></thead><tbody>",
            headings.concat()
        );
        let by_row = self.by_row();
        let of = |steps: &[usize], stage| -> f64 {
            steps
                .iter()
                .map(|&number| &self.steps[number])
                .filter(|step| step.stage == stage)
                .map(|step| step.to - step.from)
                .sum()
        };
        let together =
            |steps: &[usize]| -> f64 { COLUMNS.into_iter().map(|stage| of(steps, stage)).sum() };
        let mut slowest: Vec<(&str, Vec<usize>)> = self
            .packages()
            .map(|name| (name, by_row[name].clone()))
            .collect();
        slowest.sort_by(|a, b| together(&b.1).total_cmp(&together(&a.1)));
        let most = slowest
            .first()
            .map_or(1.0, |(_, steps)| together(steps))
            .max(0.001);
        for (name, steps) in slowest {
            let name = escape(name);
            let _ = write!(out, "<tr><td data-v='{name}'>{name}");
            for time in COLUMNS
                .map(|stage| of(&steps, stage))
                .into_iter()
                .chain([together(&steps)])
            {
                let _ = if time > 0.0 {
                    write!(out, "<td data-v={time:.3}>{time:.1}")
                } else {
                    write!(out, "<td data-v=0>–")
                };
            }
            out.push_str("<td class=share><span class=mix>");
            for stage in COLUMNS {
                let _ = write!(
                    out,
                    "<i class={} style='width:{:.2}%'></i>",
                    kind(stage).1,
                    of(&steps, stage) / most * 100.0
                );
            }
            out.push_str("</span></tr>");
        }
        out.push_str("</tbody></table><button id=more class=more hidden></button>");
    }

    /// The rows that are packages.
    fn packages(&self) -> impl Iterator<Item = &str> {
        let is_package = |stage| {
            matches!(
                stage,
                Stage::Download | Stage::Decode | Stage::Unpack | Stage::Configure
            )
        };
        let names: BTreeSet<&str> = self
            .steps
            .iter()
            .filter(|step| is_package(step.stage))
            .map(|step| step.row.as_str())
            .collect();
        names.into_iter()
    }

    fn by_row(&self) -> BTreeMap<&str, Vec<usize>> {
        let mut by_row: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        self.steps
            .iter()
            .enumerate()
            .for_each(|(number, step)| by_row.entry(&step.row).or_default().push(number));
        by_row
    }

    /// What the script needs: JSON that no name can end early.
    fn data(&self) -> String {
        let place = |stage| {
            KINDS
                .iter()
                .position(|(s, ..)| *s == stage)
                .unwrap_or_default()
        };
        let steps = self.steps.iter().enumerate().map(|(number, step)| {
            let waited = u8::from(self.waited.contains(&number));
            format!(
                "[{},{},{:.3},{:.3},{waited}]",
                place(step.stage),
                serde_json::to_string(&step.item).unwrap_or_default(),
                step.from,
                step.to
            )
        });
        let path = self.path.iter().map(|(number, _)| number.to_string());
        let json = format!(
            "{{\"took\":{:.3},\"shown\":{SHOWN},\"ticks\":[{}],\"kinds\":[{}],\"path\":[{}],\"steps\":[{}]}}",
            self.took,
            TICKS.map(|tick| tick.to_string()).join(","),
            KINDS.map(|(_, name, _)| format!("\"{name}\"")).join(","),
            path.collect::<Vec<_>>().join(","),
            steps.collect::<Vec<_>>().join(",")
        );
        json.replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
    }
}

fn kind(stage: Stage) -> (Stage, &'static str, &'static str) {
    KINDS
        .into_iter()
        .find(|(s, ..)| *s == stage)
        .unwrap_or(KINDS[0])
}

/// What a step's row is called: the package, of `bash 5.2.37-2 (amd64)` and of `bash:amd64`; all of it where it is none.
fn row(step: &Span) -> &str {
    match step.stage {
        Stage::Indexes | Stage::Plan | Stage::Pack => &step.item,
        Stage::Download | Stage::Decode | Stage::Unpack | Stage::Configure => {
            step.item.split([' ', ':']).next().unwrap_or(&step.item)
        }
    }
}

fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests;
