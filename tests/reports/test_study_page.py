"""What the page reads of a study's folder, by hand."""

from __future__ import annotations

from pathlib import Path

from polybatch.reports.html.shape import heat_cells
from polybatch.reports.html.study_page import _languages
from polybatch.reports.results_folder import Study

ROOT = Path(__file__).parents[2]


def test_the_heat_map_is_the_mean_over_trainings(tmp_path: Path) -> None:
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    params = params.replace("seeds: [0]", "seeds: [0, 1]")
    (tmp_path / "params.yaml").write_text(params, encoding="utf-8")
    folder = tmp_path / "results" / "languages" / "mono"
    folder.mkdir(parents=True)
    for seed, rows in ((0, "d,en,en,0.2\nd,sw,en,0.5\n"), (1, "d,sw,en,0.6\nd,en,en,0.4\n")):
        text = f"dataset,query_lang,doc_lang,AP\n{rows}"
        (folder / f"{seed}.csv").write_text(text, encoding="utf-8")
    found = heat_cells({"mono": _languages(Study(tmp_path), "mono")}, "AP")
    assert found["d"]["mono"] == [["en", "en", 30.0], ["sw", "en", 55.0]]
