"""Who may import whom, and: a stage's deps in dvc.yaml are the files it really imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from polybatch.config import load

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "polybatch"
GRAPH = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py") if path.stem != "common")

ONLY_IN = {
    "argparse": {"cli.py"},
    "faiss": {"search.py"},
    "great_expectations": {"expectations.py"},
    "torch": {"training.py", "rows.py", "machine.py", "adaptation", "encoders"},
    "sentence_transformers": {"training.py", "rows.py", "machine.py", "adaptation", "encoders"},
}
READS = {
    "src/polybatch/expectations.py": "src/polybatch/suites",
    "src/polybatch/sources/registry.py": "src/polybatch/sources/registry.json",
    "src/polybatch/html/page.py": "src/polybatch/html/assets",
    "src/polybatch/sources/cldr.py": "src/polybatch/sources/cldr_templates",
}
FORBIDDEN = {
    "src": {"prefect", "dvc", "stages", "flows"},
    "stages": {"prefect"},
    "flows": {"torch", "stages"},
}
FLOWS_READ = {
    "polybatch",
    *(f"polybatch.{name}" for name in ("config", "errors", "files", "settings", "webhooks")),
}
"""All that flows may import of polybatch: params.yaml has one reader, and users one error."""


def _imports(path: Path) -> set[str]:
    """Return the dotted names a file imports, `from a import b` as both `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def _files(name: str) -> list[Path]:
    """Return the files that importing a dotted name of ours runs (packages included)."""
    base = PACKAGE.parent if name.split(".")[0] == "polybatch" else ROOT
    parts, found = name.split("."), []
    for depth in range(1, len(parts) + 1):
        path = base.joinpath(*parts[:depth])
        found += [
            file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()
        ]
    return found


def _closure(start: Path) -> set[str]:
    seen: set[Path] = set()
    queue = [start]
    while queue:
        path = queue.pop()
        if path not in seen:
            seen.add(path)
            for name in _imports(path):
                if name.split(".")[0] in ("polybatch", "stages"):
                    queue += _files(name)
    found = {str(path.relative_to(ROOT)) for path in seen} - {"stages/__init__.py"}
    return found | {READS[file] for file in found if file in READS}


def _deps(stage: str) -> set[str]:
    definition = GRAPH["stages"][stage]
    return {
        dep
        for dep in definition.get("do", definition)["deps"]
        if dep.startswith(("src/", "stages/"))
    }


def test_the_graph_has_one_box_a_stage_file() -> None:
    assert sorted(GRAPH["stages"]) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_the_deps_of_a_stage_are_the_files_it_imports(stage: str) -> None:
    assert _deps(stage) == _closure(ROOT / "stages" / f"{stage}.py")


@pytest.mark.parametrize("folder", sorted(FORBIDDEN))
def test_nobody_imports_what_their_folder_must_not(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        roots = {name.split(".")[0] for name in _imports(path)}
        assert not roots & FORBIDDEN[folder], path


def test_flows_read_the_params_and_nothing_else_of_polybatch() -> None:
    for path in sorted((ROOT / "flows").glob("*.py")):
        names = {name for name in _imports(path) if name.split(".")[0] == "polybatch"}
        assert {".".join(name.split(".")[:2]) for name in names} <= FLOWS_READ, path


def test_heavy_libraries_stay_in_their_modules() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).parts[0]
        for library, places in ONLY_IN.items():
            if library in {name.split(".")[0] for name in _imports(path)}:
                assert place in places, f"{path} imports {library}"


def test_the_library_reads_no_environment_and_no_params_outside_config() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert "os.environ" not in text, path
        assert "os.getenv" not in text, path
        if path.name not in ("config.py", "settings.py"):
            assert "load(PARAMS)" not in text, path


def test_no_stage_imports_another() -> None:
    for stage in STAGES:
        others = {f"stages.{other}" for other in STAGES if other != stage}
        assert not _imports(ROOT / "stages" / f"{stage}.py") & others


def test_every_strategy_of_the_study_has_its_curve_on_the_loss_plot() -> None:
    curves = next(plot["loss"]["y"] for plot in GRAPH["plots"] if "loss" in plot)
    trained = {
        f"results/training/{name}/0/plots/metrics/loss.tsv"
        for name, strategy in load(ROOT / "params.yaml").strategies.items()
        if strategy.batches != "none"
    }
    assert set(curves) == trained
