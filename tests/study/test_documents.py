"""Every command of the documents is run here, or stands below with the reason why not.

A command that a document shows and no table below has, fails. What is not run is still held
against the program: its options must be in the help, its target in the Makefile, its preset there.
`make test-documents` also runs what takes longer: DVC on the whole graph, flows, a work pool.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from polybatch.core.dataset import write_dataset
from tests.helpers.documents import ROOT, commands
from tests.helpers.run_commands import help_of, meant, shell
from tests.helpers.scored_study import made, scored_dataset, write_strategy
from tests.helpers.toy_flow import make_toy

SLOW = pytest.mark.skipif("POLYBATCH_SLOW" not in os.environ, reason="`make test-documents`")
FAQ = [command for command in commands() if command.startswith("cat > inputs/faq/")]
HERE = [
    *("python -m flows.check", "python -m flows.graph", "python -m flows.alerts --accept"),
    *("dvc metrics show", "dvc metrics diff", "dvc plots show", "dvc dag --mermaid"),
    "make register",
    *(f"dvc {kind} diff strategy/mono strategy/hybrid" for kind in ("metrics", "plots", "params")),
    *("dvc metrics diff mono hybrid", "dvc exp show --drop 'results/metrics/.*'"),
    *("polybatch compare mono hybrid", "polybatch compare hybrid dapt-hybrid"),
    "polybatch compare A B --latex",
    *("polybatch compare A B", "polybatch compare A B --json", "polybatch compare bm25 hybrid"),
    "polybatch plan-study --difference 1.0",
    *("polybatch runs hybrid --out runs --pair 'sw>en'", "polybatch runs STRATEGY"),
    "polybatch runs STRATEGY --out FOLDER [--pair 'sw>en'] [--depth N]",
    "ir_measures sw_en.qrels.gz sw_en.run.gz AP nDCG@10",
    *("polybatch stage NAME", "make repro PRESET=name", "python -m flows.preset local"),
    *("python -m flows.preset --show NAME", "polybatch upgrade"),
    "dvc repro train@hybrid-0",
    *("python -m polybatch.sources.example inputs/faq/example.csv", "mkdir -p inputs/faq"),
    *(*FAQ, "polybatch validate inputs/faq", "dvc add inputs/faq"),
    "python -m polybatch.sources.catalogue docs/sources.md",
    *(
        "python -m polybatch.validation.expectations",
        "python -m polybatch.settings.schema",
        "python -m tests.helpers.presets",
    ),
    *("git init", "git add --all", "git commit -m Begin"),
]
"""Run in this order in a copy of the repository, whose committed results are those of a study."""
TOY = [
    "dvc remote add --default store s3://bucket/polybatch",
    "dvc remote add --default store /mnt/share/polybatch",
    *(
        "dvc repro",
        "python -m flows.repro",
        "dvc status",
        "dvc --wait-for-lock repro -s STAGE",
        "dvc repro -f -s STAGE",
        "git diff dvc.lock",
    ),
    *("git add dvc.lock results .dvc/config", 'git commit -m "Run the study"'),
    *("git push --follow-tags", "dvc push --run-cache", "dvc push", "git clone", "dvc pull"),
    "dvc gc --workspace --all-commits --all-experiments",
    *("dvc exp run -S", "dvc remote modify --local"),
]
"""Run in this order in a study whose stages are one line of shell."""
LONG = [
    *("python -m flows.study", "python -m flows.study --workers 2"),
    "python -m flows.study --strategy hybrid --strategy mono",
    "python -m flows.study --workers 2 --pull --register",
    "prefect work-pool create polybatch --type process",
    "prefect work-pool set-concurrency-limit polybatch 1",
    *("prefect deploy --all", "prefect deployment run study/nightly"),
]
"""Run in this order in the toy study with POLYBATCH_SLOW; otherwise only their options are read."""
SLOWER = {
    *("dvc metrics diff", "dvc plots show", "dvc dag --mermaid", "dvc metrics diff mono hybrid"),
    *(f"dvc {kind} diff strategy/mono strategy/hybrid" for kind in ("plots", "params")),
    *("dvc exp show --drop 'results/metrics/.*'", "python -m polybatch.validation.expectations"),
    *("dvc repro train@hybrid-0", "dvc add inputs/faq", "dvc exp run -S"),
    "dvc gc --workspace --all-commits --all-experiments",
    *("dvc repro -f -s STAGE", "dvc push", "dvc pull", "git clone"),
    *("prefect deploy --all", "prefect deployment run study/nightly"),
    "torchrun --nproc-per-node 4 -m stages.train --strategy hybrid",
}
"""Of those above and below, what takes seconds: with POLYBATCH_SLOW."""
NOT_RUN = {
    **dict.fromkeys(
        ("polybatch init", "polybatch init my-study --from faq.csv"),
        "tests/study/test_init.py runs it",
    ),
    **dict.fromkeys(
        ("polybatch status", "polybatch run", "polybatch run --workers 2"),
        "tests/study/test_wheel.py runs it",
    ),
    **dict.fromkeys(
        ("polybatch recommend", "polybatch recommend --setting multi"),
        "tests/study/test_tutorial.py runs it; tests/reports/test_recommendation.py what it does",
    ),
    "polybatch upgrade --pipeline": "tests/study/test_init.py runs it",
    "polybatch completion bash": "tests/study/test_cli.py runs it",
    "python -m polybatch_flows.serve": "never ends; tests/flows/test_serve.py serves",
    **dict.fromkeys(
        ("python -m polybatch_flows.study",), "tests/study/test_wheel.py runs it, if slow ones do"
    ),
    **dict.fromkeys(
        (
            'polybatch search "Where is the treaty kept?" --strategy hybrid --lang sw --k 5',
            *("polybatch search", "polybatch serve", "polybatch serve --port 8000"),
            'polybatch search "Ni sarafu gani inatumika Andorra?" --strategy hybrid --k 3',
        ),
        "tests/search runs it on a study with a checkpoint",
    ),
    **dict.fromkeys(
        (
            *("polybatch export", "polybatch export hybrid exported --dtype fp16"),
            "polybatch export hybrid scores --results mteb",
        ),
        "tests/exports runs it on a study with a checkpoint",
    ),
    "make fuzz": "minutes; its short version is tests/sources/test_fuzz.py",
    "python benchmarks/identification.py MIRROR": "measures on a mirror of real data",
    **dict.fromkeys(
        (
            "python -m polybatch.reports.kept_study docs/results/mine",
            "python -m polybatch.reports.kept_study --contrasts docs/results/mine",
        ),
        "tests/study/test_pipeline.py keeps the study that it runs",
    ),
    "python benchmarks/leak_pairs.py": "minutes, on a mirror of real data",
    **dict.fromkeys(
        ("pip install 'polybatch[e5]'", "pip install 'polybatch[onnx]'"),
        "installs packages; requirements.lock has them",
    ),
    "make .venv/.installed": "minutes; every other target begins with it",
    "make docs": "it installs packages; tests/study/test_pages.py builds the site where they are",
    "make repro PYTHON=python3.12": "of a machine that has it",
    "make repro": "minutes; tests/study/test_pipeline.py runs its stages on a small study",
    "make repro WORKERS=2": "minutes; tests/flows/test_repro.py runs it on toy stages",
    "make repro PRESET=local": "minutes; tests/sources/test_local.py runs what it is about",
    "make repro PRESET=mlqa-r": "40 minutes",
    **dict.fromkeys(
        ("make repro PRESET=tune-mlqa", "make repro PRESET=tune-mlqa-e5", "polybatch tune"),
        "an hour; its short version is tests/tuning/test_tuning.py",
    ),
    "make repro PRESET=xquad-r": "70 minutes",
    **dict.fromkeys(
        (f"make repro PRESET={name}" for name in ("xquad-r-e5", "belebele-e5", "adapt-mlqa-e5")),
        "a mirror; half an hour to two hours",
    ),
    "make repro PRESET=<study>": "50 minutes",
    "POLYBATCH_MIRROR=/path/to/mirror make repro PRESET=xquad-r": "a mirror, 50 minutes",
    "POLYBATCH_MIRROR=/path/to/mirror make repro PRESET=belebele": "a mirror, 29 minutes",
    **dict.fromkeys(("make test", "make test-fast"), "runs these tests"),
    "make clean": "tests/study/test_makefile.py runs it where there is nothing to lose",
    "make clean-cache": "tests/flows/test_clean_cache.py runs its command",
    "make bench": "half an hour; tests/study/test_bench.py makes its table of made-up numbers",
    **dict.fromkeys(("make bench-check", "make bench-all"), "as long as `make bench`, or longer"),
    "make versions": "tests/versions/test_versions.py runs what it runs",
    "make versions BUMP=1": "it changes versions.yaml",
    "dvc commit -f": "tests/flows/test_repro.py runs it with a stage's name",
    "make serve": "never ends; tests/flows/test_serve.py serves",
    "make test-ray": "installs Ray",
    "make test-recovery": "half an hour; tests/flows/test_recovery.py is its short version",
    "pre-commit install --hook-type pre-commit --hook-type pre-push": "it changes git's hooks",
    "prefect worker start --pool polybatch": "never ends",
    "torchrun --nproc-per-node 4 -m stages.train --strategy hybrid": "four processes; "
    "tests/training/test_big_batches.py trains in two",
    "dvc exp push": "needs a git server",
}
NO_PROGRAM = {
    "ray list tasks": "Ray is an extra; of its own documentation",
    "unset PREFECT_API_URL": "of the shell",
}


def cases(table: list[str] | dict[str, str]) -> list[Any]:
    """Return the commands of a table as parameters of a test, named by their first lines."""
    return [
        pytest.param(command, id=command.splitlines()[0], marks=[SLOW] if command in SLOWER else [])
        for command in table
    ]


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("share")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, share: Path) -> Path:
    """The repository as a clone, with vectors of two strategies that nobody trained."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (ROOT / name).exists() and not (ROOT / name).is_dir():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    (folder / ".venv").symlink_to(sys.prefix)
    for command in ("git init -q", "git add --all", "git commit -qm begin"):
        shell(command, folder, share)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("resamples: 10000", "resamples: 1000"))
    write_dataset(scored_dataset(), made(folder / "data/valid/cldr-test"))
    for strategy, noise in (("mono", 1.0), ("hybrid", 0.6)):
        write_strategy(folder, strategy, noise, scored_dataset())
    shell("git add --all && git commit -qm study", folder, share)
    return folder


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory, share: Path) -> Path:
    """A study of seconds, with a git remote."""
    folder = make_toy(tmp_path_factory.mktemp("study"), ("mono", "hybrid"))
    shutil.copy(ROOT / "prefect.yaml", folder)
    (folder / "flows").symlink_to(ROOT / "flows")
    (folder / "results").mkdir()
    shell(
        f"git init -q --bare {share}/origin && git remote add origin {share}/origin", folder, share
    )
    shell("git push -q --set-upstream origin main", folder, share)
    return folder


