"use strict";
// Without this script the page shows all it has; with it, it answers: details, a window of time, filter, order, the keyboard.
const run = JSON.parse(document.getElementById("run").textContent);
const all = (selector) => [...document.querySelectorAll(selector)];
const detail = document.getElementById("detail");
const rows = all(".row");
const seconds = (ms) => (ms / 1000).toFixed(3) + " s";
const length = (ms) => (ms < 10 ? ms.toFixed(2) : ms < 1000 ? ms.toFixed(0) : (ms / 1000).toFixed(2) + " thousand") + " ms";
let from = 0, to = run.took, chosen = null, row = null;

function put(node, tag, text, name) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  node.append(made);
}

// What was at work at a moment, by kind.
function atWork(ms) {
  const counts = run.kinds.map(() => 0);
  for (const [kind, , a, b] of run.steps) if (a <= ms && ms < b) counts[kind]++;
  return run.kinds.map((name, kind) => counts[kind] && `${counts[kind]} ${name}`).filter(Boolean).join(", ") || "nothing";
}

function tell(number) {
  for (const bar of all(".hot")) bar.classList.remove("hot");
  chosen = number;
  if (number === null) return;
  for (const bar of all(`[data-s="${number}"]`)) bar.classList.add("hot");
  const [kind, item, a, b, waited] = run.steps[number];
  detail.replaceChildren();
  put(detail, "i", "", run.kinds[kind]);
  put(detail, "b", `${run.kinds[kind]} ${item}`);
  put(detail, "span", length(b - a));
  put(detail, "span", `${seconds(a)} to ${seconds(b)}`);
  if (waited) put(detail, "span", "the end waited for it");
  put(detail, "span", `meanwhile, half-way: ${atWork((a + b) / 2)}`);
}

function tellTime(ms) {
  detail.replaceChildren();
  put(detail, "b", seconds(ms));
  put(detail, "span", `at work: ${atWork(ms)}`);
}

// The window of time that every chart shows.
function show(a, b) {
  const least = run.took / 2000;
  from = Math.max(0, Math.min(a, run.took - least));
  to = Math.min(run.took, Math.max(b, from + least));
  const style = document.documentElement.style;
  style.setProperty("--from", from);
  style.setProperty("--span", to - from);
  for (const svg of all(".level svg")) {
    const [, , , height] = svg.getAttribute("viewBox").split(" ");
    svg.setAttribute("viewBox", `${from} 0 ${to - from} ${height}`);
  }
  const step = run.ticks.find((tick) => (to - from) / tick <= 12) || run.ticks.at(-1);
  const places = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) places.push(at);
  for (const node of all(".grid, .axis")) {
    const isAxis = node.classList.contains("axis");
    node.replaceChildren(...places.map((at) => {
      const made = document.createElement(isAxis ? "span" : "i");
      made.style.setProperty("--a", at);
      if (isAxis) made.textContent = (at / 1000).toFixed(step < 10 ? 3 : 2) + " s";
      return made;
    }));
    if (!isAxis) put(node, "div", "", "at");
  }
  document.getElementById("reset").hidden = from === 0 && to === run.took;
  sift();
}

function timeAt(event) {
  const track = document.querySelector(".track").getBoundingClientRect();
  const share = (event.clientX - track.left) / track.width;
  return share < 0 || share > 1 ? null : from + share * (to - from);
}

let pressed = null;
document.addEventListener("mousedown", (event) => {
  if (event.button === 0 && event.target.closest(".plot")) pressed = timeAt(event);
  if (pressed !== null) event.preventDefault();
});
document.addEventListener("mouseup", (event) => {
  const released = timeAt(event);
  if (pressed !== null && released !== null && Math.abs(released - pressed) > (to - from) / 100) {
    show(Math.min(pressed, released), Math.max(pressed, released));
  }
  pressed = null;
});
document.addEventListener("mousemove", (event) => {
  const plot = event.target.closest && event.target.closest(".plot");
  const ms = plot && timeAt(event);
  for (const line of all(".at")) {
    line.style.display = ms === null || !plot ? "none" : "block";
    if (plot && ms !== null) line.style.left = ((ms - from) / (to - from)) * 100 + "%";
  }
  if (!plot || ms === null) return;
  const bar = event.target.closest("[data-s]");
  if (bar) tell(Number(bar.dataset.s));
  else { tell(null); tellTime(ms); }
});

