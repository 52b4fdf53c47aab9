"""The graph as DVC reads it from dvc.yaml, and what changed since dvc.lock was written.

python -m flows.graph      # draws the graph as mermaid, for documents
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from polybatch.core.errors import InputError
from polybatch.core.files import write_text

from .scores import strategy_of

LOCK = "dvc.lock"


@dataclass(frozen=True)
class Box:
    """A stage of the graph: `address` is `train@hybrid`, `key` what stands behind the @.

    `network`: dvc.yaml marks it with `meta: {network: true}`, so it may be tried again; `scale`:
    with `meta: {scale: true}`, so it may run elsewhere.
    """

    address: str
    upstream: tuple[str, ...]
    network: bool
    scale: bool = False

    @property
    def stage(self) -> str:
        """Return the stage's program, `evaluate` also of `evaluate-lexical@bm25-0`."""
        return self.address.partition("@")[0].partition("-")[0]

    @property
    def key(self) -> str:
        """Return the strategy or source that the stage works on, or nothing."""
        return self.address.partition("@")[2]


Graph = dict[str, Box]


def read_graph(repo: Repo) -> Graph:
    """Return every stage, each after all that it depends on, otherwise in dvc.yaml's order."""
    boxes = {}
    for stage in repo.index.stages:
        upstream = sorted(other.addressing for other in repo.index.graph.successors(stage))
        marks = [bool((stage.meta or {}).get(mark)) for mark in ("network", "scale")]
        boxes[stage.addressing] = Box(stage.addressing, tuple(upstream), *marks)
    return in_order(boxes)


def in_order(boxes: Graph) -> Graph:
    """Return the boxes sorted so that each comes after all that it depends on.

    Example:
        >>> graph = {"b": Box("b", ("a",), False), "a": Box("a", (), False)}
        >>> list(in_order(graph))
        ['a', 'b']
    """
    ordered: Graph = {}

    def add(address: str) -> None:
        if address not in ordered:
            for upstream in boxes[address].upstream:
                add(upstream)
            ordered[address] = boxes[address]

    for address in boxes:
        add(address)
    return ordered


def choose(graph: Graph, strategies: Iterable[str]) -> Graph:
    """Return the stages of these strategies and all that they need; everything if none is named.

    Raises:
        InputError: no stage works on a name.
    """
    names = list(strategies)
    keys = sorted({box.key for box in graph.values() if box.key})
    if unknown := [name for name in names if not any(strategy_of(key, [name]) for key in keys)]:
        raise InputError(
            "--strategy",
            ", ".join(unknown),
            f"names that dvc.yaml runs stages for ({', '.join(keys)})",
            "Add it to params.yaml, or choose one of these",
        )
    if not names:
        return graph
    wanted: set[str] = set()

    def add(address: str) -> None:
        if address not in wanted:
            wanted.add(address)
            for upstream in graph[address].upstream:
                add(upstream)

    for box in graph.values():
        if strategy_of(box.key, names):
            add(box.address)
    return {address: box for address, box in graph.items() if address in wanted}


def unchanged(graph: Graph, status: Mapping[str, Any]) -> set[str]:
    """Return the stages that DVC would not run: clean, and so is all that they depend on.

    Example:
        >>> graph = {"a": Box("a", (), False), "b": Box("b", ("a",), False)}
        >>> sorted(unchanged(graph, {"a": ["changed command"]}))
        []
    """
    clean: set[str] = set()
    for address, box in graph.items():
        if address not in status and clean.issuperset(box.upstream):
            clean.add(address)
    return clean


def ready(graph: Graph, begun: Collection[str], ended: Collection[str], workers: int) -> list[str]:
    """Return the stages that may begin now: not begun, all upstream ended, a worker each.

    One that would run beside another seed of its own comes after all others: what a seed made may
    be just what the next one needs, which takes it once it is there.

    Example:
        >>> graph = {name: Box(name, (), False) for name in ("index@a-0", "index@a-1", "index@b-0")}
        >>> ready(graph, [], [], 2), ready(graph, ["index@a-0", "index@b-0"], ["index@b-0"], 2)
        (['index@a-0', 'index@b-0'], ['index@a-1'])
    """
    running = {_without_seed(address) for address in begun if address not in ended}
    can = [
        box.address
        for box in graph.values()
        if box.address not in begun and all(up in ended for up in box.upstream if up in graph)
    ]
    chosen: list[str] = []
    for _ in range(min(len(can), workers - (len(begun) - len(ended)))):
        chosen.append(min(can, key=lambda address: _without_seed(address) in running))
        can.remove(chosen[-1])
        running.add(_without_seed(chosen[-1]))
    return chosen


