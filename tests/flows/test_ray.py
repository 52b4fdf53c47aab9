"""Stages on a real Ray, started here: the same results as local processes, the same messages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.study import study
from tests.helpers.toy_flow import make_toy

PARENTS = "import psutil; print(*(parent.name() for parent in psutil.Process().parents()))"
ray = pytest.importorskip("ray", reason="the extra polybatch[ray] is not installed")


@pytest.fixture(scope="module", autouse=True)
def prefect() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness  # it imports the whole server

    with prefect_test_harness(server_startup_timeout=300):
        yield


def _results(root: Path) -> dict[str, bytes]:
    paths = [*root.glob("models/*.txt"), *root.glob("results/metrics/*/*.json")]
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(paths)}


def _run(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(root)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return study(workers=2, return_state=True)


def test_ray_gives_what_local_processes_give_and_tells_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, other = make_toy(tmp_path / "local"), make_toy(tmp_path / "ray")
    params = other / "params.yaml"
    params.write_text(params.read_text().replace("runner: local", "runner: ray"))
    for root in (local, other):  # which process ran it
        script = root / "evaluate.sh"
        script.write_text(f"{script.read_text()}{sys.executable} -c '{PARENTS}' > ../by.$1\n")
    assert _run(local, monkeypatch).is_completed()
    assert _run(other, monkeypatch).is_completed()
    assert _results(other) == _results(local)
    assert len(_results(local)) == 4
    by_ray = ["raylet" in (root.parent / "by.a").read_text() for root in (local, other)]
    assert by_ray == [False, True]
    assert not ray.is_initialized()
    assert _run(other, monkeypatch).message == "0 stages ran, 6 cached"
    path = other / "evaluate.sh"
    path.write_text(f"[ $1 = a ] && echo evaluate a: no room >&2 && exit 1\n{path.read_text()}")
    state = _run(other, monkeypatch)
    assert state.is_failed()
    assert "evaluate a: no room" in state.message
    assert "Not run: compare" in state.message
