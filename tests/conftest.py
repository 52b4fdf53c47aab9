"""Which test files take long: they begin first, and `--fast` (`make test-fast`) leaves them out.

SLOW holds seconds of processor time of a file's tests, those of the processes that they start
included (`time python -m pytest FILE`, user + sys). A file goes in when it takes more than five.
Round tens are estimates. With `--dist loadfile` the order is that of the longest first,
so that no long file is left for one process at the end. A slow test in a quick file is marked
`slow`.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

# Test processes share the cores: a second thread of one waits, spinning, for a core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parents[1]
SLOW = {
    "study/test_pipeline.py": 150,
    "flows/test_flow.py": 113,
    "study/test_documents.py": 80,
    "search/test_service.py": 60,
    "exports/test_export.py": 60,
    "versions/test_versions.py": 66,
    "adaptation/test_adaptation.py": 60,
    "flows/test_recovery.py": 60,
    "encoders/test_hub.py": 60,
    "training/test_big_batches.py": 60,
    "sources/test_own_files.py": 50,
    "adaptation/test_adaptation_processes.py": 50,
    "flows/test_serve.py": 43,
    "training/test_training.py": 40,
    "search/test_searcher.py": 30,
    "encoders/test_use_multilingual.py": 30,
    "encoders/test_padding.py": 30,
    "flows/test_register.py": 30,
    "flows/test_flow_terminal.py": 30,
    "training/test_transformer_rows.py": 30,
    "encoders/test_checkpoint_safety.py": 30,
    "tuning/test_tuning.py": 25,
    "study/test_pipeline_mistakes.py": 20,
    "sources/test_extend.py": 20,
    "encoders/test_rows.py": 20,
    "encoders/test_encoders.py": 20,
    "encoders/test_multilingual_e5.py": 40,
    "training/test_architectures.py": 30,
    "statistics/test_significance.py": 18,
    "sources/test_cldr.py": 16,
    "batches/test_plans.py": 15,
    "flows/test_repro.py": 13,
    "study/test_wheel.py": 12,
    "batches/test_exposure.py": 6,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="leave out what takes long")


def _seconds(path: Path) -> int:
    ours = path.is_relative_to(ROOT / "tests")
    return SLOW.get(path.relative_to(ROOT / "tests").as_posix(), 0) if ours else 0


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


def pytest_collection_finish() -> None:
    """Let no later garbage collection, of which a training makes some, look at what is imported."""
    gc.collect()
    gc.freeze()