def _without_seed(address: str) -> str:
    name, _, seed = address.rpartition("-")
    return name if seed.isdigit() else address


def sort_lock(root: Path, graph: Graph, without: Collection[str] = ()) -> None:
    """Put dvc.lock's entries in the graph's order, each as it is: DVC adds them as stages end.

    Entries of stages that are not in the graph follow, in the order that they have; those of
    `without` are left out.
    """
    path = root / LOCK
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    head, *entries = re.split(r"^(?=  [^ \n].*:\n)", text, flags=re.MULTILINE)
    names = [entry.partition(":\n")[0].strip().strip("'\"") for entry in entries]
    if not head.endswith("stages:\n") or set(names) != set(locked_stages(root)):
        return  # not as DVC writes it: left as it is
    place = {address: number for number, address in enumerate(graph)}
    order = sorted(range(len(names)), key=lambda n: place.get(names[n], len(place)))
    order = [n for n in order if names[n] not in without]
    if not order and without:
        path.unlink()
    elif order != list(range(len(names))):
        write_text(path, head + "".join(entries[n] for n in order))


def reasons(status: Any) -> str:
    """Say in one line what `dvc status --json` found for a stage.

    Example:
        >>> reasons([{"changed deps": {"data/a": "modified"}}, "changed command"])
        'changed deps: data/a (modified); changed command'
    """
    parts = []
    for entry in status:
        if isinstance(entry, str):
            parts.append(entry)
            continue
        for kind, found in entry.items():
            parts.append(f"{kind}: {', '.join(_reason(*item) for item in _flat(found))}")
    return "; ".join(parts)


def _flat(found: Any) -> Iterable[tuple[str, str]]:
    for name, state in found.items():
        if isinstance(state, Mapping):  # a params file: {key: state}
            yield from ((str(key), str(value)) for key, value in state.items())
        else:
            yield str(name), str(state)


def _reason(name: str, state: str) -> str:
    return f"{name} ({state})"


def locked_stages(root: Path) -> dict[str, Any]:
    """Return what dvc.lock says of each stage; nothing if there is none, or it is broken."""
    path = root / LOCK
    try:
        lock = YAML(typ="safe").load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (YAMLError, UnicodeDecodeError):
        return {}
    stages = lock.get("stages") if isinstance(lock, dict) else None
    return dict(stages) if isinstance(stages, dict) else {}


def lock_changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Say what differs between a stage's entries in two dvc.lock files.

    Example:
        >>> old = {"deps": [{"path": "a", "md5": "1"}], "params": {"p.yaml": {"lr": 0.1}}}
        >>> new = {"deps": [{"path": "a", "md5": "2"}], "params": {"p.yaml": {"lr": 0.2}}}
        >>> lock_changes(old, new)
        'a; lr 0.1 -> 0.2'
    """
    if not before:
        return "never run before"
    after = after or {}
    parts = ["the command"] if before.get("cmd") != after.get("cmd") else []
    old, new = (_hashes(entry, "deps") for entry in (before, after))
    parts += sorted(path for path in old | new if old.get(path) != new.get(path))
    old, new = (_params(entry) for entry in (before, after))
    parts += [
        f"{key} {old.get(key)} -> {new.get(key)}"
        for key in sorted(old | new)
        if old.get(key) != new.get(key)
    ]
    return "; ".join(parts) or "its outputs were missing or altered"


def _hashes(entry: Mapping[str, Any], what: str) -> dict[str, Any]:
    return {item["path"]: item.get("md5") for item in entry.get(what, [])}


def _params(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for file in entry.get("params", {}).values() for key, value in file.items()}


def mermaid(graph: Graph) -> str:
    """Draw the graph with one box per stage of dvc.yaml (not per strategy), as mermaid.

    Example:
        >>> print(mermaid({"a@x": Box("a@x", (), False), "b@x": Box("b@x", ("a@x",), False)}))
        flowchart LR
            a["a @each"] --> b["b @each"]
    """
    titles = {
        box.stage: f'{box.stage}["{box.stage} @each"]' if box.key else box.stage
        for box in graph.values()
    }
    edges = {
        (graph[upstream].stage, box.stage): None
        for box in graph.values()
        for upstream in box.upstream
    }
    lines = [f"    {titles[one]} --> {titles[other]}" for one, other in sorted(edges)]
    return "\n".join(["flowchart LR", *lines])


if __name__ == "__main__":
    with Repo(".") as _repo:
        print(mermaid(read_graph(_repo)))
