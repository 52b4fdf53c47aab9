"""What a run would do, before it does anything: `polybatch status`.

DVC says which stages changed and why; results/timing says what each took the last time here.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from polybatch.settings.config import Config
from polybatch.versions.record import kind_of

from .check import check_params, remarks
from .forecast import Forecast, seconds_before
from .graph import LOCK, read_graph
from .leftovers import some
from .plan import Plan, opened, plan_of
from .repository import check
from .workspace import holder


def status(root: Path) -> dict[str, Any]:
    """Return the state of every stage, in the graph's order, and what a run would take.

    While a run works here, DVC cannot say what changed: only what runs is known.

    Raises:
        InputError, InputErrorList: no workspace, mistakes in params.yaml, a folder that cannot be
            written, as DVC does to read.
    """
    check(root)
    config = check_params(root)
    if running := holder(root):
        return _while_running(root, config, running)
    plan = plan_of(root, [])
    known = seconds_before(root, plan.graph)
    forecast = Forecast(plan.graph, plan.to_run, known, config.study.workers)
    return {
        "study": config.study.name,
        "stages": [_row(plan, address, known.get(address)) for address in plan.graph],
        "to_run": len(plan.to_run),
        "seconds": round(forecast.left()) if forecast.seconds else None,
        "time": forecast.told() if forecast.seconds else None,
        "running": None,
        "remarks": [*_left(plan), *remarks(root, config)],
    }


def _while_running(root: Path, config: Config, running: str) -> dict[str, Any]:
    """Return the same of a study that is being run: which stages run, nothing of the others."""
    with opened(root) as repo:
        outs = {stage.addressing: stage.outs for stage in repo.index.stages}
        graph, used = read_graph(repo), _written(root)
    run = [address for address in graph if any(out.fs_path in used for out in outs[address])]
    nothing = {"why": None, "seconds_last_time": None}
    states = {address: "running" if address in run else "not known" for address in graph}
    return {
        "study": config.study.name,
        "stages": [{"stage": at, "state": state, **nothing} for at, state in states.items()],
        "to_run": None,
        "seconds": None,
        "time": None,
        "running": f"{running} ({', '.join(run)})" if run else running,
        "remarks": remarks(root, config),
    }


def _written(root: Path) -> Collection[str]:
    """Return the paths that DVC notes as being written now."""
    try:
        lock = json.loads((root / ".dvc" / "tmp" / "rwlock").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # DVC writes it at this moment
        return ()
    return dict(lock.get("write", {}))


def _left(plan: Plan) -> list[str]:
    removes = "a run removes what they made, and what depends on its folders may run too"
    words = f"{LOCK} has stages that the study has no more ({some(plan.gone)}): {removes}"
    return [words] if plan.gone else []


def status_text(found: dict[str, Any]) -> str:
    """Return what `status` found as lines to read: the sum, then one line per stage to run."""
    count, some = len(found["stages"]), found["to_run"]
    if some is None:
        running = f"now running here: {found['running']}; what is left is known when it ends"
        return "\n".join([f"{found['study']}: {running}", *found["remarks"]])
    time = f", {found['time']}" if some and found["time"] else ""
    lines = [f"{found['study']}: {some} of {count} stages would run{time}"]
    waiting = [row for row in found["stages"] if row["state"] == "would run"]
    lines += [f"  {row['stage']}: {row['why']}" for row in waiting]
    return "\n".join([*lines, *found["remarks"]])


def reruns(root: Path, stages: Collection[str]) -> list[str]:
    """Return what runs again where these stages do: they, and all that depends on them.

    `stages`: as in versions.yaml, `download.cldr` for one source.
    """
    found: dict[str, None] = {}
    with opened(root) as repo:
        for address, box in read_graph(repo).items():
            names = {box.stage, f"{box.stage}.{box.key}", f"{box.stage}.{kind_of(box.key)}"}
            if names & {*stages} or any(up in found for up in box.upstream):
                found[address] = None
    return list(found)


def _row(plan: Plan, address: str, seconds: float | None) -> dict[str, Any]:
    same = address in plan.unchanged
    after = [up for up in plan.graph[address].upstream if up not in plan.unchanged]
    why = plan.reasons.get(address) or f"after {', '.join(after)}"
    row = {"stage": address, "state": "up to date" if same else "would run"}
    return {**row, "why": None if same else why, "seconds_last_time": seconds}
