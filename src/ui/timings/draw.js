"use strict";
// Draws the page from its data. `interact.js` answers the mouse and the keyboard.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];

// The stages in the order of a package's life, with what they do.
const STAGES = {
  indexes: "release files and package indexes, fetched and read",
  plan: "packages chosen",
  download: "packages fetched and verified",
  decode: "packages decompressed into the staging directory",
  unpack: "files placed in the tree, preinst scripts run",
  configure: "packages configured and triggers run by dpkg",
  pack: "image written",
  push: "image sent to a registry",
};
const NETWORK = ["indexes", "download"];
const CPU = ["plan", "decode", "unpack", "pack"];
const THREADS = ["indexes", "plan", "decode", "unpack", "configure", "pack"];
const OF_PACKAGES = ["download", "decode", "unpack", "configure"];

// Columns of the chart of threads at work.
const COLUMNS = 600;
// Distances between two marks of an axis, in milliseconds.
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 6e4, 12e4, 3e5, 6e5];

const critical = new Set(data.path.map((part) => part.span));
const duration = (span) => span.to - span.from;
const numbersOf = (stages) => [...data.spans.keys()].filter((number) => stages.includes(data.spans[number].stage));

function format(ms) {
  if (ms < 10) return ms.toFixed(2) + " ms";
  return ms < 1000 ? ms.toFixed(0) + " ms" : (ms / 1000).toFixed(2) + " s";
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function element(tag, { name, text, title } = {}, ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  if (title) made.title = title;
  made.append(...children);
  return made;
}

// A bar at a place in time, in milliseconds.
function bar(name, from, to) {
  const made = element("i", { name: `bar ${name}` });
  made.style.setProperty("--at", from);
  made.style.setProperty("--length", to - from);
  return made;
}

function spanBar(number) {
  const span = data.spans[number];
  const made = bar(span.stage + (critical.has(number) ? " critical" : ""), span.from, span.to);
  made.dataset.span = number;
  return made;
}

// A named strip of a chart, as wide as the time that is shown.
function track(name, label, ...children) {
  const labelled = element("span", { name: "name", text: label, title: label });
  return element("div", { name }, labelled, element("div", { name: "track" }, ...children));
}

function plotOf(id) {
  const plot = document.querySelector(`#${id} [data-plot]`);
  plot.append(element("div", { name: "grid" }));
  return plot;
}

function drawHead() {
  document.title = `${data.title}: timings`;
  byId("title").textContent = data.title;
  byId("failure").hidden = !data.failure;
  byId("failure").textContent = `This run failed: ${data.failure}`;
  const packages = new Set(numbersOf(OF_PACKAGES).map((number) => data.spans[number].row));
  const whole = `${count(packages.size, "package")}, ${count(data.jobs, "thread")}`;
  const tiles = [tile("tile", format(data.took), whole, "the whole run")];
  for (const stage of Object.keys(STAGES)) {
    const spans = numbersOf([stage]).map((number) => data.spans[number]);
    if (spans.length === 0) continue;
    let work = 0, from = Infinity, to = 0;
    for (const span of spans) {
      work += duration(span);
      from = Math.min(from, span.from);
      to = Math.max(to, span.to);
    }
    const when = `${count(spans.length, "part")}, ${(from / 1000).toFixed(2)}–${(to / 1000).toFixed(2)} s`;
    tiles.push(tile(`tile ${stage}`, `${stage} ${format(work)}`, when, STAGES[stage]));
  }
  byId("tiles").append(...tiles);
}

function tile(name, figure, text, title) {
  return element("div", { name, title }, element("b", { text: figure }), element("small", { text }));
}

// The critical path as one strip, with the time outside of it, and what each stage has of it.
function drawCriticalPath() {
  const plot = plotOf("critical");
  const clip = element("div", { name: "clip" });
  const shares = {};
  let last = 0, idle = 0;
  const skip = (to) => {
    if (to <= last) return;
    idle += to - last;
    clip.append(bar("idle", last, to));
  };
  for (const { span: number, from } of data.path) {
    const span = data.spans[number];
    skip(from);
    const part = bar(span.stage, from, span.to);
    part.dataset.span = number;
    clip.append(part);
    const share = (shares[span.stage] ||= { parts: 0, time: 0 });
    share.parts++;
    share.time += span.to - from;
    last = span.to;
  }
  skip(data.took);
  plot.append(track("strip", "path", clip), element("div", { name: "axis" }));
  const body = document.querySelector("#critical tbody");
  for (const stage of Object.keys(STAGES)) {
    if (shares[stage]) body.append(shareRow(stage, `${stage}: ${STAGES[stage]}`, shares[stage].parts, shares[stage].time));
  }
  body.append(shareRow("idle", "outside of any measured work", "", idle));
}

function shareRow(name, text, parts, time) {
  const share = ((time / data.took) * 100).toFixed(0) + " %";
  const cells = [parts, format(time), share].map((value) => element("td", { text: value }));
  const first = element("td", {}, element("i"), element("span", { text }));
  return element("tr", { name }, first, ...cells);
}

// The parts of a stage, in as few lanes as have room for them.
function drawLanes(plot, stages) {
  for (const stage of stages) {
    const lanes = [];
    for (const number of numbersOf([stage])) {
      const span = data.spans[number];
      let lane = lanes.find((lane) => lane.end <= span.from);
      if (!lane) lanes.push((lane = { clip: element("div", { name: "clip" }), end: 0 }));
      lane.end = span.to;
      lane.clip.append(spanBar(number));
    }
    const drawn = lanes.map((lane) => element("div", { name: "lane" }, lane.clip));
    if (drawn.length > 0) plot.append(track("lanes", stage, ...drawn));
  }
  plot.append(element("div", { name: "axis" }));
}

// How many spans of a stage were at work in each column of a window of time, on average.
function busy(stage, from, to) {
  const width = (to - from) / COLUMNS;
  const columns = new Array(COLUMNS).fill(0);
  for (const number of numbersOf([stage])) {
    const span = data.spans[number];
    const first = Math.max(0, Math.floor((span.from - from) / width));
    const last = Math.min(COLUMNS - 1, Math.floor((span.to - from) / width));
    for (let column = first; column <= last; column++) {
      const left = from + column * width;
      columns[column] += Math.max(0, Math.min(span.to, left + width) - Math.max(span.from, left)) / width;
    }
  }
  return columns;
}

// Draws the chart of threads for a window of time: the stages on top of each other.
function drawLevels(from, to) {
  const svg = document.querySelector("#cpu svg");
  if (!svg) return;
  const group = svg.querySelector("g"), shape = group.querySelector("path"), limit = group.querySelector("line");
  const shapes = [];
  let floor = new Array(COLUMNS).fill(0);
  for (const stage of THREADS) {
    const added = busy(stage, from, to);
    const ceiling = floor.map((below, column) => below + added[column]);
    const made = shape.cloneNode();
    made.setAttribute("class", stage);
    made.setAttribute("d", outline(floor, ceiling));
    shapes.push(made);
    floor = ceiling;
  }
  const height = Math.max(data.jobs, ...floor) * 1.05;
  svg.setAttribute("viewBox", `0 0 ${COLUMNS} ${height}`);
  group.setAttribute("transform", `translate(0 ${height}) scale(1 -1)`);
  limit.setAttribute("x2", COLUMNS);
  for (const y of ["y1", "y2"]) limit.setAttribute(y, data.jobs);
  group.replaceChildren(...shapes, limit);
}

// The area between two lines, column by column.
function outline(floor, ceiling) {
  const parts = [];
  for (let column = 0; column < COLUMNS; column++) {
    if (ceiling[column] - floor[column] < 0.005) continue;
    const [low, high] = [floor[column].toFixed(3), ceiling[column].toFixed(3)];
    parts.push(`M${column} ${low}V${high}H${column + 1}V${low}Z`);
  }
  return parts.join("");
}

function drawCpu() {
  const plot = plotOf("cpu");
  plot.append(track("level", `at work (${count(data.jobs, "thread")})`, byId("level").content.cloneNode(true)));
  drawLanes(plot, CPU);
}

// One row for each package, index or image, in the order of their beginnings.
function drawRows() {
  const plot = plotOf("packages");
  const rows = new Map();
  data.spans.forEach((span, number) => {
    if (!rows.has(span.row)) rows.set(span.row, []);
    rows.get(span.row).push(number);
  });
  const list = element("div", { name: "rows" });
  for (const [name, numbers] of rows) {
    const spans = numbers.map((number) => data.spans[number]);
    const row = track("row", name, element("div", { name: "clip" }, ...numbers.map(spanBar)));
    const lengths = spans.map(duration);
    Object.assign(row.dataset, {
      name,
      start: spans[0].from,
      end: Math.max(...spans.map((span) => span.to)),
      work: lengths.reduce((sum, length) => sum + length, 0),
      longest: Math.max(...lengths),
    });
    list.append(row);
  }
  plot.append(element("div", { name: "axis" }), list);
}

// The packages with their time in each stage, the slowest first.
function drawSlowest() {
  const packages = new Map();
  for (const number of numbersOf(OF_PACKAGES)) {
    const span = data.spans[number];
    if (!packages.has(span.row)) packages.set(span.row, { total: 0, download: 0, decode: 0, unpack: 0, configure: 0 });
    const times = packages.get(span.row);
    times[span.stage] += duration(span);
    times.total += duration(span);
  }
  const slowest = [...packages].sort(([, a], [, b]) => b.total - a.total);
  const most = slowest.length > 0 ? slowest[0][1].total : 1;
  const head = document.querySelector("#slowest thead tr");
  for (const heading of ["package", ...OF_PACKAGES, "total"]) {
    head.append(element("th", {}, element("button", { text: heading })));
  }
  head.lastChild.setAttribute("aria-sort", "descending");
  head.append(element("th"));
  document.querySelector("#slowest tbody").append(...slowest.map(([name, times]) => slowestRow(name, times, most)));
}

function slowestRow(name, times, most) {
  const row = element("tr", {}, element("td", { text: name }));
  row.cells[0].dataset.value = name;
  for (const column of [...OF_PACKAGES, "total"]) {
    const cell = element("td", { text: times[column] > 0 ? times[column].toFixed(1) : "–" });
    cell.dataset.value = times[column];
    row.append(cell);
  }
  const mix = element("span", { name: "mix" });
  for (const stage of OF_PACKAGES) {
    const part = element("i", { name: stage });
    part.style.width = `${(times[stage] / most) * 100}%`;
    mix.append(part);
  }
  row.append(element("td", { name: "share" }, mix));
  return row;
}

// Marks the time in every chart.
function drawMarks(from, to) {
  const step = TICKS.find((tick) => (to - from) / tick <= 12) || (to - from) / 12;
  const decimals = step < 10 ? 4 : step < 1000 ? 2 : 0;
  const marks = [];
  for (let number = Math.ceil(from / step); number * step <= to; number++) marks.push(number * step);
  const at = (tag, ms, text) => {
    const made = element(tag, { text });
    made.style.setProperty("--at", ms);
    return made;
  };
  for (const grid of all(".grid")) {
    grid.replaceChildren(...marks.map((ms) => at("i", ms)), element("div", { name: "cursor" }));
  }
  for (const axis of all(".axis")) {
    axis.replaceChildren(...marks.map((ms) => at("span", ms, (ms / 1000).toFixed(decimals) + " s")));
  }
}

drawHead();
drawCriticalPath();
drawLanes(plotOf("network"), NETWORK);
drawCpu();
drawLanes(plotOf("scripts"), ["configure"]);
drawRows();
drawSlowest();
// The stages that a section shows. It is hidden if none of them did anything.
const SECTIONS = { critical: Object.keys(STAGES), network: NETWORK, cpu: THREADS, scripts: ["configure"],
  packages: Object.keys(STAGES), slowest: OF_PACKAGES };
for (const section of all("[data-section]")) section.hidden = numbersOf(SECTIONS[section.id]).length === 0;
byId("nothing").hidden = data.spans.length > 0;
byId("detail").hidden = data.spans.length === 0;
