"""What the page reads of a study's folder, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from polybatch.core.dataset import Dataset, revision_of, write_dataset, write_table
from polybatch.evaluation.scores import evaluate
from polybatch.reports.html.charts import curves
from polybatch.reports.html.shape import heat_cells
from polybatch.reports.html.study_page import _languages, _question_sets
from polybatch.reports.results_folder import Study
from polybatch.retrieval.trec import write_runs
from tests.helpers.small_study import NAME, dataset

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


def test_the_loss_of_masked_words_is_not_called_infonce() -> None:
    spec = curves({"mlm": pl.DataFrame({"step": [0, 1], "loss": [9.0, 8.0]})}, ["mlm"])
    template = ROOT / "src/polybatch/study_template/plot-loss.json"  # of `dvc plots`
    assert "InfoNCE" not in str(spec) + template.read_text(encoding="utf-8")


def test_questions_in_other_languages_than_all_documents_are_shown(tmp_path: Path) -> None:
    """English answers, questions in three languages: no pool, and each question one list."""
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(params, encoding="utf-8")
    whole = dataset()
    corpus = whole.corpus.filter(lang="en")
    asked = Dataset(NAME, whole.queries, corpus,
                    whole.qrels.join(corpus.select("doc_id"), on="doc_id"))  # fmt: skip
    (tmp_path / "data/valid" / NAME).mkdir(parents=True)
    write_dataset(asked, tmp_path / "data/valid" / NAME)
    chance = np.random.default_rng(0)
    queries, documents = (
        chance.standard_normal((table.height, 4)).astype(np.float32)
        for table in (asked.queries, corpus)
    )
    scores = evaluate(asked, queries, documents, ["AP"], 10)
    study = Study(tmp_path)
    for kind in study.kinds.values():
        trial = kind.trials[0]
        runs = tmp_path / "results/runs" / trial / NAME
        runs.mkdir(parents=True)
        write_runs(asked, scores.runs, runs, "t")
        path = tmp_path / "results/scores" / f"{trial}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(scores.per_query, path, {NAME: revision_of(asked)})
    (found,) = _question_sets(study, "AP")
    assert len(found.questions) == 15
    for one in found.questions:
        assert None not in one.scores
        assert all(len(top) == 3 for top in one.tops)
