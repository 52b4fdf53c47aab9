"use strict";
// Reads the packed data, draws plots, fills the questions. Texts go in as text, never as HTML.

const $ = (id) => document.getElementById(id);
const RIGHT_TO_LEFT = new Set(["ar", "fa", "he", "ur", "ps", "sd", "ug", "yi", "dv", "ckb"]);

async function unpack(id) {
  const text = $(id).textContent;
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

function options(select, values, chosen) {
  select.replaceChildren(
    ...values.map((v) => make("option", { value: v, selected: v === chosen }, v)));
}

function sortable(table) {
  if (table.dataset.sorted || !window.DataTable) return;
  table.dataset.sorted = "yes";
  new window.DataTable(table, {
    paging: false, searching: false, info: false, order: [], autoWidth: false,
  });
}

// Theme ------------------------------------------------------------------------------------------

const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
let chosenTheme = null;
const isDark = () => (chosenTheme === null ? prefersDark.matches : chosenTheme === "dark");

function showTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  document.documentElement.classList.toggle("dark", isDark());
  $("theme").textContent = isDark() ? "Light" : "Dark";
  $("theme").setAttribute("aria-pressed", String(isDark()));
  for (const redraw of drawn.values()) redraw();
}

// Plots ------------------------------------------------------------------------------------------

const drawn = new Map();

function config() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  const text = { labelColor: of("--fore"), titleColor: of("--fore") };
  return {
    background: "transparent", font: "system-ui, sans-serif", view: { stroke: of("--line") },
    axis: { ...text, gridColor: of("--line"), domainColor: of("--line"), tickColor: of("--line"),
      labelLimit: 260, labelFontSize: 12, titleFontSize: 12 },
    legend: { ...text, labelLimit: 260 }, title: { color: of("--fore") },
    text: { fill: of("--fore") }, rule: { stroke: of("--fore") },
  };
}

function plot(element, makeSpec, width) {
  const draw = () => {
    const spec = makeSpec();
    if (!spec) { element.replaceChildren("Nothing to draw."); return; }
    const full = { $schema: "https://vega.github.io/schema/vega-lite/v6.json", ...spec };
    if (width) full.width = width(element);
    return window.vegaEmbed(element, full, { actions: false, renderer: "svg", config: config() })
      .catch((error) => fail(error));
  };
  drawn.set(element, draw);
  return draw();
}

const roomy = (element) => {
  const room = element.closest("section").clientWidth - 90;
  return Math.max(240, Math.min(room, 900));
};

// Scores -----------------------------------------------------------------------------------------

function showScores(scores) {
  const rows = scores.rows.filter((row) => row.measure === $("measure").value);
  const columns = [...new Set(rows.map((row) => `${row.dataset} ${row.setting}`))];
  const cell = (row) => {
    if (!row) return make("td", { class: "number", "data-order": -1 }, "–");
    return make("td", { class: `number${row.decided ? " decided" : ""}`,
      "data-order": row.value }, row.shown, make("small", {}, row.gain));
  };
  const head = make("tr", {}, make("th", { scope: "col" }, "strategy"),
    ...columns.map((name) => make("th", { scope: "col", class: "number" }, name)));
  const body = scores.strategies.map((name) => make("tr", {}, make("th", { scope: "row" }, name),
    ...columns.map((key) => cell(
      rows.find((row) => row.strategy === name && `${row.dataset} ${row.setting}` === key)))));
  const table = make("table", { class: "sortable" },
    make("caption", {}, `${$("measure").value} by strategy`),
    make("thead", {}, head), make("tbody", {}, ...body));
  $("score-table").replaceChildren(table);
  sortable(table);
}

// Heat maps --------------------------------------------------------------------------------------

function heat(plots) {
  const dataset = $("heat-dataset").value, strategy = $("heat-strategy").value;
  const kind = $("heat-kind").value;
  const grid = (name) => (plots.heat.cells[dataset] || {})[name] || [];
  let rows = grid(strategy);
  if (kind === "retrieved") rows = (plots.heat.retrieved[dataset] || {})[strategy] || [];
  if (kind === "differences") {
    const base = new Map(grid(plots.baseline).map(([a, b, v]) => [`${a}>${b}`, v]));
    rows = rows.map(([a, b, v]) => [a, b, v - base.get(`${a}>${b}`)])
      .filter((row) => Number.isFinite(row[2]));
  }
  if (!rows.length) return null;
  const differences = kind === "differences";
  const values = rows.map((row) => row[2]);
  const most = Math.max(...values.map(Math.abs), 0.1);
  const [low, high] = differences ? [-most, most] : [Math.min(...values), Math.max(...values)];
  const spec = structuredClone(plots.heat[differences ? "differences" : "values"]);
  spec.data = { values: rows.map(([row, column, value]) =>
    ({ row, column, value, share: (value - low) / (high - low || 1) })) };
  spec.layer[0].encoding.color.scale.domain = [low, high];
  const across = kind === "retrieved" ? "language of the ten best documents" : "document language";
  for (const layer of spec.layer) {
    layer.encoding.y.title = "query language";
    layer.encoding.x.title = across;
  }
  spec.width = { step: 30 };
  $("heat-caption").textContent = {
    values: `AP in percent of ${strategy}.`,
    differences: `AP of ${strategy} less that of ${plots.baseline}, in points.`,
    retrieved: `Of the ten best documents of ${strategy} in the pool of all languages, the share in each, in percent.`,
  }[kind];
  return spec;
}

function gains(plots) {
  const all = plots.gains[$("heat-dataset").value] || [];
  const rows = all.filter((row) => row.strategy === $("heat-strategy").value
    && row.view === $("gain-view").value);
  if (!rows.length) return null;
  return { ...structuredClone(plots.gain), data: { values: rows } };
}

