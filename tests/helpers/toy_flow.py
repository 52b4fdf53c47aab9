"""A workspace with a toy dvc.yaml: real DVC and git, stages of one shell line, real params."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    "DVC_NO_ANALYTICS": "1",
    "GIT_AUTHOR_NAME": "t",
    "GIT_AUTHOR_EMAIL": "t@example.org",
    "GIT_COMMITTER_NAME": "t",
    "GIT_COMMITTER_EMAIL": "t@example.org",
}
GRAPH = """
stages:
  download:
    cmd: sh fetch.sh
    meta: {network: true}
    deps: [fetch.sh]
    outs: [raw.txt]
  train:
    foreach: ${strategies}
    do:
      meta: {scale: true}
      cmd: sh train.sh ${key}
      deps: [raw.txt, train.sh]
      params: ["strategies.${key}"]
      outs: ["models/${key}.txt"]
  evaluate:
    foreach: ${strategies}
    do:
      meta: {scale: true}
      cmd: sh evaluate.sh ${key}
      deps: ["models/${key}.txt", evaluate.sh]
      metrics:
        - results/metrics/${key}/0.json: {cache: false}
  compare:
    cmd:
      - cat results/metrics/*/0.json > results/all.txt
      - cp results/metrics/${study.focus}/0.json results/metrics.json
    deps: [results/metrics]
    outs: [results/all.txt]
    metrics:
      - results/metrics.json: {cache: false}
"""
TRAIN = 'echo begin $1 $(date +%s.%N) >> ../times\necho "train $1: step 1/2, loss 1"\nsleep 0.1\n'
TRAIN += "mkdir -p models; cat raw.txt > models/.$1.partial; echo $1 >> models/.$1.partial\n"
TRAIN += "mv models/.$1.partial models/$1.txt\necho end $1 $(date +%s.%N) >> ../times\n"
EVALUATE = """mkdir -p results/metrics/$1
printf '{"toy": {"mono": {"AP": 0.%s}}}' $(wc -c < models/$1.txt) > results/metrics/.$1
mv results/metrics/.$1 results/metrics/$1/0.json
"""


def sh(folder: Path, *command: str, code: int | None = 0) -> str:
    """Run a command in the workspace and return stdout and stderr together."""
    answer = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert code is None or answer.returncode == code, answer.stdout
    return answer.stdout


def toy_params(strategies: tuple[str, ...]) -> str:
    """Return the study's own params with only some strategies and nothing to wait for."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    head, _, tail = text.partition("\nstrategies:\n")
    entries = "".join(f"  {name}:\n    start: base\n    batches: mono\n" for name in strategies)
    entries += "merges: {}\ncentred: {}\nlexical: {}\nfusions: {}\nexternal: {}\n"
    rest = tail[tail.index("\n# How flows") :]
    head = re.sub(r"(contrasts:) .*\n(    - .*\n)+", r"\1 []\n", head)
    text = f"{head}\nstrategies:\n{entries}{rest}"
    for key, value in (
        ("baseline", strategies[0]),
        ("focus", strategies[-1]),
        ("retry_seconds", 0),
    ):
        lines = [
            f"{line[: len(line) - len(line.lstrip())]}{key}: {value}"
            if line.strip().startswith(f"{key}:")
            else line
            for line in text.splitlines()
        ]
        text = "\n".join(lines) + "\n"
    return text


def make_toy(folder: Path, strategies: tuple[str, ...] = ("a", "b")) -> Path:
    """Make a committed workspace whose study takes seconds."""
    root = folder / "toy"
    shutil.copytree(_made(strategies), root)
    return root


@cache
def _made(strategies: tuple[str, ...]) -> Path:
    """Return such a workspace, to be copied: git and DVC begin once a test process."""
    root = Path(tempfile.mkdtemp(prefix="toy-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    (root / "dvc.yaml").write_text(GRAPH)
    (root / "params.yaml").write_text(toy_params(strategies))
    (root / "fetch.sh").write_text("echo facts > raw.txt\n")
    (root / "train.sh").write_text(TRAIN)
    (root / "evaluate.sh").write_text(EVALUATE)
    (root / ".gitignore").write_text("/models\n/raw.txt\n")
    sh(root, "git", "init", "-q", "-b", "main")
    sh(root, "dvc", "init", "-q")
    shutil.copytree(ROOT / ".dvc" / "plots", root / ".dvc" / "plots", dirs_exist_ok=True)
    sh(root, "git", "add", "--all")
    sh(root, "git", "commit", "-qm", "begin")
    return root
