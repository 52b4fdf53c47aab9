"""The real stages on a tiny study: `dvc repro` and a flow of two workers write the same bytes.

Minutes, most of them imports: `make test-flows` runs it, `make test` skips it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.helpers.toy_flow import ENVIRONMENT, ROOT, sh

LANGS = ["en", "de", "sw"]
KEPT = ("zero-shot", "mono", "hybrid", "dapt-hybrid")


def tiny_study(folder: Path) -> Path:
    """Copy the repository's tracked files and make its study tiny."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    yaml, path = YAML(), folder / "params.yaml"
    params = yaml.load(path.read_text(encoding="utf-8"))
    params["sources"]["cldr"]["languages"] = list(LANGS)
    for dataset in params["datasets"].values():
        dataset["languages"] = list(LANGS)
    params["batches"] |= {"steps": 5, "batch_pairs": 8}
    params["training"] |= {"checkpoint_every": 5, "log_every": 1}
    params["dapt"] |= {"steps": 3}
    params["study"] |= {"threads": 1, "focus": "hybrid", "baseline": "mono"}
    for name in [name for name in params["strategies"] if name not in KEPT]:
        del params["strategies"][name]
    params["statistics"]["contrasts"] = ["hybrid - mono"]
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump(params, stream)
    sh(folder, "git", "init", "-q", "-b", "main")
    sh(folder, "git", "add", "--all")
    sh(folder, "git", "commit", "-qm", "begin")
    return folder


def outputs(root: Path) -> dict[tuple[str, str], str]:
    """Return the hash of every output of every stage, as DVC has it."""
    lock = YAML(typ="safe").load((root / "dvc.lock").read_text(encoding="utf-8"))
    return {
        (stage, out["path"]): out["md5"]
        for stage, entry in lock["stages"].items()
        for out in entry["outs"]
    }


@pytest.mark.skipif("POLYBATCH_SLOW" not in os.environ, reason="minutes; run `make test-flows`")
def test_a_parallel_flow_writes_what_dvc_repro_writes(tmp_path: Path) -> None:
    locks = {}
    for name, command in (
        ("repro", ["-m", "dvc", "repro"]),
        ("flow", ["-m", "flows.study", "--workers", "2", "--register"]),
    ):
        root = tiny_study(tmp_path / name)
        environment = ENVIRONMENT | {"PYTHONPATH": f"{root / 'src'}:{root}"}
        subprocess.run([sys.executable, *command], cwd=root, env=environment, check=True)
        locks[name] = outputs(root)
    assert locks["flow"] == locks["repro"]
    told = sh(tmp_path / "flow", "dvc", "metrics", "diff", "strategy/mono", "strategy/hybrid")
    assert "cldr-test.multi.AP" in told
