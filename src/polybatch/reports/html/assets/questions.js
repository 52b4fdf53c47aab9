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
    + (part.setting === "multi" ? "in the pool of all languages." : "in the one language that documents have.");
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

