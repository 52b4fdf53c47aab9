"""Files of one's own under DVC: added, linked, pulled on another machine, weights renewed."""

from __future__ import annotations

import copy
import os
import shutil
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.helpers.workspace import Workspace

ROOT = Path(__file__).parents[2]
WORDS = ("garden", "river", "letter", "winter", "market", "doctor", "window", "summer")
SUBJECTS = ("opening", "return", "payment", "delivery", "invoice", "account", "repair", "price")


def _faq() -> str:
    """Return sixty-four items in two languages, no two texts alike."""
    rows = ["item_id,lang,question,answer"]
    for number, (one, other) in enumerate((a, b) for a in WORDS for b in SUBJECTS):
        rows.append(
            f"{number},en,What is the {other} of the {one}?,The {other} of the {one} is here."
        )
        rows.append(f"{number},de,Was ist {other} für {one}?,Hier steht {other} für {one} genau.")
    return "\n".join(rows) + "\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A study of inputs/faq, and a second folder that nobody evaluates."""
    made = Workspace(tmp_path / "here")
    common = {"languages": ["de", "en"], "splits": ["all"]}
    made.params["sources"] = {
        "local": common | {"folder": "inputs/faq"},
        "local-docs": common | {"folder": "inputs/docs"},
    }
    whole = copy.deepcopy(common) | {"source": "local", "heldout_share": 0.25}
    made.params["datasets"] = {
        "faq-train": whole | {"use": "train", "part": "train"},
        "faq-test": whole | {"use": "evaluate", "part": "heldout"},
    }
    made.params["strategies"] = {"zero-shot": {"start": "base", "batches": "none"}}
    made.params["study"] |= {"focus": "zero-shot", "baseline": "zero-shot"}
    made.params["validation"] |= {"min_rows": 4, "min_identified": 0.0, "max_untranslated": 1.0}
    made.params["statistics"] |= {"contrasts": []}
    made.params |= {section: {} for section in ("merges", "centred", "lexical", "fusions")}
    del made.params["dapt"]
    for name in ("faq", "docs"):
        (made.folder / "inputs" / name).mkdir()
        (made.folder / "inputs" / name / "faq.csv").write_text(_faq(), encoding="utf-8")
    made.write()
    return made


def _ran(workspace: Workspace, *targets: str) -> set[str]:
    done = workspace.run("dvc", "repro", *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    return {line.split("'")[1] for line in done.stdout.splitlines() if "Running stage" in line}


def _stale(workspace: Workspace) -> set[str]:
    told = workspace.run("dvc", "status", "--json")
    assert told.returncode == 0, told.stderr
    return set(YAML(typ="safe").load(told.stdout) or {})


def test_own_files_travel_and_nothing_is_computed_again(
    workspace: Workspace, tmp_path: Path
) -> None:
    """Clone, pull and repro elsewhere; no section dapt; the folder added with `dvc add`."""
    added = workspace.run("dvc", "add", "inputs/faq", "inputs/docs")
    assert added.returncode == 0, added.stderr
    ran = _ran(workspace)
    assert {"download@local", "download@local-docs", "dapt@0", "report"} <= ran
    assert (workspace.folder / "models/start/dapt/0/NOTE.txt").is_file()
    remote = tmp_path / "remote"
    for command in (("remote", "add", "-d", "there", str(remote)), ("push", "-q")):
        done = workspace.run("dvc", *command)
        assert done.returncode == 0, done.stderr
    workspace.commit()
    tracked = workspace.run("git", "ls-files").stdout.splitlines()
    assert {"inputs/faq.dvc", "inputs/docs.dvc", "dvc.lock"} <= set(tracked)
    assert not [name for name in tracked if name.endswith(".csv") and "inputs" in name]
    clone = copy.copy(workspace)
    clone.folder = tmp_path / "elsewhere" / "clone"
    workspace.run("git", "clone", "-q", str(workspace.folder), str(clone.folder))
    pulled = clone.run("dvc", "pull", "-q")
    assert pulled.returncode == 0, pulled.stderr
    assert (clone.folder / "inputs/faq/faq.csv").read_text(encoding="utf-8") == _faq()
    assert _ran(clone) == set()
    assert _stale(clone) == set()


def test_a_source_depends_on_its_own_folder_alone(workspace: Workspace, tmp_path: Path) -> None:
    """Links to folders are followed; a change behind one is seen by DVC."""
    there = tmp_path / "there"
    shutil.move(workspace.folder / "inputs/docs", there)
    (workspace.folder / "inputs/docs").symlink_to(there)
    assert _ran(workspace, "download") >= {"download@local", "download@local-docs"}
    before = _stale(workspace)
    assert not {name for name in before if name.startswith("download")}
    with (there / "faq.csv").open("a", encoding="utf-8") as stream:
        stream.write("more,en,Is there more?,There is more.\n")
    assert _stale(workspace) - before == {"download@local-docs"}
    assert _ran(workspace, "download") == {"download@local-docs"}
    copied = workspace.folder / "data/raw/local-docs/files/faq.csv"
    assert "There is more." in copied.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["pipe", "nothing", "folder"])
def test_what_cannot_be_watched_or_read_is_refused_at_once(
    workspace: Workspace, tmp_path: Path, kind: str
) -> None:
    place = workspace.folder / "inputs/faq/x.csv"
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(tmp_path / "missing" if kind == "nothing" else tmp_path)
    says = {"pipe": "a pipe, socket or device", "nothing": "a link to nothing"}
    begun = time.monotonic()
    for command in (("stages.download", "--source", "local"), ("flows.check",)):
        done = workspace.run("python", "-m", *command)
        assert done.returncode == 1
        assert says.get(kind, "a link to a folder, behind which DVC sees no change") in done.stderr
        assert "inputs/faq/x.csv" in done.stderr
        assert "Traceback" not in done.stderr
    assert time.monotonic() - begun < 30


def test_new_weights_under_the_same_path_are_noticed(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    workspace.params["encoder"] |= {"name": str(folder), "folder": str(folder)}
    workspace.write()
    (folder / "model.safetensors").write_bytes(b"one")
    (workspace.folder / "models/start/base").mkdir(parents=True)  # as if it had run
    made = workspace.run("dvc", "commit", "--force", "base")
    assert made.returncode == 0, made.stderr
    assert "base" not in _stale(workspace)
    (folder / "model.safetensors").write_bytes(b"two")
    assert "base" in _stale(workspace)
    workspace.params["encoder"]["folder"] = "inputs/none"
    workspace.write()
    told = workspace.run("python", "-m", "flows.check").stdout
    assert "DVC does not see when its files change" in told


def test_a_source_without_a_folder_is_named_before_dvc_fails(workspace: Workspace) -> None:
    del workspace.params["sources"]["local-docs"]
    workspace.params["sources"]["xquad-r"] = {"languages": ["de"], "splits": ["test"]}
    workspace.write()
    done = workspace.run("python", "-m", "flows.check")
    assert done.returncode == 1
    assert "Add `folder: inputs/none` below sources.xquad-r" in done.stderr
