"""Which test files take long: they begin first, and `--fast` (`make test-fast`) leaves them out.

SLOW holds seconds of processor time of a file's tests, those of the processes that they start
included, as measured alone on one core (`python -m pytest FILE`, user + sys of `time`). A file goes
in when it takes more than five. With `--dist loadfile` the order is that of the longest first,
so that no long file is left for one process at the end. A slow test in a quick file is marked
`slow`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLOW: dict[str, int] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="leave out what takes long")


def _seconds(path: Path) -> int:
    return SLOW.get(path.relative_to(ROOT / "tests").as_posix(), 0) if _ours(path) else 0


def _ours(path: Path) -> bool:
    return path.is_relative_to(ROOT / "tests")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave a slow file out before it is imported."""
    return True if config.getoption("--fast") and _seconds(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first; mark what is slow."""
    items.sort(key=lambda item: -_seconds(item.path))
    for item in items:
        if _seconds(item.path):
            item.add_marker("slow")
    if config.getoption("--fast"):
        left = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
