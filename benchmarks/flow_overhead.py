"""What a flow costs over `dvc repro`, and what a second worker brings, on params.yaml's study.

Copies the repository, runs the whole study with plain DVC, as a flow of one worker, as a flow of
two workers with the same threads a process, and as a flow with nothing to do. Prints seconds of
the wall clock and of the processors, and whether the outputs are the same bytes.

    python benchmarks/flow_overhead.py [--strategies zero-shot mono hybrid dapt-hybrid] [--tiny]

The wall clock means something on an idle machine only; processor seconds bear a busy one better.

`--strategies`: these of the study, at full size; all without it.
`--tiny` (3 languages, 3 strategies, 5 steps) is mostly imports: a bound from above on the overhead.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]


def workspace(folder: Path, threads: int, tiny: bool, kept: Sequence[str]) -> Path:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    yaml, path = YAML(), folder / "params.yaml"
    params = yaml.load(path.read_text(encoding="utf-8"))
    params["study"]["threads"] = threads
    for name in [name for name in params["strategies"] if name not in kept] if kept else []:
        del params["strategies"][name]
    if tiny:
        shrink(params)
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump(params, stream)
    for command in (["init", "-q"], ["add", "--all"], ["commit", "-qm", "begin"]):
        subprocess.run(
            ["git", "-c", "user.name=b", "-c", "user.email=b@example.org", *command],
            cwd=folder, check=True,
        )  # fmt: skip
    return folder


def shrink(params: Any) -> None:
    params["sources"]["cldr"]["languages"] = ["en", "de", "sw"]
    for dataset in params["datasets"].values():
        dataset["languages"] = ["en", "de", "sw"]
    params["batches"] |= {"steps": 5, "batch_pairs": 8}
    params["training"] |= {"checkpoint_every": 5, "log_every": 1}
    params["study"] |= {"baseline": "mono", "focus": "hybrid"}
    for name in [name for name in params["strategies"] if name not in ("mono", "hybrid", "x-y")]:
        del params["strategies"][name]


def timed(root: Path, *arguments: str) -> tuple[float, float]:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}",
        "PREFECT_HOME": str(root.parent / "prefect"),
        "DVC_NO_ANALYTICS": "1",
        "DO_NOT_TRACK": "1",
    }
    used, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    answer = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=root, env=environment, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    wall, now = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if answer.returncode:
        sys.exit(answer.stdout[-3000:])
    return wall, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime


def outputs(root: Path) -> list[str]:
    text = (root / "dvc.lock").read_text(encoding="utf-8")
    stages = YAML(typ="safe").load(text)["stages"]
    return sorted(
        f"{out['path']} {out['md5']}"
        for stage in stages.values()
        for out in stage["outs"]
        if not re.search("training|adaptation|report", out["path"])  # these tell seconds
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--strategies", nargs="*", default=[])
    arguments = parser.parse_args()
    tiny = arguments.tiny
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; seconds: wall, processors")
    seen: dict[str, tuple[float, float, list[str]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for title, threads, command in (
            ("dvc repro, 2 threads", 2, ["dvc", "repro"]),
            ("dvc repro, 1 thread", 1, ["dvc", "repro"]),
            ("flow, 1 worker x 1 thread", 1, ["flows.study", "--workers", "1"]),
            ("flow, 2 workers x 1 thread", 1, ["flows.study", "--workers", "2"]),
        ):
            root = workspace(
                Path(name) / re.sub(r"\W+", "-", title), threads, tiny, arguments.strategies
            )
            wall, used = timed(root, *command)
            seen[title] = (wall, used, outputs(root))
            print(f"{title:30} {wall:8.1f} {used:8.1f}", flush=True)
        wall, used = timed(root, "flows.study")
        print(f"{'flow, nothing to do':30} {wall:8.1f} {used:8.1f}")
    plain, one, two = (seen[title] for title in list(seen)[1:])
    print(f"flow over dvc repro: wall {one[0] / plain[0]:.2f}, processors {one[1] / plain[1]:.2f}")
    print(f"two workers: {one[0] / two[0]:.2f} times as fast as one")
    best = seen["dvc repro, 2 threads"][0]
    print(f"two workers x 1 thread: {best / two[0]:.2f} times as fast as dvc repro with 2 threads")
    print(f"same bytes, 1 thread: {plain[2] == one[2] == two[2]}")


if __name__ == "__main__":
    main()
