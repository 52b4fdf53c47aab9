"""Which test files take long: they begin first, and `--fast` (`make test-fast`) leaves them out.

SLOW holds the seconds of a file's tests in a whole run with three workers on two quiet cores
(`--durations=0`, summed). A file goes in when it takes more than four. With `--dist loadfile` the
order is that of the longest first, so that no long file is left for one process at the end. A slow
test in a quick file is marked `slow`.
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
    "flows/test_flow.py": 122,
    "versions/test_versions.py": 84,
    "flows/test_recovery.py": 84,
    "study/test_pipeline.py": 80,
    "exports/test_export.py": 64,
    "study/test_documents.py": 55,
    "flows/test_serve.py": 46,
    "encoders/test_multilingual_e5.py": 46,
    "training/test_training.py": 44,
    "sources/test_own_files.py": 41,
    "training/test_big_batches.py": 40,
    "study/test_startup.py": 38,
    "study/test_reruns.py": 38,
    "flows/test_flow_terminal.py": 33,
    "reports/test_html.py": 30,
    "flows/test_repro.py": 30,
    "adaptation/test_adaptation.py": 29,
    "tuning/test_tuning.py": 25,
    "adaptation/test_adaptation_processes.py": 24,
    "study/test_wheel.py": 23,
    "study/test_pipeline_mistakes.py": 19,
    "search/test_service.py": 19,
    "validation/test_validate_stage.py": 18,
    "encoders/test_hub.py": 17,
    "validation/test_regrouped.py": 17,
    "batches/test_quotas.py": 15,
    "sources/test_own_file_forms.py": 15,
    "encoders/test_use_multilingual.py": 13,
    "sources/test_rows_read.py": 12,
    "search/test_searcher.py": 12,
    "encoders/test_encoders.py": 12,
    "batches/test_plan_laws.py": 12,
    "flows/test_register.py": 11,
    "sources/test_cldr.py": 11,
    "settings/test_params_table.py": 11,
    "validation/test_expectations.py": 10,
    "validation/test_split.py": 10,
    "encoders/test_padding.py": 10,
    "encoders/test_merging.py": 9,
    "batches/test_exposure.py": 9,
    "sources/test_real_sources.py": 9,
    "settings/test_params_file.py": 9,
    "study/test_architecture.py": 8,
    "settings/test_upgrade.py": 8,
    "flows/test_clean_cache.py": 7,
    "encoders/test_light.py": 6,
    "study/test_cli.py": 5,
    "encoders/test_checkpoint_safety.py": 5,
    "encoders/test_onnx.py": 5,
    "training/test_architectures.py": 5,
    "sources/test_translated_sources.py": 5,
    "sources/test_travel.py": 5,
    "validation/test_duplicates.py": 5,
    "encoders/test_saved_checkpoints.py": 5,
    "sources/test_example.py": 4,
    "flows/test_webhook.py": 4,
    "settings/test_preset.py": 4,
    "sources/test_published_domain_text.py": 4,
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
