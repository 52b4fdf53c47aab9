"""What a run would do, before it does anything: `polybatch status`.

DVC says which stages changed and why; results/timing says what each took the last time here.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from polybatch.versions.record import kind_of

from .check import check_params, remarks
from .forecast import Forecast, seconds_before
from .graph import read_graph
from .plan import Plan, plan_of
from .repository import check
from .workspace import holder


def status(root: Path) -> dict[str, Any]:
    """Return the state of every stage, in the graph's order, and what a run would take.

    Raises:
        InputError, InputErrorList: no workspace, or mistakes in params.yaml.
    """
    check(root)
    config = check_params(root)
    plan = plan_of(root, [])
    known = seconds_before(root, plan.graph)
    forecast = Forecast(plan.graph, plan.to_run, known, config.study.workers)
    return {
        "study": config.study.name,
        "stages": [_row(plan, address, known.get(address)) for address in plan.graph],
        "to_run": len(plan.to_run),
        "seconds": round(forecast.left()) if forecast.seconds else None,
        "time": forecast.told() if forecast.seconds else None,
        "running": holder(root),
        "remarks": remarks(root, config),
    }


def status_text(found: dict[str, Any]) -> str:
    """Return what `status` found as lines to read: the sum, then one line per stage to run."""
    count, some = len(found["stages"]), found["to_run"]
    time = f", {found['time']}" if some and found["time"] else ""
    lines = [f"{found['study']}: {some} of {count} stages would run{time}"]
    lines += [f"now running here: {found['running']}"] if found["running"] else []
    waiting = [row for row in found["stages"] if row["state"] == "would run"]
    lines += [f"  {row['stage']}: {row['why']}" for row in waiting]
    return "\n".join([*lines, *found["remarks"]])


def reruns(root: Path, stages: Collection[str]) -> list[str]:
    """Return what runs again where these stages do: they, and all that depends on them.

    `stages`: as in versions.yaml, `download.cldr` for one source.
    """
    found: dict[str, None] = {}
    with Repo(str(root)) as repo:
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
