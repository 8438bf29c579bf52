//! The page of `--timings`: where the time of a run went, to look at in a browser.
//!
//! One row a package with a bar for each step it went through, above it how busy the network, the decoders, the tree and the
//! scripts were, and the chain of steps that the end of the run waited for. The page is one file without scripts.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use rbootstrap::report::Stage;

/// One step of one package.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// What kind of step.
    pub(crate) stage: Stage,
    /// The package, or the index.
    pub(crate) item: String,
    /// When it began.
    pub(crate) from: Instant,
    /// When it ended.
    pub(crate) to: Instant,
}

/// Pixels for the whole run's width, a row's height, and the names' column.
const WIDTH: f64 = 1000.0;
const ROW: f64 = 14.0;
const NAMES: f64 = 210.0;
/// How many pixels a lane of the chart above is high.
const LANE: f64 = 46.0;

/// The kinds of step in the order of a package's life, each with its colour.
const KINDS: [(Stage, &str, &str); 6] = [
    (Stage::Indexes, "index", "#8a8f98"),
    (Stage::Download, "download", "#3b82c4"),
    (Stage::Decode, "decode", "#e0a030"),
    (Stage::Unpack, "unpack", "#4fa060"),
    (Stage::Configure, "configure", "#b0527a"),
    (Stage::Pack, "pack", "#6f5fb0"),
];

/// The page for a run that began at `began` and took `took`.
pub(crate) fn page(title: &str, began: Instant, took: Duration, steps: &[Step]) -> String {
    let chart = Chart { began, scale: WIDTH / took.as_secs_f64().max(1e-6), took };
    let waited = critical_path(steps, began + took);
    let mut page = String::from(HEAD);
    let title = escape(title);
    let _ = write!(page, "<title>{title}</title></head><body><h1>{title}</h1>");
    let _ = write!(page, "<p class=sum>{:.2} s, {} steps</p>", took.as_secs_f64(), steps.len());
    legend(&mut page, steps);
    lanes(&mut page, &chart, steps);
    path(&mut page, &chart, &waited);
    rows(&mut page, &chart, steps, &waited);
    page.push_str("</body></html>\n");
    page
}

struct Chart {
    began: Instant,
    took: Duration,
    /// Pixels a second.
    scale: f64,
}

impl Chart {
    fn x(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.began).as_secs_f64() * self.scale
    }

    fn axis(&self, out: &mut String, height: f64) {
        let seconds = self.took.as_secs_f64();
        let step = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0].into_iter().find(|s| seconds / s <= 14.0).unwrap_or(600.0);
        for n in 0..=(seconds / step) as usize {
            let (at, x) = (n as f64 * step, NAMES + n as f64 * step * self.scale);
            let _ = write!(
                out,
                "<line class=grid x1={x:.1} x2={x:.1} y1=0 y2={height:.0} /><text class=tick x={x:.1} y={:.0}>{at:.2} s</text>",
                height + 12.0
            );
        }
    }

    fn bar(&self, out: &mut String, step: &Step, y: f64, class: &str) {
        let (x, width) = (NAMES + self.x(step.from), (self.x(step.to) - self.x(step.from)).max(0.7));
        let milliseconds = (step.to - step.from).as_secs_f64() * 1e3;
        let (name, colour) = kind(step.stage);
        let _ = write!(
            out,
            "<rect class='{class}' x={x:.1} y={:.1} width={width:.1} height={:.1} fill='{colour}'><title>{} {}: {milliseconds:.1} ms</title></rect>",
            y + 2.0,
            ROW - 4.0,
            name,
            escape(&step.item)
        );
    }
}

fn kind(stage: Stage) -> (&'static str, &'static str) {
    KINDS.iter().find(|(s, ..)| *s == stage).map_or(("plan", "#555"), |(_, name, colour)| (name, colour))
}

