"""Who may import whom, and which stages a file belongs to."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from polybatch.settings.strategies import ARM_SECTIONS, Arm, Lexical
from polybatch.versions.code_digest import stage_files

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "polybatch"
GRAPH = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py") if path.stem != "common")

ONLY_IN = {
    "argparse": {"cli.py", "commands"},
    "faiss": {"retrieval"},
    "fastapi": {"search"},
    "great_expectations": {"validation"},
    "onnx": {"encoders"},
    "onnxruntime": {"encoders"},
    "torch": {"encoders", "training", "adaptation"},
    "sentence_transformers": {"encoders", "training", "adaptation"},
}
FORBIDDEN = {
    "src": {"prefect", "dvc", "stages", "flows"},
    "stages": {"prefect"},
    "flows": {"torch", "stages"},
}
FLOWS_READ = (
    *("core.errors", "core.files", "core.processes"),
    *("settings", "versions", "validation.summary"),
)
"""All that flows may import of polybatch: params.yaml has one reader, and users one error."""


ROOMS = (
    *("core", "settings", "sources", "validation", "batches", "encoders", "training", "adaptation"),
    *("retrieval", "evaluation", "statistics", "tuning", "reports", "search", "exports"),
)
"""Folders of polybatch in the pipeline's order: each imports from those before it alone."""


def _imports(path: Path) -> set[str]:
    """Return the dotted names a file imports, `from a import b` as both `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            assert path.parent.name in ("stages", "flows"), f"{path}: relative import"
            names.add(f"{path.parent.name}.{node.module}")
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def test_the_graph_has_one_box_a_stage_file() -> None:
    assert sorted({name.partition("-")[0] for name in GRAPH["stages"]}) == STAGES


def test_every_kind_of_row_is_scored_by_one_command() -> None:
    stages = GRAPH["stages"]
    for section in ARM_SECTIONS:
        name = "evaluate" if section == "strategies" else f"evaluate-{section}"
        same = {key: value for key, value in stages[name].items() if key != "matrix"}
        assert same == {k: v for k, v in stages["evaluate"].items() if k != "matrix"}
        assert stages[name]["matrix"]["strategy"] == f"${{{section}}}"
        seeds = stages[name]["matrix"]["seed"]
        seeded = Arm(section, Lexical(0.9, 0.4)).seeded
        assert seeds == ("${study.seeds}" if seeded else ["${study.seeds[0]}"])


def test_what_may_refuse_the_data_runs_before_what_takes_minutes() -> None:
    """A run takes what is ready in this order: two languages may share too few questions for a
    batch, one may have no tokenisation for BM25, another program's run may be of other data.
    """
    order = list(GRAPH["stages"])
    refusing = [order.index(name) for name in ("validate", "batches", "lexical", "external")]
    assert max(refusing) < min(map(order.index, ("base", "dapt", "train", "index")))


def test_the_graph_names_no_source_file() -> None:
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    assert not re.search(r"^\s*- (src|stages|flows)/", text, re.MULTILINE)
    assert len(text.splitlines()) <= 280


def test_the_lock_of_the_committed_study_knows_the_tunings_that_stand_beside_it() -> None:
    """Else the first run in a clone changes `dvc.lock`; a study of one's own is locked by a run."""
    lock = YAML(typ="safe").load((ROOT / "dvc.lock").read_text(encoding="utf-8"))
    known = {one["path"]: one["md5"] for one in lock["stages"]["settings"]["deps"]}
    if known["params.yaml"] != _md5("params.yaml"):
        pytest.skip("params.yaml is another study, or one that has not run")
    assert known["tuned.yaml"] == _md5("tuned.yaml")


def _md5(name: str) -> str:
    return hashlib.md5((ROOT / name).read_bytes(), usedforsecurity=False).hexdigest()


