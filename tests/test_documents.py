"""Every command in README.md and docs is run by a test, or it is said here why not."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *("README.md", "CONTRIBUTING.md", "models/README.md", "data/README.md", "inputs/README.md"),
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
    *(f"docs/decisions/{path.name}" for path in sorted((ROOT / "docs/decisions").glob("*.md"))),
]
PROGRAMS = ("make", "dvc", "python", "polybatch", "prefect", "torchrun", "git", "pip")
BIN = Path(sys.executable).parent
QUIET = {"DO_NOT_TRACK": "1", "DVC_NO_ANALYTICS": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}

TESTED = {
    # first words of a command: the test that runs it
    "make repro PRESET": "test_pipeline.py::test_a_preset_replaces_params_and_loses_nothing",
    "make repro": "test_pipeline.py::test_a_study_ends_with_a_table_of_strategies",
    "make serve": "test_serve.py::test_a_scheduled_run_fires",
    "make register": "test_register.py::test_dvc_compares_strategies_by_tag_and_by_experiment",
    "make versions": "test_versions.py::test_other_arithmetic_with_the_same_number_is_found",
    "make test-flows": "test_flow_end_to_end.py::test_a_parallel_flow_writes_what_dvc_repro_writes",
    "make test-recovery": "test_recovery.py::test_real_stages_killed_again_and_again_end",
    "make test-ray": "test_ray.py::test_",
    "dvc repro": "test_pipeline.py::test_nothing_runs_twice_and_the_views_of_dvc_work",
    "dvc --wait-for-lock repro": "test_flow.py::test_what_changed_runs_and_what_did_not_is_cached",
    "dvc metrics": "test_register.py::test_dvc_compares_strategies_by_tag_and_by_experiment",
    "dvc plots show": "test_pipeline.py::test_the_plots_of_dvc_open_without_a_network",
    "dvc add": "test_own_files.py::test_own_files_travel_and_nothing_is_computed_again",
    "dvc push": "test_travel.py::test_what_one_clone_pushed_another_does_not_compute",
    "dvc pull": "test_travel.py::test_what_one_clone_pushed_another_does_not_compute",
    "dvc remote add": "test_travel.py::test_what_one_clone_pushed_another_does_not_compute",
    "dvc status": "test_versions.py::test_",
    "python -m flows.study": "test_flow_end_to_end.py::test_a_parallel_flow_writes",
    "python -m flows.serve": "test_serve.py::test_a_scheduled_run_fires",
    "python -m flows.alerts": "test_flow.py::test_what_fell_is_told_by_file_event_and_webhook",
    "python -m flows.check": "test_own_files.py::test_a_source_without_a_folder_is_named",
    "python -m flows.graph": "test_flow_docs.py::test_the_picture_is_drawn_from_dvc_yaml",
    "python -m flows.preset": "test_preset.py::test_an_untouched_file_is_replaced",
    "python -m polybatch.schema": "test_config.py::test_",
    "python -m polybatch.expectations": "test_expectations.py::test_",
    "python -m polybatch.sources.catalogue": "test_expectations.py::test_the_page_of_sources_is",
    "polybatch compare": "test_cli.py::test_markdown_and_latex_show_the_same_numbers",
    "polybatch runs": "test_cli.py::test_runs_of_a_pair_and_of_all",
    "polybatch stage": "test_pipeline.py::test_a_study_ends_with_a_table_of_strategies",
    "torchrun": "test_training.py::test_",
}
RUN = {
    # whole commands that are run here, in the repository
    "dvc dag --mermaid",
    "python -m polybatch.sources.example inputs/faq/example.csv",
}
NOT_RUN = {
    # first words of a command: why no test runs it; the options of those with a program are checked
    "make test": "it is what runs this",
    "make bench": "minutes with nothing else running",
    "make fuzz": "its short version is a test",
    "make clean": "removes what was built here",
    "dvc plots diff": "draws what `dvc plots show` draws, of two revisions",
    "dvc params diff": "a view of DVC's",
    "dvc exp": "views of DVC's; experiments are tested with metrics diff",
    "dvc gc": "removes cached files here",
    "dvc remote modify": "needs a remote with credentials",
    "prefect": "needs a server that stays",
    "git": "not ours",
    "pip": "installs",
    "make PYTHON": "sets up a virtual environment",
    "python benchmarks/identification.py": "measures; `make bench`",
    "python -c": "an example of another program",
}


def _commands(page: str) -> set[str]:
    """Return the commands of a page: lines of fenced blocks, and inline code, without comments."""
    path = ROOT / page
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    blocks = re.findall(r"^```(?:sh|bash|console)?\n(.*?)^```", text, flags=re.S | re.M)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    inline = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", rest)]
    lines = [line for block in blocks for line in block.splitlines()]
    found = set()
    for line in [*lines, *inline, *re.findall(r"^    (\S.*)$", rest, flags=re.M)]:
        for part in re.split(r"\s+&&\s+", re.sub(r"\s+#\s.*$", "", line.strip())):
            plain = re.sub(r"^(?:[A-Z_]+=\S+\s+)+", "", part.strip()).replace(".venv/bin/", "")
            word, _, arguments = plain.partition(" ")
            if word in PROGRAMS and arguments:
                found.add(plain)
    return found


EVERY = sorted({command for page in PAGES for command in _commands(page)})


def _first(command: str, table: object) -> str | None:
    starts = [words for words in table if f"{command} ".startswith((f"{words} ", f"{words}="))]  # type: ignore[attr-defined]
    return max(starts, key=len, default=None)


def test_there_are_commands() -> None:
    assert len(EVERY) > 40


@pytest.mark.parametrize("command", EVERY)
def test_every_command_is_run_by_a_test_or_said_why_not(command: str) -> None:
    if command in RUN:
        return
    tested, not_run = _first(command, TESTED), _first(command, NOT_RUN)
    assert tested or not_run, f"`{command}`: write a test that runs it, or say here why not"
    if tested:
        name, _, test = TESTED[tested].partition("::")
        assert f"def {test}" in (ROOT / "tests" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", sorted(RUN & set(EVERY)))
def test_these_are_run_here(command: str, tmp_path: Path) -> None:
    words = shlex.split(command.replace("inputs/faq/", f"{tmp_path}/"))
    environment = os.environ | QUIET | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_make_knows_every_target_that_is_named() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in EVERY:
        if found := re.match(r"make ([a-z-]+)", command):
            assert f"\n{found[1]}:" in makefile, command


def test_every_module_that_is_named_exists() -> None:
    for command in EVERY:
        if found := re.match(r"python -m ((?:flows|polybatch)[.\w]*)", command):
            assert importlib.util.find_spec(found[1]), command


@pytest.mark.parametrize("command", [c for c in EVERY if c.startswith("prefect ")])
def test_prefect_knows_every_option_that_is_named(command: str) -> None:
    words = shlex.split(command)
    verbs = [word for word in words[1:3] if re.fullmatch("[a-z-]+", word) and word[0] != "-"]
    shown = subprocess.run(
        [str(BIN / "prefect"), *verbs, "--help"],
        env=os.environ | QUIET | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr
    for option in re.findall(r"--[a-z-]+", command):
        assert option in shown.stdout, f"{option} of `{command}`"


@pytest.mark.parametrize("page", PAGES)
def test_python_in_documents_is_python_and_what_it_imports_exists(page: str) -> None:
    path = ROOT / page
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    for block in re.findall(r"^```python\n(.*?)^```", text, flags=re.S | re.M):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                assert all(hasattr(module, name.name) for name in node.names)
