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
