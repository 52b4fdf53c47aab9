"use strict";
const $ = (id) => document.getElementById(id);
let choices;
let latest = 0;

function make(tag, properties = {}, ...children) {
  const found = Object.assign(document.createElement(tag), properties);
  found.append(...children); // text, never HTML: documents are data
  return found;
}

async function ask(path, body) {
  const given = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const answer = await fetch(path, given || {});
  const found = await answer.json();
  if (!answer.ok) {
    throw new Error(typeof found.detail === "string" ? found.detail : "This cannot be searched.");
  }
  return found;
}

function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").className = wrong ? "wrong" : "";
}

function nameOf(lang) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(lang) || lang;
  } catch {
    return lang;
  }
}

function documentText(one) {
  const found = make("p", { lang: one.lang, dir: "auto" });
  if (one.title) found.append(make("strong", {}, `${one.title}: `));
  found.append(one.text);
  return found;
}

function item(one) {
  const facts = make("p", { className: "facts" },
    make("span", { className: "tag", title: nameOf(one.lang) }, one.lang),
    ` ${one.score.toFixed(3)} · ${one.doc_id}`);
  const found = make("li", {}, documentText(one), facts);
  if (one.parallel.length) {
    const languages = one.parallel.map((other) => other.lang).join(", ");
    found.append(make("details", {},
      make("summary", {}, `The same in ${languages}`),
      ...one.parallel.map((other) => {
        const text = documentText(other);
        text.prepend(make("span", { className: "tag" }, other.lang), " ");
        return text;
      })));
  }
  return found;
}

function column(answer) {
  const title = make("h2", { id: `by-${answer.strategy}` }, answer.strategy);
  const list = make("ol", {}, ...answer.results.map(item));
  const found = make("section", {}, title, list);
  found.setAttribute("aria-labelledby", title.id);
  if (!answer.results.length) list.replaceWith(make("p", {}, "Nothing found."));
  return found;
}

function pills(place, title, rows) {
  const before = rows.length ? [make("span", { className: "facts" }, title)] : [];
  $(place).replaceChildren(...before, ...rows.map(([lang, text]) => {
    const found = make("button", { type: "button", lang, dir: "auto" }, `${lang}: ${text}`);
    found.setAttribute("aria-label", `Search in ${nameOf(lang)}: ${text}`);
    found.addEventListener("click", () => { $("query").value = text; search(); });
    return found;
  }));
}

async function search() {
  const query = $("query").value.trim();
  if (!query) return say("Write a question first.", true);
  const number = ++latest;
  const languages = [...document.querySelectorAll("#languages input:checked")].map((x) => x.value);
  const strategies = [...new Set([$("first").value, $("second").value])].filter(Boolean);
  const base = { query, languages, dataset: $("dataset").value, k: Number($("k").value) || 10 };
  say("Searching …");
  const start = performance.now();
  try {
    const found = await Promise.all(
      strategies.map((strategy) => ask("/search", { ...base, strategy })));
    if (number !== latest) return; // a later question has been asked
    $("results").replaceChildren(...found.map(column));
    pills("translations", "In other languages:", Object.entries(found[0].translations).filter(([, text]) => text !== query));
    const counts = found.map((one) => `${one.results.length} by ${one.strategy}`).join(", ");
    say(`${counts}; ${Math.round(performance.now() - start)} ms`);
  } catch (error) {
    if (number !== latest) return;
    $("results").replaceChildren();
    say(error.message, true);
  }
}

function showLanguages() {
  const chosen = choices.datasets.find((one) => one.name === $("dataset").value);
  const boxes = chosen.languages.map((lang) =>
    make("label", {}, make("input", { type: "checkbox", value: lang }),
      make("span", { title: nameOf(lang) }, lang)));
  $("languages").replaceChildren($("languages").querySelector("legend"), ...boxes);
}

async function showExamples() {
  const rows = await ask(`/examples?dataset=${encodeURIComponent($("dataset").value)}`);
  pills("examples", "Try:", rows.map((row) => [row.lang, row.text]));
}

async function start() {
  try {
    choices = await ask("/strategies");
    const option = (value) => make("option", { value }, value);
    $("first").append(...choices.ready.map(option));
    $("second").append(...choices.ready.map(option));
    $("dataset").append(...choices.datasets.map((one) => option(one.name)));
    $("first").value = choices.default;
    showLanguages();
    await showExamples();
    if (!choices.ready.length) say("Nothing is indexed yet: run `polybatch run`.", true);
  } catch (error) {
    say(error.message, true);
  }
  document.body.dataset.ready = "yes";
}

$("form").addEventListener("submit", (event) => { event.preventDefault(); search(); });
$("dataset").addEventListener("change", () => {
  showLanguages();
  showExamples().catch((error) => say(error.message, true));
});
document.addEventListener("keydown", (event) => {
  const writing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  if (event.key === "/" && !writing) {
    event.preventDefault();
    $("query").focus();
  }
});
start();
