// Uses the page of a complete run with mouse and keyboard. The body's data-probe then says what went wrong, or `done`.
(() => {
  const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const one = (selector) => document.querySelector(selector);
  const count = (selector) => document.querySelectorAll(selector).length;
  const visible = () => [...document.querySelectorAll(".row")].filter((row) => row.offsetParent !== null).length;
  const span = () => Number(document.documentElement.style.getPropertyValue("--span"));
  const wrong = [];
  const expect = (what, isSo) => { if (!isSo) wrong.push(what); };

  expect("rows are shown", visible() === count(".row") && visible() > 8);
  expect("bars have a place", one(".row .decode").getBoundingClientRect().width >= 1);
  expect("every section is shown", [...document.querySelectorAll("section")].every((one) => one.offsetHeight > 20));
  expect("no failure is shown", one("#failure").hidden && one("#nothing").hidden);
  expect("the critical path is marked", count(".row .critical") > 2);
  expect("the axis has marks", one(".axis span").textContent.startsWith("0"));
  expect("the threads are drawn", one("#cpu svg path[d^=M]") !== null);
  expect("nothing is wider than the page", document.documentElement.scrollWidth <= innerWidth);

  press("ArrowDown");
  expect("a row is chosen", count(".row.on") === 1 && count(".bar.chosen") > 0);
  const first = one(".row.on").dataset.name;
  press("ArrowDown");
  expect("the next row is chosen", one(".row.on").dataset.name !== first);
  press("n");
  expect("the path is followed", one(".strip .chosen") !== null && one(".row .chosen.critical") !== null);
  expect("a part is described", / ms| s/.test(one("#detail").textContent));

  const whole = span();
  press("+");
  expect("closer", span() < whole);
  press("0");
  expect("the whole run again", span() === whole);

  const bar = one(".row .configure"), place = bar.getBoundingClientRect();
  const point = { clientX: place.left + place.width / 2, clientY: place.top + 2, bubbles: true };
  bar.dispatchEvent(new MouseEvent("mousemove", point));
  expect("a bar is described", one("#detail").textContent.startsWith("configure "));
  const track = one(".row .track").getBoundingClientRect();
  const drag = (type, share) => one(".row .clip").dispatchEvent(
    new MouseEvent(type, { clientX: track.left + track.width * share, clientY: track.top, button: 0, bubbles: true }));
  // Around the configuration of one package: the plan, for one, had ended by then.
  const middle = (point.clientX - track.left) / track.width;
  drag("mousedown", middle - 0.02);
  drag("mouseup", middle + 0.02);
  expect("only what was at work then is shown", visible() > 0 && visible() < count(".row"));
  expect("dragging looks closer", Math.abs(span() - whole / 25) < whole / 250);
  press("Escape");
  expect("escape goes back", span() === whole);

  const filter = one("#filter");
  filter.value = "libc6";
  filter.dispatchEvent(new Event("input"));
  expect("the filter leaves one", visible() === 1);
  filter.value = "";
  filter.dispatchEvent(new Event("input"));
  one("#order").value = "name";
  one("#order").dispatchEvent(new Event("change"));
  const names = [...document.querySelectorAll(".row")].map((row) => row.dataset.name);
  expect("rows are in order of names", names.every((name, at) => at === 0 || names[at - 1].localeCompare(name) <= 0));
  one("#slowest th button").click();
  expect("the table shows its order", one("#slowest th").getAttribute("aria-sort") === "ascending");
  const lines = [...one("#slowest tbody").rows].map((line) => line.cells[0].textContent);
  expect("the table is in order of names", lines.every((name, at) => at === 0 || lines[at - 1].localeCompare(name) <= 0));

  document.body.dataset.probe = wrong.join("; ") || "done";
})();
