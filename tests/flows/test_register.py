"""Strategies as DVC revisions: what dvc itself then says, in a plain clone and after git gc."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from flows.register import main, register
from flows.workspace import notes
from polybatch.core.errors import InputError
from tests.helpers.toy_flow import make_toy, sh


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that has run."""
    root = make_toy(tmp_path_factory.mktemp("register"))
    write_results(root)
    sh(root, "git", "add", "--all")
    sh(root, "git", "commit", "-qm", "results")
    register(root)
    return root


def write_results(root: Path) -> None:
    """Write results by hand, so that the differences are known."""
    for name, score, loss in (("a", 0.25, 3), ("b", 0.75, 1)):
        files = {
            f"results/metrics/{name}/0.json": json.dumps({"toy": {"mono": {"AP": score}}}),
            f"results/training/{name}/0/plots/metrics/loss.tsv": f"step\tloss\n1\t{loss}\n",
            f"results/languages/{name}/0.csv": f"query_lang,doc_lang,AP\nsw,en,{score}\n",
        }
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)


def test_registering_changes_no_file_and_gives_the_same_commits_again(workspace: Path) -> None:
    assert sh(workspace, "git", "status", "--porcelain") == ""
    refs = sh(workspace, "git", "for-each-ref")
    assert refs.count("refs/exps/") == 2
    assert refs.count("refs/tags/strategy/") == 2
    register(workspace)
    assert sh(workspace, "git", "for-each-ref") == refs


def test_dvc_compares_strategies_by_tag_and_by_experiment(workspace: Path) -> None:
    for one, other in (("strategy/a", "strategy/b"), ("a", "b")):
        told = json.loads(sh(workspace, "dvc", "metrics", "diff", one, other, "--json"))
        assert told["results/metrics.json"]["toy.mono.AP"]["diff"] == 0.5
    params = json.loads(sh(workspace, "dvc", "params", "diff", "a", "b", "--json"))
    assert params["params.yaml"]["study.focus"] == {"old": "a", "new": "b"}
    shown = sh(workspace, "dvc", "exp", "show", "--csv")
    assert ",a," in shown
    assert ",b," in shown


def test_the_tags_survive_gc_and_a_plain_clone(workspace: Path, tmp_path: Path) -> None:
    sh(workspace, "git", "gc", "-q", "--prune=now")
    clone = tmp_path / "clone"
    sh(tmp_path, "git", "clone", "-q", str(workspace), str(clone))
    told = json.loads(sh(clone, "dvc", "metrics", "diff", "strategy/a", "strategy/b", "--json"))
    assert told["results/metrics.json"]["toy.mono.AP"]["diff"] == 0.5
    (page,) = sh(clone, "dvc", "plots", "diff", "strategy/a", "strategy/b").split()
    text = Path(page.removeprefix("file://")).read_text()
    assert "strategy/a" in text
    assert "strategy/b" in text
    register(clone)
    assert sh(clone, "git", "for-each-ref", "refs/exps").count("refs/exps/") == 2
    assert sh(clone, "git", "for-each-ref", "refs/tags") == sh(
        workspace, "git", "for-each-ref", "refs/tags"
    )


def test_a_new_commit_moves_the_experiments_along(workspace: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    sh(tmp_path, "git", "clone", "-q", str(workspace), str(clone))
    register(clone)
    sh(clone, "git", "commit", "--allow-empty", "-qm", "more")
    register(clone)
    refs = sh(clone, "git", "for-each-ref", "refs/exps").splitlines()
    head = sh(clone, "git", "rev-parse", "HEAD").strip()
    assert [line.split()[2] for line in refs] == [
        f"refs/exps/{head[:2]}/{head[2:]}/{name}" for name in "ab"
    ]


def test_what_cannot_be_registered_is_told_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_toy(tmp_path)
    with pytest.raises(InputError, match=r"0.json: found no such file.*dvc repro evaluate@a"):
        register(root)
    monkeypatch.chdir(root)
    assert main(["--strategy", "hybird"]) == 2
    assert "a strategy of params.yaml (a, b)" in capsys.readouterr().err
    sh(root, "git", "update-ref", "-d", "HEAD")
    with pytest.raises(InputError, match="without a commit"):
        register(root)


def test_without_a_name_in_git_and_without_a_branch_it_registers_all_the_same(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"
    sh(tmp_path, "git", "clone", "-q", str(workspace), str(clone))
    sh(clone, "git", "checkout", "-q", "--detach")
    sh(clone, "git", "config", "user.useConfigOnly", "true")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME", raising=False)
        monkeypatch.delenv(f"GIT_{role}_EMAIL", raising=False)
    register(clone)
    assert sh(clone, "git", "for-each-ref", "refs/exps").count("refs/exps/") == 2


def test_a_study_in_a_folder_of_a_repository_is_registered_there(tmp_path: Path) -> None:
    root = make_toy(tmp_path)
    write_results(root)
    shutil.rmtree(root / ".git")
    (tmp_path / "other").write_text("not of the study\n")
    for command in (["init", "-q"], ["add", "other", "toy"], ["commit", "-qm", "Begin"]):
        sh(tmp_path, "git", *command)
    register(root)
    ref = sh(root, "git", "for-each-ref", "--format=%(refname)", "refs/exps/**/b").strip()
    changed = sh(root, "git", "diff", "--name-only", "HEAD", ref).split()
    assert changed == ["toy/params.yaml", "toy/results/metrics.json"]
    held = sh(tmp_path, "git", "ls-tree", "-r", "--name-only", "strategy/b").split()
    assert "toy/results/metrics.json" in held
    assert all(path.startswith("toy/") for path in held)
    told = json.loads(sh(root, "dvc", "metrics", "diff", "strategy/a", "strategy/b", "--json"))
    assert told["results/metrics.json"]["toy.mono.AP"]["diff"] == 0.5
    (root / "results/metrics/a/0.json").write_text("{}")
    assert notes(root) == []  # results are no code
    (root / "train.sh").write_text("exit\n")
    (tmp_path / "other").write_text("edited, but not of the study\n")
    assert "uncommitted changes in train.sh: " in notes(root)[0]
