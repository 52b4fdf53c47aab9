"""What a removed row left: the study is as one that never had the row, and nothing is lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flows.graph import locked_stages, sort_lock
from flows.leftovers import plan_without_leftovers
from flows.status import status
from tests.helpers.toy_flow import make_toy, sh, toy_params


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a study that ran with a row more than it has now, whose training goes on."""
    root = make_toy(tmp_path, ("a", "b", "c"))
    monkeypatch.chdir(root)
    graph, out = (root / "dvc.yaml").read_text(), "models/${key}.txt"
    lasting = graph.replace(f'outs: ["{out}"]', f"outs:\n        - {out}: {{persist: true}}")
    (root / "dvc.yaml").write_text(lasting)
    sh(root, "dvc", "repro")
    (root / "params.yaml").write_text(toy_params(("a", "b")))
    return root


def test_a_study_without_a_row_is_one_that_never_had_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_toy(tmp_path / "other", ("a", "b"))
    (other / "dvc.yaml").write_text((root / "dvc.yaml").read_text())
    sh(other, "dvc", "repro")
    (remark,) = (line for line in status(root)["remarks"] if "no more" in line)
    assert "(train@c, evaluate@c)" in remark
    told = sh(root, sys.executable, "-m", "flows.repro", "--workers", "2")
    assert told.count("removed the outputs of stages that the study has no more (train@c") == 1
    assert told.count("Running stage") == 1  # compare, which no longer reads the row
    assert not (root / "results/metrics/c").exists()
    monkeypatch.chdir(other)
    sort_lock(other, plan_without_leftovers(other, [])[0].graph)
    assert (root / "dvc.lock").read_bytes() == (other / "dvc.lock").read_bytes()


def test_a_row_that_comes_back_has_its_files_again(root: Path) -> None:
    before = (root / "models/c.txt").read_bytes()
    plan_without_leftovers(root, [])
    assert not (root / "models/c.txt").exists()
    (root / "params.yaml").write_text(toy_params(("a", "b", "c")))
    plan, _ = plan_without_leftovers(root, [])
    assert (root / "models/c.txt").read_bytes() == before
    assert plan.gone == []


def test_what_nobody_else_has_stays_and_is_named(root: Path) -> None:
    path = root / "results/metrics/c/0.json"
    path.write_text("{}")
    plan, (dropped, kept) = plan_without_leftovers(root, ["a"])
    assert "(train@c)" in dropped
    assert kept.startswith("results/metrics/c/0.json of evaluate@c")
    assert path.read_text() == "{}"
    assert not (root / "models/c.txt").exists()
    assert (root / "models/b.txt").exists()  # not chosen, and still in the study
    assert [*plan.graph] == ["download", "train@a", "evaluate@a"]
    assert "evaluate@c" in locked_stages(root)
    sh(root, "git", "add", "-f", str(path))
    sh(root, "git", "commit", "-qm", "keep")
    assert "(evaluate@c)" in plan_without_leftovers(root, ["a"])[1][0]
    assert not path.exists()
