"""What a study that cannot run says, and what it leaves: the real stages, in a fresh copy."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.workspace import ROOT, Workspace


@pytest.fixture
def fresh(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def _typo(workspace: Workspace) -> None:
    workspace.params["training"]["lerning_rate"] = workspace.params["training"].pop("learning_rate")
    workspace.params["strategies"]["hybrid"]["batches"] = "hybird"


def _missing_language(workspace: Workspace) -> None:
    workspace.params["sources"]["cldr"]["languages"] = ["de", "en", "sw", "fr"]


def _no_network(workspace: Workspace) -> None:
    workspace.params["sources"]["xquad-r"] = {"languages": ["de"], "splits": ["test"]}


@pytest.mark.parametrize(
    ("change", "source", "says"),
    [
        (_typo, "cldr", ["lerning_rate", "learning_rate", "hybird", "params.yaml:"]),
        (_missing_language, "cldr", ["sources.cldr.languages", "found fr", "Remove"]),
        (
            _no_network,
            "xquad-r",
            ["POLYBATCH_MIRROR", "no connection", "lareqa/LICENSE", "run again"],
        ),
        (lambda workspace: None, "mlqa", ["--source", "'mlqa'", "one of cldr"]),
    ],
)
def test_a_mistake_ends_with_its_cure(
    fresh: Workspace, change: Callable[[Workspace], None], source: str, says: list[str]
) -> None:
    change(fresh)
    fresh.write()
    nowhere = "http://127.0.0.1:9"
    done = fresh.stage(
        "download", "--source", source, env={"HTTPS_PROXY": nowhere, "https_proxy": nowhere}
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for words in says:
        assert words in done.stderr, done.stderr
    assert not [path for path in fresh.folder.glob("data/raw/*") if path.name != ".resume"]


def test_a_mirror_without_the_file_or_with_another_is_named(
    fresh: Workspace, tmp_path: Path
) -> None:
    _no_network(fresh)
    fresh.write()
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    where = {"POLYBATCH_MIRROR": str(mirror)}
    done = fresh.stage("download", "--source", "xquad-r", env=where)
    assert done.returncode == 1
    path = mirror / "lareqa/LICENSE"
    assert str(path) in done.stderr, done.stderr
    path.parent.mkdir(parents=True)
    path.write_text("not a licence", encoding="utf-8")
    done = fresh.stage("download", "--source", "xquad-r", env=where)
    assert done.returncode == 1
    assert "bytes" in done.stderr
    assert not (fresh.folder / "data/raw/xquad-r").exists()


def test_a_failed_stage_stops_dvc_and_the_next_run_goes_on(fresh: Workspace) -> None:
    fresh.params["batches"]["batch_pairs"] = 4096
    fresh.write()
    failed = fresh.run("dvc", "repro", "batches@hybrid-0")
    assert failed.returncode != 0
    assert "4096" in failed.stdout + failed.stderr
    fresh.params["batches"]["batch_pairs"] = 8
    fresh.write()
    begun = time.monotonic()
    done = fresh.run("dvc", "repro", "batches@hybrid-0")
    assert done.returncode == 0, done.stderr
    assert "Running stage 'batches@hybrid-0'" in done.stdout
    assert "Running stage 'validate'" not in done.stdout
    assert time.monotonic() > begun


def test_a_preset_replaces_params_and_loses_nothing(fresh: Workspace) -> None:
    fresh.params["study"]["seeds"] = [7]
    fresh.write()
    edited = (fresh.folder / "params.yaml").read_bytes()
    refused = fresh.run(sys.executable, "-m", "flows.preset", "xquad-r")
    assert refused.returncode == 1
    assert "saved nowhere else" in refused.stderr
    assert (fresh.folder / "params.yaml").read_bytes() == edited
    fresh.commit()
    done = fresh.run(sys.executable, "-m", "flows.preset", "xquad-r")
    assert done.returncode == 0, done.stderr
    whole = (ROOT / "tests/golden/presets/xquad-r.yaml").read_bytes()
    assert (fresh.folder / "params.yaml").read_bytes() == whole
    unknown = fresh.run(sys.executable, "-m", "flows.preset", "xquad")
    assert unknown.returncode == 1
    assert "xquad-r" in unknown.stderr