def test_every_command_has_its_decision_and_every_decision_a_command() -> None:
    decided = [*HERE, *TOY, *LONG, *NOT_RUN, *NO_PROGRAM]
    assert len(decided) == len(set(decided))
    shown = commands()
    assert {name: files for name, files in shown.items() if name not in decided} == {}
    assert set(decided) - set(shown) == set()


@pytest.mark.parametrize("command", cases(HERE))
def test_it_runs_in_a_clone(command: str, here: Path, share: Path) -> None:
    there = "runs/cldr-test" if command.startswith("ir_measures") else "."
    shell(command, here / there, share)


@pytest.mark.parametrize("command", cases(TOY))
def test_it_runs_in_a_small_study(command: str, toy: Path, share: Path) -> None:
    shell(command, toy.parent / "clone" if command == "dvc pull" else toy, share)


@SLOW
@pytest.mark.parametrize("command", LONG)
def test_it_runs_and_takes_its_time(command: str, toy: Path, share: Path) -> None:
    shell(command, toy, share)


@pytest.mark.parametrize("command", cases([*LONG, *NOT_RUN]))
def test_what_is_not_run_names_what_there_is(command: str) -> None:
    words = shlex.split(meant(command))
    words = words[1:] if "=" in words[0] else words
    if words[0] == "make":
        subprocess.run(
            ["make", "-n", "-o", ".venv/.installed", *words[1:]],
            cwd=ROOT, check=True, capture_output=True,
        )  # fmt: skip
        for preset in [word.partition("=")[2] for word in words if word.startswith("PRESET=")]:
            assert (ROOT / "presets" / f"{preset}.yaml").is_file()
        return
    options = [at for at, word in enumerate(words) if word.startswith("-") and word != "-m"]
    own = "-m stages" in command and words.index("-m")  # torchrun's program has options of its own
    for at in options:
        start = ["python", *words[own : own + 2]] if own and at > own else words[: options[0]]
        pattern = rf"(?<![\w-]){re.escape(words[at])}(?![\w-])"
        assert re.search(pattern, help_of(tuple(start))), f"{shlex.join(start)}: no {words[at]}"
    if not options:
        help_of(tuple(words[:3]))
