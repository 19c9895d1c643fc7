// The page: sections that register themselves, tabs that draw a section when it is first opened,
// light and dark, and print. Texts of runs enter the document as text, never as markup.

const renderers = new Map();
const opened = new Set();
const claims = new Map(); // of sections whose addresses say more than their names
const addresses = new Map(); // what those show

// Registers what draws a section: draw(element, data, page), once, when its tab is first opened.
// `claim` says whether an address is one of its own.
function register(id, draw, claim = () => false) {
  renderers.set(id, draw);
  claims.set(id, claim);
}

// Keeps what a section shows, and has it in the address while its tab is chosen.
function remember(id, address) {
  addresses.set(id, address);
  if (!document.getElementById(id).hidden) history.replaceState(null, "", `#${address}`);
}

// Makes an element; children are elements, texts, or null for none.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function dataOf(id) {
  return JSON.parse(document.getElementById(`data-${id}`).textContent);
}

function why(sentence) {
  return make("p", { class: "why" }, sentence);
}

// Draws each run of a section, below its name where there are several.
function eachRun(element, runs, draw) {
  for (const run of runs) {
    const part = make("div", { class: "run" });
    if (runs.length > 1) part.append(make("h2", {}, run.name));
    element.append(part);
    if (run.why) part.append(why(run.why));
    else draw(part, run);
  }
}

function openSection(id) {
  if (opened.has(id)) return;
  opened.add(id);
  const element = document.getElementById(id);
  const data = dataOf(id);
  if (typeof data === "string") element.append(why(data));
  else renderers.get(id)(element, data, page);
}

function tabs() {
  return [...document.querySelectorAll("[role=tab]")];
}

function choose(tab, focus) {
  for (const other of tabs()) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  const id = tab.getAttribute("aria-controls");
  openSection(id);
  resizeCharts(document.getElementById(id));
  if (focus) tab.focus();
  history.replaceState(null, "", `#${addresses.get(id) ?? id}`);
}

// Chooses the tab that the address names; `otherwise` where it names none.
function follow(otherwise) {
  const address = location.hash.slice(1);
  const of = (test) => tabs().find((tab) => test(tab.getAttribute("aria-controls")));
  const claimed = of((id) => claims.get(id)?.(address));
  if (claimed) addresses.set(claimed.getAttribute("aria-controls"), address);
  const tab = claimed ?? of((id) => id === address) ?? otherwise;
  if (tab) choose(tab, false);
}

function listenToTabs() {
  const all = tabs();
  const moves = { ArrowRight: 1, ArrowLeft: -1 };
  for (const [at, tab] of all.entries()) {
    tab.addEventListener("click", () => choose(tab, false));
    tab.addEventListener("keydown", (event) => {
      let to = null;
      if (event.key in moves) to = (at + moves[event.key] + all.length) % all.length;
      else if (event.key === "Home") to = 0;
      else if (event.key === "End") to = all.length - 1;
      if (to === null) return;
      event.preventDefault();
      choose(all[to], true);
    });
  }
  addEventListener("hashchange", () => follow(null));
  follow(all[0]);
}

// Light and dark: as the system has it, until the reader chooses.

const system = matchMedia("(prefers-color-scheme: dark)");

function theme() {
  if (document.documentElement.classList.contains("printing")) return "light";
  return document.documentElement.dataset.theme || (system.matches ? "dark" : "light");
}

function showTheme() {
  const other = theme() === "dark" ? "light" : "dark";
  const button = document.getElementById("theme");
  button.textContent = other === "dark" ? "Dark" : "Light";
  button.setAttribute("aria-label", `Show the page ${other}`);
  redrawCharts();
}

function listenToTheme() {
  document.getElementById("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
    showTheme();
  });
  system.addEventListener("change", showTheme);
  showTheme();
}

// On paper all sections stand, light, as wide as a page.

function setPrinting(on) {
  document.documentElement.classList.toggle("printing", on);
  if (on) for (const tab of tabs()) openSection(tab.getAttribute("aria-controls"));
  redrawCharts();
}

const page = { make, why, eachRun, dataOf, theme, remember, table: drawTable, chart: drawChart, select: drawSelect };

function start() {
  listenToTheme();
  listenToTabs();
  addEventListener("beforeprint", () => setPrinting(true));
  addEventListener("afterprint", () => setPrinting(false));
  addEventListener("resize", () => resizeCharts(document));
}
