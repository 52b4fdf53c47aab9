"""What is left of stages that the study has no more: of a removed row, a source, another preset.

Stages depend on whole folders (data/raw, results/metrics): what is left in them would be hashed
too, and a clone of the same study, which never had it, would be out of date.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dvc.output import Output, loadd_from
from dvc.repo import Repo, lock_repo
from dvc.stage import PipelineStage

from polybatch.core.files import write_json

from .graph import locked_stages, read_graph, sort_lock
from .plan import Plan, opened, plan_of
from .repository import git

_REMOVED = Path(".dvc/tmp/leftovers.json")
"""Stage -> the outputs in DVC's cache that it had in dvc.lock when they were removed."""


def plan_without_leftovers(root: Path, strategies: Sequence[str]) -> tuple[Plan, list[str]]:
    """Return the plan once nothing is left of other stages, and what to say. Hold the lock."""
    plan = plan_of(root, strategies)
    returned = plan.graph.keys() & _read(root / _REMOVED).keys() - plan.before.keys()
    if not plan.gone and not returned:
        return plan, []
    lines = remove_leftovers(root)
    return plan_of(root, strategies), lines


def remove_leftovers(root: Path) -> list[str]:
    """Remove the outputs of stages that dvc.lock names and the graph has not; return what to say.

    Only what is in DVC's cache or in git is removed. Of a stage that is back, the outputs that it
    goes on from (`persist`: a source's files) come back from the cache: its run would fetch them.
    Call it in the study's folder, holding the lock.
    """
    assert root.samefile(Path.cwd()), "DVC names stages by where one stands"
    locked, removed = locked_stages(root), _read(root / _REMOVED)
    kept: dict[str, list[str]] = {}
    with opened(root) as repo, lock_repo(repo):
        graph = read_graph(repo)
        used = [
            Path(one.fs_path) for stage in repo.index.stages for one in (*stage.outs, *stage.deps)
        ]
        gone = {address: entry for address, entry in locked.items() if address not in graph}
        for address, entry in gone.items():
            outs = [out for out in _outs(repo, entry) if _is_left(Path(out.fs_path), used)]
            safe = [out for out in outs if _is_in_cache(out) or _is_in_git(root, out)]
            for out in safe:
                _remove(root, out)
            if lost := [str(out.def_path) for out in outs if out not in safe]:
                kept[address] = lost
        _bring_back(repo, {at: entry for at, entry in removed.items() if at not in locked})
    dropped = {at: {"outs": entry.get("outs", [])} for at, entry in gone.items() if at not in kept}
    if dropped:
        write_json(root / _REMOVED, removed | dropped)
        sort_lock(root, graph, without=dropped)
    return [*_dropped(dropped), *_kept(kept)]


def some(stages: Collection[str]) -> str:
    """Return names for a message, five at most.

    Example:
        >>> some(list("abcdefg"))
        'a, b, c, d, e and 2 more'
    """
    more = f" and {len(stages) - 5} more" if len(stages) > 5 else ""
    return ", ".join([*stages][:5]) + more


def _dropped(stages: Collection[str]) -> list[str]:
    words = f"removed the outputs of stages that the study has no more ({some(stages)}):"
    return [f"{words} DVC's cache or git holds them"] if stages else []


def _kept(kept: Mapping[str, list[str]]) -> list[str]:
    return [
        f"{', '.join(paths)} of {address}, a stage that the study has no more, stays: neither DVC's"
        " cache nor git has it as it is. Stages that depend on its folder differ from those of a"
        " clone until you move it away"
        for address, paths in kept.items()
    ]


def _outs(repo: Repo, entry: Mapping[str, Any]) -> list[Output]:
    """Return the outputs of an entry of dvc.lock, with the hashes that it has."""
    given = [dict(out) for out in entry.get("outs", [])]
    outs: list[Output] = loadd_from(PipelineStage(repo, "dvc.yaml"), given)
    return outs


def _is_left(path: Path, used: Collection[Path]) -> bool:
    """Return whether a path is there and no stage makes it, all of it or a part, or names it."""
    return path.exists() and not any(path == one or path in one.parents for one in used)


def _is_in_cache(out: Output) -> bool:
    return not out.changed_checksum() and not out.changed_cache()


def _is_in_git(root: Path, out: Output) -> bool:
    path = str(out.def_path)
    state = git(root, "status", "--porcelain", "--ignored", "--untracked-files=all", "--", path)
    return state == "" and bool(git(root, "ls-files", "--", path))


def _remove(root: Path, out: Output) -> None:
    """Remove an output and the folders that it leaves empty."""
    out.remove(ignore_remove=True)
    with suppress(OSError):  # the first that is not empty
        for folder in Path(out.fs_path).parents:
            if folder == root:
                break
            folder.rmdir()


def _bring_back(repo: Repo, removed: Mapping[str, Any]) -> None:
    for stage in repo.index.stages:
        lasting = {out.fs_path for out in stage.outs if out.persist and not out.exists}
        for out in _outs(repo, removed[stage.addressing]) if stage.addressing in removed else ():
            if out.fs_path in lasting and not out.changed_cache():
                out.checkout()


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