fn legend(out: &mut String, steps: &[Step]) {
    out.push_str("<p class=legend>");
    for (stage, name, colour) in KINDS {
        let of_kind = steps.iter().filter(|s| s.stage == stage);
        let (count, busy) = of_kind.fold((0, Duration::ZERO), |(n, sum), s| (n + 1, sum + (s.to - s.from)));
        if count > 0 {
            let _ = write!(
                out,
                "<span><i style='background:{colour}'></i>{name} <small>{count} in {:.2} s of work</small></span>",
                busy.as_secs_f64()
            );
        }
    }
    out.push_str("</p>");
}

/// How many steps of each kind were under way at each moment.
fn lanes(out: &mut String, chart: &Chart, steps: &[Step]) {
    let kinds: Vec<_> = KINDS.iter().filter(|(stage, ..)| steps.iter().any(|s| s.stage == *stage)).collect();
    let height = LANE * kinds.len() as f64;
    let _ = write!(out, "<h2>At work at once</h2><svg width={:.0} height={:.0}>", NAMES + WIDTH + 40.0, height + 20.0);
    chart.axis(out, height);
    for (lane, (stage, name, colour)) in kinds.into_iter().enumerate() {
        let mut changes: BTreeMap<Instant, i64> = BTreeMap::new();
        for step in steps.iter().filter(|s| s.stage == *stage) {
            *changes.entry(step.from).or_default() += 1;
            *changes.entry(step.to).or_default() -= 1;
        }
        let most = changes
            .values()
            .scan(0, |now, change| {
                *now += change;
                Some(*now)
            })
            .max()
            .unwrap_or(0)
            .max(1);
        let bottom = LANE * (lane + 1) as f64;
        let level = |now: i64| bottom - (LANE - 8.0) * now as f64 / most as f64;
        let (mut outline, mut now) = (format!("M{NAMES} {bottom:.1}"), 0);
        for (at, change) in changes {
            let x = NAMES + chart.x(at);
            let _ = write!(outline, "L{x:.1} {:.1}L{x:.1} {:.1}", level(now), level(now + change));
            now += change;
        }
        let _ = write!(out, "<text class=name x={:.0} y={:.0}>{name}, at most {most}</text>", NAMES - 8.0, bottom - 14.0);
        let _ = write!(out, "<path d='{outline}Z' fill='{colour}' fill-opacity=.75 />");
    }
    out.push_str("</svg>");
}

/// The steps that the end waited for: from the last one to end, each time the one that ended last before it began.
fn critical_path(steps: &[Step], end: Instant) -> Vec<Step> {
    let mut by_end: Vec<&Step> = steps.iter().collect();
    by_end.sort_by_key(|s| s.to);
    let (mut path, mut before) = (Vec::new(), end);
    while let Some(step) = by_end.pop() {
        if step.to <= before {
            before = step.from;
            path.push(step.clone());
        }
    }
    path.reverse();
    path
}

fn path(out: &mut String, chart: &Chart, waited: &[Step]) {
    let covered: Duration = waited.iter().map(|s| s.to - s.from).sum();
    let _ = write!(
        out,
        "<h2>What the end waited for</h2><p class=sum>{} steps, {:.2} s of {:.2} s</p><svg width={:.0} height={:.0}>",
        waited.len(),
        covered.as_secs_f64(),
        chart.took.as_secs_f64(),
        NAMES + WIDTH + 40.0,
        ROW + 20.0
    );
    chart.axis(out, ROW);
    waited.iter().for_each(|step| chart.bar(out, step, 0.0, "bar"));
    out.push_str("</svg><ol>");
    let mut longest: Vec<&Step> = waited.iter().collect();
    longest.sort_by_key(|s| std::cmp::Reverse(s.to - s.from));
    for step in longest.into_iter().take(12) {
        let _ = write!(out, "<li>{} {}: {:.0} ms</li>", kind(step.stage).0, escape(&step.item), (step.to - step.from).as_secs_f64() * 1e3);
    }
    out.push_str("</ol>");
}

