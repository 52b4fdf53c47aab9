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
    values: `${plots.measure} in percent of ${strategy}.`,
    differences: `${plots.measure} of ${strategy} less that of ${plots.baseline}, in points.`,
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

// Questions --------------------------------------------------------------------------------------

const PAGE = 20;
let shownQuestions = PAGE;

function text(lang, words) {
  return make("bdi", { lang, dir: RIGHT_TO_LEFT.has(lang) ? "rtl" : "ltr" }, words);
}

function order(rows, one, other) {
  const known = (row) => row[3].filter((score) => score !== null);
  const spread = (row) => (known(row).length ? Math.max(...known(row)) - Math.min(...known(row)) : 0);
  const by = {
    spread: (row) => -spread(row),
    one: (row) => row[3][other] - row[3][one],
    other: (row) => row[3][one] - row[3][other],
    hard: (row) => Math.max(...known(row), 0),
  }[$("q-order").value];
  return by ? rows.map((row) => [by(row), row]).sort((a, b) => a[0] - b[0]).map((x) => x[1]) : rows;
}

function wanted(data, part) {
  const words = $("q-text").value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  return part.questions.filter((row) => {
    if ($("q-lang").value !== "all" && row[0] !== $("q-lang").value) return false;
    const inside = `${row[1]} ${part.items[row[2]][0]}`.toLocaleLowerCase();
    return words.every((word) => inside.includes(word));
  });
}

function detail(data, part, row) {
  const [english, answer, relevant] = part.items[row[2]];
  const box = make("div", { class: "detail" });
  if (english && row[0] !== "en") box.append(make("span", { class: "english" }, `English: ${english}`));
  if (answer >= 0) {
    box.append(make("span", { class: "english" }, `Answer in English: ${part.documents[answer][1]}`));
  }
  const found = make("div", { class: "found" });
  data.strategies.forEach((name, n) => {
    const list = make("ol");
    for (const number of row[4][n]) {
      const [lang, words, pivot] = part.documents[number];
      const right = relevant.includes(number);
      const entry = make("li", {},
        make("span", { class: right ? "right" : "wrong" }, right ? "✓ right " : "✗ "),
        make("span", { class: "lang" }, lang), text(lang, words));
      if (pivot >= 0 && pivot !== number) {
        entry.append(make("span", { class: "english" }, part.documents[pivot][1]));
      }
      list.append(entry);
    }
    const score = row[3][n] === null ? "–" : row[3][n];
    found.append(make("div", {}, make("h4", {}, make("span", {}, name),
      make("span", {}, `${data.measure} ${score}`)), list));
  });
  box.append(found);
  return box;
}

function ask(data) {
  const part = data.datasets[$("q-dataset").value];
  const one = data.strategies.indexOf($("q-one").value);
  const other = data.strategies.indexOf($("q-other").value);
  const rows = order(wanted(data, part), one, other);
  const list = rows.slice(0, shownQuestions).map((row) => {
    const button = make("button", { type: "button", "aria-expanded": "false" },
      make("span", {}, make("span", { class: "lang" }, row[0]), text(row[0], row[1])),
      make("span", { class: "pair" },
        `${data.strategies[one]} ${row[3][one] ?? "–"} · ${data.strategies[other]} ${row[3][other] ?? "–"}`));
    const entry = make("li", {}, button);
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!open));
      if (open) entry.querySelector(".detail").remove();
      else entry.append(detail(data, part, row));
    });
    return entry;
  });
  $("q-list").replaceChildren(...list);
  $("q-count").textContent = `${rows.length.toLocaleString("en")} questions; ${data.measure} in percent, `
    + (part.setting === "multi" ? "in the pool of all languages." : "in their own language.");
  $("q-more").hidden = rows.length <= shownQuestions;
}

function questions(data) {
  const sets = Object.keys(data.datasets);
  if (!sets.length) { $("questions").hidden = true; return; }
  options($("q-dataset"), sets, sets[0]);
  const baseline = document.body.dataset.baseline, focus = document.body.dataset.focus;
  options($("q-one"), data.strategies, data.strategies.includes(baseline) ? baseline : undefined);
  options($("q-other"), data.strategies, data.strategies.includes(focus) ? focus : undefined);
  const languages = () => {
    const found = new Set(data.datasets[$("q-dataset").value].questions.map((row) => row[0]));
    options($("q-lang"), ["all", ...[...found].sort()], "all");
  };
  languages();
  const again = () => { shownQuestions = PAGE; ask(data); };
  $("ask").addEventListener("submit", (event) => event.preventDefault());
  $("ask").addEventListener("input", (event) => {
    if (event.target === $("q-dataset")) languages();
    again();
  });
  $("q-more").addEventListener("click", () => { shownQuestions += PAGE; ask(data); });
  again();
}

// All --------------------------------------------------------------------------------------------

function fail(error) {
  $("failed").hidden = false;
  $("failed").textContent = window.DecompressionStream
    ? `Part of this page could not be drawn: ${error}`
    : "Plots and questions need a browser of 2023 or later; tables and sentences below do not.";
}

async function begin() {
  chosenTheme = null;
  showTheme();
  $("theme").addEventListener("click", () => {
    chosenTheme = isDark() ? "light" : "dark";
    showTheme();
  });
  prefersDark.addEventListener("change", showTheme);
  const libraries = await unpack("packed-libraries");
  for (const code of Object.values(libraries)) {
    document.head.append(make("script", {}, code));
  }
  const plots = await unpack("packed-plots");
  document.querySelectorAll("table.sortable").forEach(sortable);
  options($("measure"), plots.scores.measures, plots.measure);
  $("measure").addEventListener("input", () => showScores(plots.scores));
  showScores(plots.scores);
  for (const [name, spec] of Object.entries(plots.trade_offs)) {
    const box = make("div");
    $("trade-offs").append(make("figure", {}, make("figcaption", {}, name),
      make("div", { class: "wide" }, box)));
    await plot(box, () => structuredClone(spec), roomy);
  }
  options($("heat-dataset"), Object.keys(plots.heat.cells));
  options($("heat-strategy"), plots.scores.strategies, plots.focus);
  const views = () => options($("gain-view"),
    [...new Set((plots.gains[$("heat-dataset").value] || []).map((row) => row.view))]);
  views();
  await plot($("heat"), () => heat(plots));
  await plot($("gain"), () => gains(plots), roomy);
  for (const id of ["heat-dataset", "heat-strategy", "heat-kind", "gain-view"]) {
    $(id).addEventListener("input", () => {
      if (id === "heat-dataset") views();
      drawn.get($("heat"))();
      drawn.get($("gain"))();
    });
  }
  await plot($("curves"), () => plots.curves && structuredClone(plots.curves), roomy);
  if (plots.adaptation) {
    $("adaptation-figure").hidden = false;
    await plot($("adaptation"), () => structuredClone(plots.adaptation), roomy);
  }
  questions(await unpack("packed-explorer"));
  document.body.dataset.ready = "yes";
}

begin().catch(fail);
