"""A copy of the repository with a small study, for the real stages under the real DVC.

Its encoder is a tiny transformer of random weights. The packaged one takes 262 MB in every stage:
tests/versions runs each stage with it, in one process.
"""

from __future__ import annotations

import atexit
import copy
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

from polybatch.versions.kept_digests import DIGESTS, kept_digests
from tests.helpers.warm import program_folder

ROOT = Path(__file__).parents[2]
ENCODER, WIDTH = "encoders/tiny", 32
LANGUAGES = ["de", "en", "sw"]
PARAMS = {
    "study": {
        "name": "tiny",
        "seeds": [0],
        "workers": 1,
        "threads": 1,
        "baseline": "zero-shot",
        "focus": "hybrid",
    },
    "batches": {
        "steps": 6,
        "batch_pairs": 8,
        "size_exponent": 1.0,
        "match_budget": False,
        "exposure": "item",
    },
    "statistics": {
        "contrasts": ["hybrid - zero-shot"],
        "smallest_difference": 0.5,
        "resamples": 1000,
        "confidence": 0.95,
    },
    "strategies": {
        "zero-shot": {"start": "base", "batches": "none"},
        "hybrid": {"start": "base", "batches": "hybrid", "cross_ratio": 0.5},
        "dapt-mono": {"start": "dapt", "batches": "mono"},
    },
    "merges": {"merge": {"first": "zero-shot", "second": "hybrid", "weight": 0.5}},
    "centred": {"merge-centred": {"of": "merge", "means": "language"}},
    "lexical": {"bm25": {"k1": 0.9, "b": 0.4}},
    "fusions": {"bm25-merge": {"first": "bm25", "second": "merge-centred", "constant": 60}},
    "external": {},
}
ARMS = [*PARAMS["strategies"], "merge", "merge-centred", "bm25", "bm25-merge"]


def environment_of(**more: str) -> dict[str, str]:
    keep = {name: value for name, value in os.environ.items() if name != "POLYBATCH_MIRROR"}
    folders = (program_folder(), str(Path(sys.executable).parent), keep["PATH"])
    return keep | {
        "PATH": os.pathsep.join(folders),
        "PYTHONPATH": "src",
        "DVC_NO_ANALYTICS": "1",
        "HF_HUB_OFFLINE": "1",
        **more,
    }


@cache
def _encoder() -> Path:
    """Save the encoder, with pieces of the words that the study's texts are made of."""
    from tests.helpers.small_encoders import xlm_roberta

    folder = Path(tempfile.mkdtemp(prefix="encoder-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    templates = ROOT / "src/polybatch/sources/cldr_templates"
    return xlm_roberta(
        folder, [(templates / f"{lang}.yaml").read_text("utf-8") for lang in LANGUAGES]
    )


class Workspace:
    """A copy of the repository with a small study."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        for name in ("src", "stages", "flows"):
            (folder / name).symlink_to(ROOT / name)
        for name in ("presets", ".dvc", "inputs"):
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("cache", "tmp", "*.local")
            )
        files = ("dvc.yaml", "versions.yaml", "tuned.yaml", "params.yaml")
        for name in (*files, ".dvcignore", ".gitignore"):
            shutil.copy(ROOT / name, folder / name)
        shutil.copytree(_encoder(), folder / ENCODER)
        kept_digests(ROOT / DIGESTS)  # of code that is linked: found once for all workspaces
        (folder / DIGESTS).parent.mkdir()
        shutil.copy(ROOT / DIGESTS, folder / DIGESTS)
        self.run("git", "init", "-q", ".")
        self.params = YAML(typ="safe").load((ROOT / "params.yaml").read_text("utf-8"))
        self.params |= copy.deepcopy(PARAMS)
        self.params["encoder"] |= {"name": ENCODER, "folder": ENCODER, "pooling": "mean"}
        self.params["encoder"] |= {"query_length": 24, "document_length": 48}
        for part in (*self.params["sources"].values(), *self.params["datasets"].values()):
            part["languages"] = LANGUAGES
        self.params["training"] |= {"checkpoint_every": 1, "log_every": 1}
        self.params["dapt"] |= {"steps": 2, "checkpoint_every": 1, "log_every": 1, "max_length": 48}
        self.write()
        self.commit()

    @classmethod
    def at(cls, folder: Path) -> Workspace:
        """Return the workspace that a folder, a copy of one, is."""
        found = cls.__new__(cls)
        found.folder = folder
        found.params = YAML(typ="safe").load((folder / "params.yaml").read_text("utf-8"))
        return found

    def commit(self) -> None:
        self.run("git", "add", ".")
        self.run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "as it is")

    def write(self) -> None:
        with (self.folder / "params.yaml").open("w", encoding="utf-8") as file:
            YAML().dump(self.params, file)

    def run(self, *command: str, **more: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            command,
            cwd=self.folder,
            env=environment_of(**more.pop("env", {})),  # type: ignore[arg-type]
            capture_output=True,
            text=True,
            check=False,
            **more,
        )

    def stage(self, name: str, *arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
        return self.run("polybatch", "stage", name, *arguments, **more)

    def bytes_of(self, folder: str) -> dict[str, str]:
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((self.folder / folder).rglob("*"))
            if path.is_file() and path.name != ".gitignore"
        }
