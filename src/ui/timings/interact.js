// Answers the mouse and the keyboard: details of a part, zoom, filter, order, sorting.

const detail = byId("detail"), filter = byId("filter"), only = byId("only"), order = byId("order");
const rows = all(".row");
const numbersIn = new Map(rows.map((row) => [row, [...row.querySelectorAll("[data-span]")].map((bar) => Number(bar.dataset.span))]));
const SHOWN_AT_FIRST = 25;
// The time that is shown, in milliseconds; the chosen part and row.
let from = 0, to = data.took, chosen = null, chosenRow = null;

const seconds = (ms) => (ms / 1000).toFixed(3) + " s";

// What was at work at a moment.
function atWork(ms) {
  const counts = {};
  for (const span of data.spans) {
    if (span.from <= ms && ms < span.to) counts[span.stage] = (counts[span.stage] || 0) + 1;
  }
  const stages = Object.keys(STAGES).filter((stage) => counts[stage]);
  return stages.map((stage) => `${counts[stage]} ${stage}`).join(", ") || "nothing";
}

function choose(number) {
  for (const bar of all(".chosen")) bar.classList.remove("chosen");
  chosen = number;
  if (number === null) return;
  for (const bar of all(`[data-span="${number}"]`)) bar.classList.add("chosen");
  const span = data.spans[number];
  detail.replaceChildren(
    element("i", { name: span.stage }),
    element("b", { text: `${span.stage} ${span.item}` }),
    element("span", { text: format(duration(span)) }),
    element("span", { text: `${seconds(span.from)} to ${seconds(span.to)}` }),
    element("span", { text: critical.has(number) ? "on the critical path" : "" }),
    element("span", { text: `at work half-way: ${atWork((span.from + span.to) / 2)}` }),
  );
}

function describeTime(ms) {
  choose(null);
  detail.replaceChildren(element("b", { text: seconds(ms) }), element("span", { text: `at work: ${atWork(ms)}` }));
}

// Shows a window of time in every chart.
function show(first, last) {
  const least = data.took / 2000;
  from = Math.max(0, Math.min(first, data.took - least));
  to = Math.min(data.took, Math.max(last, from + least));
  const style = document.documentElement.style;
  style.setProperty("--from", from);
  style.setProperty("--span", to - from);
  drawMarks(from, to);
  drawLevels(from, to);
  byId("reset").hidden = from === 0 && to === data.took;
  hideRows();
}

function timeAt(event) {
  const place = document.querySelector(".track").getBoundingClientRect();
  const share = (event.clientX - place.left) / place.width;
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
  const ms = plot ? timeAt(event) : null;
  for (const cursor of all(".cursor")) {
    cursor.style.display = ms === null ? "none" : "block";
    cursor.style.setProperty("--at", ms);
  }
  if (ms === null) return;
  const bar = event.target.closest("[data-span]");
  if (bar) choose(Number(bar.dataset.span));
  else describeTime(ms);
});

// Hides the rows outside of the filter and of the window of time.
function hideRows() {
  const wanted = filter.value.trim().toLowerCase();
  const isWithin = (number) => data.spans[number].from <= to && data.spans[number].to >= from;
  let shown = 0;
  for (const row of rows) {
    const numbers = numbersIn.get(row);
    row.hidden = !row.dataset.name.toLowerCase().includes(wanted) || !numbers.some(isWithin)
      || (only.checked && !numbers.some((number) => critical.has(number)));
    if (!row.hidden) shown++;
  }
  byId("shown").textContent = `${shown} of ${rows.length}`;
}

function orderRows() {
  const by = order.value;
  rows.sort((a, b) => {
    if (by === "name") return a.dataset.name.localeCompare(b.dataset.name);
    const difference = Number(a.dataset[by]) - Number(b.dataset[by]);
    return by === "start" ? difference : -difference;
  });
  document.querySelector(".rows").append(...rows);
}

filter.addEventListener("input", hideRows);
only.addEventListener("change", hideRows);
order.addEventListener("change", orderRows);
byId("reset").addEventListener("click", () => show(0, data.took));

function chooseRow(row) {
  if (!row) return;
  if (chosenRow) chosenRow.classList.remove("on");
  chosenRow = row;
  row.classList.add("on");
  row.scrollIntoView({ block: "nearest" });
  choose(numbersIn.get(row)[0]);
}

// The member of a list some places after another one, or the first.
function after(list, member, places) {
  const now = list.indexOf(member);
  return list[now < 0 ? 0 : Math.max(0, Math.min(list.length - 1, now + places))];
}

function moveRow(places) {
  chooseRow(after(rows.filter((row) => !row.hidden), chosenRow, places));
}

function movePart(places) {
  if (!chosenRow) moveRow(0);
  else choose(after(numbersIn.get(chosenRow), chosen, places));
}

function moveAlongPath(places) {
  if (data.path.length === 0) return;
  const next = after(data.path.map((part) => part.span), chosen, places);
  const bar = document.querySelector(`.row [data-span="${next}"]`);
  if (bar) chooseRow(bar.closest(".row"));
  choose(next);
}

function zoom(factor) {
  const middle = chosen === null ? (from + to) / 2 : (data.spans[chosen].from + data.spans[chosen].to) / 2;
  const half = ((to - from) * factor) / 2;
  show(middle - half, middle + half);
}

const KEYS = {
  ArrowDown: () => moveRow(1), ArrowUp: () => moveRow(-1), PageDown: () => moveRow(20), PageUp: () => moveRow(-20),
  ArrowRight: () => movePart(1), ArrowLeft: () => movePart(-1), n: () => moveAlongPath(1), p: () => moveAlongPath(-1),
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => show(0, data.took), "/": () => filter.focus(),
};
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    filter.value = "";
    filter.blur();
    choose(null);
    show(0, data.took);
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, button")) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// The table of the slowest packages: sorted by a click on a heading, the first few until more are asked for.
const lines = document.querySelector("#slowest tbody"), more = byId("more");
let isLong = false;

function sortBy(heading) {
  const column = heading.cellIndex;
  const value = (line) => line.cells[column].dataset.value;
  const sorted = [...lines.rows];
  sorted.sort((a, b) => (column === 0 ? value(a).localeCompare(value(b)) : value(b) - value(a)));
  lines.append(...sorted);
  for (const other of all("#slowest th")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", column === 0 ? "ascending" : "descending");
  shortenTable();
}

function shortenTable() {
  [...lines.rows].forEach((line, number) => { line.hidden = !isLong && number >= SHOWN_AT_FIRST; });
  more.hidden = lines.rows.length <= SHOWN_AT_FIRST;
  more.textContent = isLong ? "Show fewer" : `Show all ${lines.rows.length}`;
}

for (const button of all("#slowest th button")) button.addEventListener("click", () => sortBy(button.closest("th")));
more.addEventListener("click", () => { isLong = !isLong; shortenTable(); });

shortenTable();
show(0, data.took);
