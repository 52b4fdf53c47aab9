"""What runs again after an edit, under the real DVC, on a small study."""

from __future__ import annotations

import json
import shutil

import polars as pl
import pytest

from polybatch.versions.record import write_versions
from tests.helpers.workspace import PARAMS, Workspace

SCORED = {
    *(f"evaluate@{name}-0" for name in PARAMS["strategies"]),
    *("evaluate-merges@merge-0", "evaluate-centred@merge-centred-0"),
    *("evaluate-lexical@bm25-0", "evaluate-fusions@bm25-merge-0"),
}


def test_nothing_runs_twice_and_the_views_of_dvc_work(again: Workspace) -> None:
    done = again.run("dvc", "repro")
    assert done.returncode == 0
    assert "Running stage" not in done.stdout
    shown = json.loads(again.run("dvc", "metrics", "show", "--json").stdout)
    files = shown[""]["data"]
    assert files["results/metrics/hybrid/0.json"]["data"]["cldr-test"]["mono"]["AP"] > 0
    plotted = again.run("dvc", "plots", "show", "--json", "results/languages/hybrid/0.csv")
    assert plotted.returncode == 0, plotted.stderr
    assert "doc_lang" in plotted.stdout


def test_one_strategy_edited_reruns_that_one_only(again: Workspace) -> None:
    again.params["strategies"]["hybrid"]["cross_ratio"] = 0.25
    again.write()
    again.run("dvc", "repro", "settings")  # which writes what decides each strategy's batches
    assert _stale(again) == {"batches@hybrid-0", "curves", "compare", "report"}
    again.params["strategies"]["hybrid"]["cross_ratio"] = 0.5
    again.write()
    again.run("dvc", "repro", "settings")


def _stale(workspace: Workspace) -> set[str]:
    workspace.write()
    return set(json.loads(workspace.run("dvc", "status", "--json").stdout))


def test_an_edited_or_new_row_reruns_its_own_stage(again: Workspace) -> None:
    again.params["lexical"]["bm25"]["k1"] = 1.2
    assert _stale(again) == {"settings", "lexical@bm25", "compare", "report"}
    again.params["lexical"]["bm25"]["k1"] = 0.9
    again.params["strategies"]["hybrid"]["training"] = {"temperature": 0.1}
    again.write()
    told = again.run("dvc", "repro", "settings")
    assert told.returncode == 0, told.stderr
    assert _stale(again) == {"train@hybrid-0", "curves", "compare", "report"}
    del again.params["strategies"]["hybrid"]["training"]
    again.write()
    again.run("dvc", "repro", "settings")
    again.params["merges"]["half"] = {"first": "hybrid", "second": "zero-shot", "weight": 0.5}
    new = {"merge@half", "index-merges@half-0", "evaluate-merges@half-0"}
    assert _stale(again) == {"settings", *new, "compare", "report"}


def test_vectors_of_the_same_weights_and_texts_are_not_made_again(again: Workspace) -> None:
    """DVC removes the folder before the stage runs, so they come from its cache."""
    index = again.folder / "data/index/zero-shot/0/cldr-test/documents.faiss"
    before = index.read_bytes()
    done = again.run("dvc", "repro", "--force", "--single-item", "index@zero-shot-0")
    assert "cldr-test: vectors made before, of the same texts and weights" in done.stdout
    assert index.read_bytes() == before
    assert again.run("dvc", "status", "index@zero-shot-0").stdout.startswith("Data and pipelines")