fn rows(out: &mut String, chart: &Chart, steps: &[Step], waited: &[Step]) {
    let mut by_item: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for step in steps {
        by_item.entry(package(&step.item)).or_default().push(step);
    }
    let mut items: Vec<_> = by_item.into_iter().collect();
    items.sort_by_key(|(_, steps)| steps.iter().map(|s| s.from).min());
    let height = ROW * items.len() as f64;
    let _ = write!(out, "<h2>Every package</h2><svg width={:.0} height={:.0}>", NAMES + WIDTH + 40.0, height + 20.0);
    chart.axis(out, height);
    for (row, (item, steps)) in items.into_iter().enumerate() {
        let y = ROW * row as f64;
        let _ = write!(out, "<text class=name x={:.0} y={:.1}>{}</text>", NAMES - 8.0, y + ROW - 4.0, escape(item));
        for step in steps {
            let critical = waited.iter().any(|w| (w.from, w.to, w.stage) == (step.from, step.to, step.stage));
            chart.bar(out, step, y, if critical { "bar critical" } else { "bar" });
        }
    }
    out.push_str("</svg>");
}

/// A package's name in what the stages call it: `bash 5.2.37-2 (amd64)`, `bash:amd64`.
fn package(item: &str) -> &str {
    item.split([' ', ':']).next().unwrap_or(item)
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

const HEAD: &str = "<!DOCTYPE html><html lang=en><head><meta charset=utf-8><style>\
    body{font:14px/1.4 system-ui,sans-serif;margin:24px;color:#222;background:#fff}h1{font-size:20px}h2{font-size:15px;margin:28px 0 6px}\
    .sum{color:#666;margin:0 0 6px}.legend span{margin-right:18px}.legend i{display:inline-block;width:11px;height:11px;margin-right:5px}\
    small{color:#888}svg{display:block;overflow:visible}.grid{stroke:#e4e4e4}.tick{font-size:10px;fill:#888;text-anchor:middle}\
    .name{font-size:11px;text-anchor:end;fill:#444}.critical{stroke:#000;stroke-width:1.2}ol{columns:3;font-size:13px;color:#444}\
    @media(prefers-color-scheme:dark){body{background:#16181c;color:#ddd}.grid{stroke:#2c3036}.name,ol{color:#bbb;fill:#bbb}.critical{stroke:#fff}}\
    </style>";

#[cfg(test)]
mod tests {
    use super::*;

    fn step(item: &str, stage: Stage, began: Instant, from: u64, to: u64) -> Step {
        Step { stage, item: item.into(), from: began + Duration::from_millis(from), to: began + Duration::from_millis(to) }
    }

    #[test]
    fn the_critical_path_is_what_the_end_waited_for() {
        let began = Instant::now();
        let steps = [
            step("big", Stage::Download, began, 0, 50),
            step("small", Stage::Download, began, 0, 10),
            step("small", Stage::Decode, began, 10, 20),
            step("big", Stage::Decode, began, 50, 90),
            step("big", Stage::Configure, began, 91, 100),
        ];
        let path = critical_path(&steps, began + Duration::from_millis(100));
        assert_eq!(
            path.iter().map(|s| (s.item.as_str(), s.stage)).collect::<Vec<_>>(),
            [("big", Stage::Download), ("big", Stage::Decode), ("big", Stage::Configure)]
        );
    }

    #[test]
    fn the_page_escapes_names_and_has_a_row_each() {
        let began = Instant::now();
        let steps = [step("<a&b>", Stage::Download, began, 0, 50), step("c", Stage::Unpack, began, 50, 60)];
        let page = page("noble", began, Duration::from_millis(100), &steps);
        assert!(page.contains("&lt;a&amp;b&gt;") && !page.contains("<a&b>"));
        assert!(!page.contains("<script") && page.ends_with("</html>\n"));
    }
}
