"""docs/orchestration.md shows the graph that dvc.yaml has, and names commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

from dvc.repo import Repo

from flows.graph import mermaid, read_graph

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "orchestration.md").read_text(encoding="utf-8")


def test_the_picture_is_drawn_from_dvc_yaml() -> None:
    with Repo(str(ROOT)) as repo:
        drawn = mermaid(read_graph(repo))
    assert f"```mermaid\n{drawn}\n```" in TEXT, "run python -m flows.graph, paste it"


def test_every_command_of_ours_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([a-z-]+)`", TEXT)):
        assert f"\n{target}:" in makefile
    for module in set(re.findall(r"python -m flows\.([a-z]+)", TEXT)):
        assert (ROOT / "flows" / f"{module}.py").is_file()