// Rows: those with a step in the window of time, filter, order, and a place that the keyboard moves.
const filter = document.getElementById("filter"), only = document.getElementById("only"), order = document.getElementById("order");
const stepsOf = new Map(rows.map((one) => [one, [...one.querySelectorAll("[data-s]")].map((bar) => Number(bar.dataset.s))]));
function sift() {
  const wanted = filter.value.trim().toLowerCase();
  const isWithin = (number) => run.steps[number][2] <= to && run.steps[number][3] >= from;
  let shown = 0;
  for (const one of rows) {
    one.hidden = (wanted && !one.dataset.name.toLowerCase().includes(wanted)) || !stepsOf.get(one).some(isWithin)
      || (only.checked && !one.querySelector(".waited"));
    shown += !one.hidden;
  }
  document.getElementById("shown").textContent = `${shown} of ${rows.length}`;
}
function arrange() {
  const by = order.value;
  const value = (one) => Number(one.dataset[by]);
  const isBefore = { name: (a, b) => a.dataset.name.localeCompare(b.dataset.name), start: (a, b) => value(a) - value(b) };
  rows.sort(isBefore[by] || ((a, b) => value(b) - value(a)));
  document.querySelector(".rows").append(...rows);
}
filter.addEventListener("input", sift);
only.addEventListener("change", sift);
order.addEventListener("change", arrange);
document.getElementById("reset").addEventListener("click", () => show(0, run.took));

function enter(next) {
  if (!next) return;
  if (row) row.classList.remove("on");
  row = next;
  row.classList.add("on");
  row.scrollIntoView({ block: "nearest" });
  tell(stepsOf.get(row)[0]);
}
function move(by) {
  const seen = rows.filter((one) => !one.hidden);
  const now = seen.indexOf(row);
  enter(seen[Math.max(0, Math.min(seen.length - 1, now < 0 ? 0 : now + by))]);
}
function stepIn(by) {
  if (!row) return move(0);
  const steps = stepsOf.get(row);
  tell(steps[Math.max(0, Math.min(steps.length - 1, steps.indexOf(chosen) + by))]);
}
function zoom(by) {
  const middle = chosen === null ? (from + to) / 2 : (run.steps[chosen][2] + run.steps[chosen][3]) / 2;
  show(middle - ((to - from) * by) / 2, middle + ((to - from) * by) / 2);
}
function alongPath(by) {
  const waited = run.path;
  const now = waited.indexOf(chosen);
  const next = waited[Math.max(0, Math.min(waited.length - 1, now < 0 ? 0 : now + by))];
  const bar = document.querySelector(`.row [data-s="${next}"]`);
  if (bar) enter(bar.closest(".row"));
  tell(next);
}
const keys = {
  ArrowDown: () => move(1), ArrowUp: () => move(-1), PageDown: () => move(20), PageUp: () => move(-20),
  ArrowRight: () => stepIn(1), ArrowLeft: () => stepIn(-1), n: () => alongPath(1), p: () => alongPath(-1),
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => show(0, run.took), "/": () => filter.focus(),
};
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { filter.value = ""; sift(); show(0, run.took); tell(null); filter.blur(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, button")) return;
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// The table: a click on a heading sorts by it.
const body = document.querySelector("#slowest tbody"), more = document.getElementById("more");
for (const heading of all("#slowest th button")) {
  heading.addEventListener("click", () => {
    const column = heading.closest("th").cellIndex, lines = [...body.rows];
    const value = (line) => line.cells[column].dataset.v;
    lines.sort((a, b) => (column === 0 ? value(a).localeCompare(value(b)) : Number(value(b)) - Number(value(a))));
    body.append(...lines);
    for (const other of all("#slowest th")) other.removeAttribute("aria-sort");
    heading.closest("th").setAttribute("aria-sort", column === 0 ? "ascending" : "descending");
    curtail();
  });
}
let wide = false;
function curtail() {
  [...body.rows].forEach((line, number) => { line.hidden = !wide && number >= run.shown; });
  more.hidden = body.rows.length <= run.shown;
  more.textContent = wide ? "Show fewer" : `Show all ${body.rows.length}`;
}
more.addEventListener("click", () => { wide = !wide; curtail(); });

all(".tools, #detail").forEach((node) => { node.hidden = false; });
curtail();
show(0, run.took);
