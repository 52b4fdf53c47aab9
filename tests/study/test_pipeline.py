"""The real stages under the real DVC, on a small study: what it holds, what stops a stage."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from polybatch.core.errors import InputError
from polybatch.reports.environment import environment
from polybatch.reports.kept_study import contrasts_again, read_kept
from polybatch.reports.results_folder import Study
from tests.helpers.browser import visit
from tests.helpers.workspace import ARMS, WIDTH, Workspace, environment_of


def test_a_study_ends_with_a_table_of_strategies(studied: Workspace) -> None:
    report = (studied.folder / "results/compare.md").read_text(encoding="utf-8")
    assert "| zero-shot |" in report
    assert "| hybrid |" in report
    assert "templated text" in report
    assert "One training: intervals do not include chance of training." in report
    contrasts = pl.read_csv(studied.folder / "results/contrasts.csv").filter(kind="setting")
    assert contrasts["outcome"].to_list() == ["one training"] * 3
    table = pl.read_csv(studied.folder / "results/compare.csv")
    assert table["strategy"].unique(maintain_order=True).to_list() == ARMS
    assert table["value"].is_between(0, 1).all()
    metrics = json.loads((studied.folder / "results/metrics/hybrid/0.json").read_text())
    assert set(metrics) == {"cldr-test"}
    assert set(metrics["cldr-test"]) == {"mono", "cross", "multi"}
    assert metrics == json.loads((studied.folder / "results/metrics.json").read_text())


def test_every_row_has_its_costs_beside_its_scores(studied: Workspace) -> None:
    costs = json.loads((studied.folder / "results/compare.json").read_text())["costs"]
    summary = json.loads((studied.folder / "results/training/hybrid/0/summary.json").read_text())
    tokens = {name: row["training tokens"] for name, row in costs.items()}
    assert tokens["zero-shot"] == tokens["bm25"] == 0
    assert tokens["hybrid"] == summary["query_tokens"] + summary["document_tokens"]
    assert tokens["merge"] == tokens["merge-centred"] == tokens["bm25-merge"] == tokens["hybrid"]
    documents = pl.read_parquet(studied.folder / "data/valid/cldr-test/corpus.parquet").height
    size = {name: row["cldr-test index"] for name, row in costs.items()}
    assert size["hybrid"] == size["merge-centred"] == documents * WIDTH * 4
    assert size["bm25-merge"] == size["bm25"] + size["merge-centred"]
    here = pl.read_csv(studied.folder / "results/timing/costs.csv")
    assert here["strategy"].to_list() == ARMS
    assert here.null_count().sum_horizontal().item() == 0
    took = {row["strategy"]: row for row in here.iter_rows(named=True)}
    milliseconds = {name: row["query_milliseconds"] for name, row in took.items()}
    both = milliseconds["bm25"] + milliseconds["merge"]
    assert milliseconds["bm25-merge"] == pytest.approx(both)
    assert took["bm25"]["training_seconds"] == 0 < took["hybrid"]["training_seconds"]


def test_means_of_the_scores_are_the_metrics(studied: Workspace) -> None:
    scores = pl.read_parquet(studied.folder / "results/scores/hybrid/0.parquet")
    metrics = json.loads((studied.folder / "results/metrics/hybrid/0.json").read_text())[
        "cldr-test"
    ]
    assert set(scores.columns) == {
        *("dataset", "setting", "query_lang", "doc_lang", "item_id", "measure", "score")
    }
    means = (
        scores.group_by("setting", "measure", "query_lang", "doc_lang")
        .agg(pl.col("score").mean(), pl.len())
        .sort("setting")
    )
    for setting in ("mono", "cross", "multi"):  # the pool, too: a language counts as any other
        part = means.filter(setting=setting, measure="AP")
        assert part.height == {"mono": 3, "cross": 6, "multi": 3}[setting]
        assert part["score"].mean() == pytest.approx(metrics[setting]["AP"], abs=1e-6)


def test_a_finished_study_is_kept_so_that_its_means_can_be_checked(
    studied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = studied.run(sys.executable, "-m", "polybatch.reports.kept_study", "docs/results/tiny")
    assert done.returncode == 0, done.stderr
    kept = studied.folder / "docs/results/tiny"
    for name, where in {"params.yaml": "", "versions.yaml": "", "compare.csv": "results/"}.items():
        assert (kept / name).read_bytes() == (studied.folder / where / name).read_bytes()
    commit = studied.run("git", "rev-parse", "HEAD").stdout.strip()
    about = json.loads((kept / "study.json").read_text())
    assert (about["commit"], about["code_edited"], about["seeds"]) == (commit, False, [0])
    table = pl.read_parquet(kept / "ap.parquet")
    scores = pl.read_parquet(studied.folder / "results/scores/hybrid/0.parquet")
    crossed = table.filter(setting="cross")  # some languages lack items, so each keeps its own
    both = crossed.join(scores.filter(measure="AP"), on=table.columns[:5], validate="1:1")
    assert both.height == crossed.height == scores.filter(measure="AP", setting="cross").height
    assert (both["hybrid/0"] - both["score"]).abs().max() < 1e-4
    metrics = json.loads((studied.folder / "results/metrics/hybrid/0.json").read_text())
    for setting in ("mono", "cross", "multi"):
        lists = table.filter(setting=setting).group_by("query_lang", "doc_lang")
        whole = metrics["cldr-test"][setting]["AP"]
        found = lists.agg(pl.col("hybrid/0").mean())["hybrid/0"].mean()
        assert found == pytest.approx(whole, abs=1e-4)
    monkeypatch.chdir(studied.folder)
    found = contrasts_again(Study(Path()), read_kept(Study(Path()), kept))
    written = pl.read_csv(studied.folder / "results/contrasts.csv").filter(kind="setting")
    assert found["outcome"].to_list() == written["outcome"].to_list()
    for column in ("difference", "low", "high"):
        assert (found[column] - written[column]).abs().max() < 1e-4
    whole = table.group_by([*table.columns[:3], "item_id"]).agg(pl.col(pl.Float32).mean())
    whole.write_parquet(kept / "ap.parquet")  # as it was kept before, over all document languages
    with pytest.raises(InputError, match=r"cross: .* as in compare.csv"):
        read_kept(Study(Path()), kept)
    shutil.rmtree(studied.folder / "docs")


def test_the_report_of_another_machine_has_the_same_bytes(again: Workspace) -> None:
    page, timing = again.folder / "results/report.html", again.folder / "results/timing"
    before, took = page.read_bytes(), timing / "train-hybrid-0.json"
    for fact in ("system", "processor", "memory"):
        assert environment()[fact].encode() not in before
    took.write_text(json.dumps(json.loads(took.read_text()) | {"seconds": 98765.4}))
    done = again.run("polybatch", "stage", "report")
    assert done.returncode == 0, done.stderr
    assert page.read_bytes() == before
    assert "| train-hybrid-0 | 98765.4 |" in (timing / "machine.md").read_text(encoding="utf-8")
    shutil.rmtree(timing)
    done = again.run("polybatch", "stage", "report")
    assert done.returncode == 0, done.stderr
    assert page.read_bytes() == before
    assert again.run("dvc", "status", "--json", "report").stdout.strip() == "{}"


def test_means_are_estimated_without_reading_what_is_evaluated(again: Workspace) -> None:
    """Other texts of the evaluation dataset, with the same vectors, give the same bytes."""
    path = again.folder / "data/valid/cldr-test/queries.parquet"
    before, kept = again.bytes_of("data/index/merge-centred"), path.read_bytes()
    try:
        queries = pl.read_parquet(path).with_columns(text=pl.lit("?"))
        path.unlink()  # its cache may be the same file
        queries.write_parquet(path)
        done = again.stage("centre", "--strategy", "merge-centred")
        assert done.returncode == 0, done.stderr
        assert again.bytes_of("data/index/merge-centred") == before
    finally:
        path.write_bytes(kept)


def test_a_killed_training_ends_with_the_same_bytes(again: Workspace) -> None:
    whole = again.bytes_of("models/hybrid/0")
    program = [sys.executable, "-u", "-m", "stages.train", "--strategy", "hybrid"]
    killed = subprocess.Popen(
        program, cwd=again.folder, env=environment_of(), stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout is not None
    for line in killed.stdout:
        if "step 3/6" in line:
            killed.send_signal(signal.SIGKILL)
            break
    killed.wait()
    assert again.bytes_of("models/hybrid/0") == whole  # the finished checkpoint was not touched
    shutil.rmtree(again.folder / "models/hybrid/0")
    done = again.stage("train", "--strategy", "hybrid")
    assert done.returncode == 0, done.stderr
    assert "resuming from checkpoint-" in done.stdout
    assert again.bytes_of("models/hybrid/0") == whole
    assert not list((again.folder / "models/.resume").glob("*"))


def test_a_terminal_gets_whole_lines_and_each_of_them_once(again: Workspace) -> None:
    real, warm = (sys.executable, "-m", "stages.train"), ("polybatch", "stage", "dapt")
    for stage, program in (
        ("train", [*real, "--strategy", "hybrid"]),
        ("dapt", [*warm, "--seed", "0"]),
    ):
        mine, theirs = pty.openpty()
        child = subprocess.Popen(
            program, cwd=again.folder, env=environment_of(), stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        told = b""
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while piece := os.read(mine, 4096):
                told += piece
        os.close(mine)
        assert child.wait() == 0, told
        lines = [line.strip() for line in told.decode().replace("\x1b[0m", "").split("\r\n")]
        assert not [line for line in lines if "\r" in line or "\x1b" in line], lines
        steps = [line for line in lines if "step " in line]
        assert len(steps) == {"train": 6, "dapt": 2}[stage]
        assert len({step.split(",")[0] for step in steps}) == len(steps)
        assert not [line for line in lines if line.startswith("{")]


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))


@pytest.mark.parametrize(
    ("stage", "arguments", "folder"),
    [
        ("download", ["--source", "cldr"], "data/raw"),
        ("base", [], "models"),
        ("train", ["--strategy", "hybrid"], "models"),
        ("index", ["--strategy", "hybrid"], "data/index"),
        ("evaluate", ["--strategy", "hybrid"], "results"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_and_leaves_what_was_there(
    again: Workspace, stage: str, arguments: list[str], folder: str
) -> None:
    before = again.bytes_of(folder)
    done = again.stage(stage, *arguments, preexec_fn=_small_files)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Free disk space" in done.stderr
    after = again.bytes_of(folder)
    shutil.rmtree(again.folder / "models/.resume", ignore_errors=True)
    assert {name: after[name] for name in before} == before
    assert not [name for name in after if name not in before and ".resume" not in name]


def test_a_pair_that_cannot_fill_a_batch_is_named_before_training(again: Workspace) -> None:
    plans = again.bytes_of("data/batches")
    again.params["batches"]["batch_pairs"] = 4096
    again.write()
    done = again.stage("batches", "--strategy", "hybrid")
    assert done.returncode == 1
    assert "4096" in done.stderr
    assert "batch_pairs" in done.stderr
    assert again.bytes_of("data/batches") == plans


def test_the_report_of_a_study_opens_in_a_browser_without_a_network(studied: Workspace) -> None:
    path = studied.folder / "results/report.html"
    with visit(path) as found:
        assert found.requests == [path.resolve().as_uri()]
        assert found.said == []
        told = found.page.inner_text("#main")
        assert "templated text" in told
        assert "dapt-mono" in found.page.inner_text("#score-table")
        assert found.page.locator("svg").count() >= 4
        assert found.page.locator("#q-list > li").count() == 20


def test_the_plots_of_dvc_open_without_a_network(studied: Workspace) -> None:
    done = studied.run("dvc", "plots", "show", "--out", "shown")
    assert done.returncode == 0, done.stderr
    with visit(studied.folder / "shown" / "index.html") as found:
        # Its own templates are of Vega-Lite 5, which Vega 6 draws with a warning.
        assert [said for said in found.said if "Vega v5" not in said] == []
        assert len(found.requests) == 1
        assert found.page.locator("canvas, svg").count() >= 5  # loss, adaptation, three heat maps
    shutil.rmtree(studied.folder / "shown")
