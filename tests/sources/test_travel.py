"""Artifacts travel: pushed from one clone, pulled in another, and nothing is computed again."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.toy_flow import make_toy, sh


def test_what_one_clone_pushed_another_does_not_compute(tmp_path: Path) -> None:
    root = make_toy(tmp_path)
    store, clone = tmp_path / "store", tmp_path / "clone"
    sh(root, "dvc", "remote", "add", "--default", "store", str(store))
    sh(root, "dvc", "repro")
    sh(root, "git", "add", "--all")
    sh(root, "git", "commit", "-qm", "results")
    sh(root, "dvc", "push", "--run-cache")
    (tmp_path / "times").unlink()
    sh(tmp_path, "git", "clone", "-q", str(root), str(clone))
    sh(clone, "dvc", "pull")
    told = sh(clone, "dvc", "repro")
    assert "Running stage" not in told
    assert not (tmp_path / "times").exists()
    assert sh(clone, "git", "status", "--porcelain") == ""
    for path in ("models/a.txt", "models/b.txt", "results/all.txt"):
        assert (clone / path).read_bytes() == (root / path).read_bytes()
