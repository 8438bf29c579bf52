//! The charts that have no row a package: steps packed into lanes, and how many were at work at once.

use std::fmt::Write;

use crate::report::Stage;

use super::{KINDS, Page, kind};

/// Columns of the chart of what was at work.
const COLUMNS: usize = 800;

/// Every step in as few lanes as have room for it, a block of lanes a kind.
pub(super) fn lanes(out: &mut String, page: &Page) {
    out.push_str(
        "<h2>Network, cores, scripts</h2><p>Every step, in as many lanes as were busy at once. A hole is a wait.</p><div class=plot>",
    );
    page.grid(out);
    for (stage, name, _) in KINDS {
        let mut ends: Vec<f64> = Vec::new();
        let mut placed: Vec<(usize, usize)> = Vec::new();
        for (number, step) in page
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.stage == stage)
        {
            let lane = ends
                .iter()
                .position(|&end| end <= step.from)
                .unwrap_or(ends.len());
            if lane == ends.len() {
                ends.push(0.0);
            }
            ends[lane] = step.to;
            placed.push((lane, number));
        }
        if ends.is_empty() {
            continue;
        }
        let _ = write!(
            out,
            "<div class=lanes><span class=name>{name}</span><div class=track>"
        );
        for lane in 0..ends.len() {
            out.push_str("<div class=lane><div class=clip>");
            placed
                .iter()
                .filter(|(at, _)| *at == lane)
                .for_each(|&(_, number)| page.bar(out, number));
            out.push_str("</div></div>");
        }
        out.push_str("</div></div>");
    }
    page.axis(out);
    out.push_str("</div>");
}

/// How many steps were at work at once, as an average over each column: of the network, and of all that needs a core.
pub(super) fn levels(out: &mut String, page: &Page) {
    out.push_str("<h2>At work at once</h2><p>The dashed line is the number of threads that were allowed.</p><div class=plot>");
    page.grid(out);
    level(out, page, "downloads", &[Stage::Download], None);
    let on_cores = [
        Stage::Indexes,
        Stage::Plan,
        Stage::Decode,
        Stage::Unpack,
        Stage::Configure,
        Stage::Pack,
    ];
    level(
        out,
        page,
        "everything else",
        &on_cores,
        Some(page.run.jobs as f64),
    );
    page.axis(out);
    out.push_str("</div>");
}

fn level(out: &mut String, page: &Page, title: &str, stages: &[Stage], limit: Option<f64>) {
    let width = page.took / COLUMNS as f64;
    let mut floor = vec![0.0; COLUMNS];
    let mut paths = Vec::new();
    for &stage in stages {
        let ceiling: Vec<f64> = busy(page, stage, width)
            .iter()
            .zip(&floor)
            .map(|(busy, below)| busy + below)
            .collect();
        if ceiling != floor {
            paths.push((kind(stage).1, area(&floor, &ceiling, width)));
        }
        floor = ceiling;
    }
    if paths.is_empty() {
        return;
    }
    let most = floor.iter().copied().chain(limit).fold(1.0, f64::max);
    let height = most * 1.05;
    let _ = write!(
        out,
        "<div class=level><span class=name>{title}, at most {most:.0}</span><div class=track style='height:100%'>"
    );
    let _ = write!(
        out,
        "<svg viewBox='0 0 {:.3} {height:.3}' preserveAspectRatio=none aria-hidden=true>",
        page.took
    );
    let _ = write!(out, "<g transform='translate(0 {height:.3}) scale(1 -1)'>");
    for (class, path) in paths {
        let _ = write!(out, "<path class={class} d='{path}'/>");
    }
    if let Some(limit) = limit {
        let _ = write!(
            out,
            "<line x1=0 x2='{:.3}' y1='{limit}' y2='{limit}'/>",
            page.took
        );
    }
    out.push_str("</g></svg></div></div>");
}

/// The average number of steps at work, by column.
fn busy(page: &Page, stage: Stage, width: f64) -> Vec<f64> {
    let mut columns = vec![0.0; COLUMNS];
    for step in page.steps.iter().filter(|step| step.stage == stage) {
        let (first, last) = (
            (step.from / width) as usize,
            ((step.to / width) as usize).min(COLUMNS - 1),
        );
        for (column, busy) in columns.iter_mut().enumerate().take(last + 1).skip(first) {
            let (left, right) = (column as f64 * width, (column + 1) as f64 * width);
            *busy += (step.to.min(right) - step.from.max(left)).max(0.0) / width;
        }
    }
    columns
}

/// The outline between two lines of steps, holes and all.
fn area(floor: &[f64], ceiling: &[f64], width: f64) -> String {
    let mut path = String::new();
    let mut column = 0;
    while column < COLUMNS {
        if ceiling[column] - floor[column] < 0.005 {
            column += 1;
            continue;
        }
        let begin = column;
        while column < COLUMNS && ceiling[column] - floor[column] >= 0.005 {
            column += 1;
        }
        let _ = write!(path, "M{:.1} {:.2}", begin as f64 * width, floor[begin]);
        for (at, level) in ceiling.iter().enumerate().take(column).skip(begin) {
            let _ = write!(path, "V{level:.2}H{:.1}", (at + 1) as f64 * width);
        }
        for (at, level) in floor.iter().enumerate().take(column).skip(begin).rev() {
            let _ = write!(path, "V{level:.2}H{:.1}", at as f64 * width);
        }
        path.push('Z');
    }
    path
}