def test_the_result_of_another_program_is_scored_and_shown_like_any_other(again: Workspace) -> None:
    """Our own run of `hybrid`, as if somebody had sent it: the scores that it reaches are ours."""
    ours = again.folder / "inputs/ours/cldr-test"
    ours.mkdir(parents=True, exist_ok=True)
    shutil.copy(again.folder / "results/runs/hybrid/0/cldr-test/multi.run.gz", ours)
    again.params["external"] = {"ours": {"folder": "inputs/ours", "form": "vectors"}}
    again.write()
    refused = again.run("dvc", "repro", "external@ours")
    assert refused.returncode != 0
    assert "external.ours.form: found vectors, expected runs" in refused.stdout + refused.stderr
    again.params["external"]["ours"]["form"] = "runs"
    again.write()
    done = again.run("dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    ran = {line.split("'")[1] for line in done.stdout.splitlines() if "Running stage" in line}
    assert ran == {"settings", "external@ours", "evaluate-external@ours-0", "compare", "report"}
    table = pl.read_csv(again.folder / "results/compare.csv").filter(
        setting="multi", measure="nDCG@10"
    )
    value = dict(table.select("strategy", "value").rows())
    assert value["ours"] == pytest.approx(value["hybrid"], abs=1e-9)
    assert "| ours |" in (again.folder / "results/compare.md").read_text(encoding="utf-8")
    with (ours / "multi.run").open("w", encoding="utf-8") as run:
        run.write("nobody Q0 nothing 1 0.5 ours\n")
    (ours / "multi.run.gz").unlink()
    wrong = again.stage("external", "--strategy", "ours")
    assert wrong.returncode == 1
    assert "inputs/ours/cldr-test/multi.run:1" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    again.params["external"] = {}
    again.write()
    assert again.run("dvc", "repro").returncode == 0  # as it was, for the tests that follow


def test_a_number_that_goes_up_reruns_its_stage_and_what_follows(again: Workspace) -> None:
    path = again.folder / "versions.yaml"
    kept = path.read_text(encoding="utf-8")
    try:
        for stage, stale in (
            ("evaluate", SCORED),
            ("compare", {"compare"}),
            ("download.cldr", {"settings"}),
        ):
            write_versions(path, {}, [stage])
            assert set(json.loads(again.run("dvc", "status", "--json").stdout)) == stale
            path.write_text(kept, encoding="utf-8")
        write_versions(path, {}, ["start", "download.cldr"])
        done = again.run("dvc", "repro", "train@hybrid-0", "validate")
        ran = {line.split("'")[1] for line in done.stdout.splitlines() if "Running stage" in line}
        # Both give the bytes that are there already, so nothing follows.
        assert ran == {"settings", "download@cldr", "start@hybrid"}
    finally:
        path.write_text(kept, encoding="utf-8")
        again.run("dvc", "repro")


def test_a_seed_added_trains_with_it_and_runs_nothing_else(again: Workspace) -> None:
    again.params["study"]["seeds"] = [0, 1]
    again.write()
    status = json.loads(again.run("dvc", "status", "--json").stdout)
    assert not [name for name in status if name.endswith("-0")]
    assert {"dapt@1", "start@hybrid", "evaluate@zero-shot-1", "train@dapt-mono-1"} <= set(status)
    done = again.run("dvc", "repro", "evaluate@hybrid-1")
    assert done.returncode == 0, done.stdout + done.stderr
    ran = {line.split("'")[1] for line in done.stdout.splitlines() if "Running stage" in line}
    trial = {f"{stage}@hybrid-1" for stage in ("batches", "train", "index", "evaluate")}
    assert ran == {"settings", "start@hybrid", *trial}
    one, other = (
        (again.folder / f"results/metrics/hybrid/{seed}.json").read_bytes() for seed in (0, 1)
    )
    assert one != other


def test_tables_show_mean_and_spread_over_seeds(again: Workspace) -> None:
    again.params["study"]["seeds"] = [0, 1]
    again.write()
    results = again.folder / "results"
    for first in sorted(results.rglob("0.*")):
        shutil.copy(first, first.with_name(f"1{first.suffix}"))
    for first in (results / "adaptation/0", *results.glob("training/*/0")):
        shutil.copytree(first, first.with_name("1"), dirs_exist_ok=True)
    path = results / "scores/hybrid/1.parquet"
    again_scored = pl.read_parquet(path).with_columns(pl.col("score") / 2)
    notes = pl.read_parquet_metadata(path)
    again_scored.write_parquet(
        path, metadata={k: v for k, v in notes.items() if k != "ARROW:schema"}
    )
    path = results / "metrics/hybrid/1.json"
    halved = json.loads(path.read_text())
    for values in halved["cldr-test"].values():
        values.update({name: value / 2 for name, value in values.items()})
    path.write_text(json.dumps(halved))
    done = again.stage("compare")
    assert done.returncode == 0, done.stderr
    report = (results / "compare.md").read_text(encoding="utf-8")
    whole = json.loads((results / "metrics/hybrid/0.json").read_text())["cldr-test"]["mono"]["AP"]
    spread = whole / 4 * 2**0.5  # two values that stand whole / 2 apart
    cell = f"{100 * whole * 0.75:.1f} ± {100 * spread:.1f}"
    assert cell in report.replace("**", "")
    assert "Two trainings: intervals include chance of training, but decide nothing." in report
    assert "beats" not in report
    row = pl.read_csv(results / "seeds.csv").row(
        by_predicate=(pl.col("strategy") == "hybrid")
        & (pl.col("setting") == "mono")
        & (pl.col("measure") == "AP"),
        named=True,
    )
    assert (row["seeds"], row["spread"]) == (2, pytest.approx(spread))
    focus = json.loads((results / "metrics.json").read_text())["cldr-test"]["mono"]["AP"]
    assert focus == pytest.approx(whole * 0.75)
    (results / "scores/hybrid/1.parquet").unlink()
    missing = again.stage("compare")
    assert missing.returncode == 1
    assert "results/scores/hybrid/1.parquet" in missing.stderr