def test_the_code_of_a_stage_is_what_python_loads_for_it() -> None:
    """The truth is another: the modules that an interpreter holds after importing the stage."""
    program = (
        "import importlib, json, sys; importlib.import_module(f'polybatch_stages.{sys.argv[1]}');"
        "print(json.dumps([m.__file__ for n, m in sys.modules.items()"
        " if n.split('.')[0] in ('polybatch', 'polybatch_stages')]))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    for stage in ("start", "evaluate"):
        answer = subprocess.run(
            [sys.executable, "-c", program, stage],
            capture_output=True, text=True, check=True, env=environment,
        )  # fmt: skip
        loaded = {Path(file) for file in json.loads(answer.stdout)}
        assert loaded <= stage_files(stage)


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("encoders/checkpoints.py", {"base", "dapt", "train", "merge", "index", "centre"}),
        ("evaluation/measures.py", {"approximate", "evaluate", "compare", "report"}),
        ("batches/plan.py", {"batches"}),
        ("sources/registry.json", {"download", "validate"}),
        ("sources/cldr_templates/sw.yaml", {"download", "validate"}),
        ("validation/suites/queries.json", {"validate"}),
        ("reports/html/assets/report.js", {"report"}),
        ("core/errors.py", set(STAGES)),
    ],
)
def test_a_file_belongs_to_the_stages_that_import_it(file: str, stages: set[str]) -> None:
    assert {name for name in STAGES if PACKAGE / file in stage_files(name)} == stages


def test_every_data_file_of_the_package_belongs_to_a_stage() -> None:
    files = {each for each in PACKAGE.rglob("*") if each.is_file() and each.suffix != ".pyc"}
    data = {each for each in files if each.suffix != ".py"} - {PACKAGE / "py.typed"}
    for folder in ("search/page", "study_template"):  # no stage reads them
        data -= set((PACKAGE / folder).iterdir())
    assert data <= {each for name in STAGES for each in stage_files(name)}


@pytest.mark.parametrize("folder", sorted(FORBIDDEN))
def test_nobody_imports_what_their_folder_must_not(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        roots = {name.split(".")[0] for name in _imports(path)}
        assert not roots & FORBIDDEN[folder], path


def test_flows_read_the_params_and_nothing_else_of_polybatch() -> None:
    for path in sorted((ROOT / "flows").glob("*.py")):
        for name in {name for name in _imports(path) if name.startswith("polybatch.")}:
            allowed = any(f"{name}.".startswith(f"polybatch.{one}.") for one in FLOWS_READ)
            assert allowed, f"{path}: {name}"


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
        if path.parent.name != "settings":
            assert "load(PARAMS)" not in text, path


def test_no_stage_imports_another() -> None:
    for stage in STAGES:
        others = {f"stages.{other}" for other in STAGES if other != stage}
        assert not _imports(ROOT / "stages" / f"{stage}.py") & others


def test_rooms_import_rooms_before_them_alone() -> None:
    place = {f"polybatch.{room}": number for number, room in enumerate(ROOMS)}
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0]
        here = ROOMS.index(room) if room in ROOMS else -1  # files beside the rooms: none of them
        if room not in ("cli.py", "commands", "versions"):  # commands; what reads others' code
            for name in _imports(path):
                assert place.get(".".join(name.split(".")[:2]), -1) <= here, f"{path}: {name}"


def test_a_room_says_what_it_holds_and_hands_nothing_on() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        statements = ast.parse(path.read_text(encoding="utf-8")).body
        if path.parent != PACKAGE:
            assert len(statements) == 1, path
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_files_and_functions_are_short() -> None:
    """A file has at most 300 lines, a function 45 without its docstring; most are far shorter."""
    for folder in ("tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path
    lengths = []
    paths = [
        path
        for folder in ("src/polybatch", "stages", "flows")
        for path in (ROOT / folder).rglob("*.py")
    ]
    for path in sorted(paths):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                last, first = node.end_lineno or 0, node.body[0]
                words = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(node) else 0
                lengths.append(last - node.lineno + 1 - words)
                assert lengths[-1] <= 45, f"{path}: {node.name}"
    lengths.sort()
    assert lengths[len(lengths) // 2] <= 8
    assert lengths[len(lengths) * 9 // 10] <= 20
