"""Results follow versions.yaml: what an edit of the code does, and what the proof finds of it."""

from __future__ import annotations

import contextlib
import importlib
import re
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from polybatch.cli import main
from polybatch.core.errors import InputError
from polybatch.sources.table import SOURCES
from polybatch.versions.code_digest import stage_digests
from polybatch.versions.record import (
    VERSIONS,
    older_code,
    older_code_message,
    read_versions,
    write_versions,
)
from tests.helpers import proof, proof_fixtures
from tests.helpers.toy_flow import make_toy, sh

ROOT = Path(__file__).parents[2]

EDITS = {  # in this order: each stage is run again on what the stages before it wrote
    "report": ("reports.html.shape", "round(100 * value, 6)", "round(99 * value, 6)"),
    "compare": ("core.markdown", "round(100 * value, 1)", "round(99 * value, 1)"),
    "evaluate": (
        "evaluation.measures",
        "found.number / found.rank",
        "found.number / (found.rank + 1)",
    ),
    "approximate": ("reports.index_page", "(pl.col(value) * 100)", "(pl.col(value) * 99)"),
    "curves": ("reports.curves", "pl.lit(name)", "pl.lit(name.upper())"),
    "fuse": ("retrieval.arm_folders", '{"constant": constant}', '{"constant": 61}'),
    "lexical": ("retrieval.tokenization", ".lower()", ""),
    "centre": (
        "retrieval.centring",
        "- own.get(lang, means.overall)",
        "+ own.get(lang, means.overall)",
    ),
    "index": ("encoders.encode", "token_limit(encoder, max_tokens)", "token_limit(encoder, 4)"),
    "merge": ("encoders.merging", "weight * one.float()", "one.float()"),
    "train": ("training.plan_trainer", "1 / training.temperature", "2 / training.temperature"),
    "batches": ("core.randomness", '(digest, "big")', '(digest, "little")'),
    "start": ("core.files", "{sha256_of(path)}\\n", "{sha256_of(path)} \\n"),
    "dapt": ("adaptation.noise", "chance.uniform(low, high)", "chance.uniform(low / 2, high)"),
    "base": ("encoders.packaged", '"norm.weight": w["ln_g"]', '"norm.weight": w["ln_g"] * 1.05'),
    "validate": ("validation.profile", ".n_unique() / items", ".n_unique() / (items + 1)"),
    "download": ("sources.cldr", "draw < _TRAIN_SHARE", "draw < _TRAIN_SHARE / 2"),
    "settings": (
        "settings.config",
        "adapted.steps if adapted else 0",
        "adapted.steps if adapted else 1",
    ),
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The proof's study, run by the code as it is."""
    folder = tmp_path_factory.mktemp("proof")
    now, before = proof.prove(folder), proof.recorded()
    found = {
        stage: proof.differences(proof.of_the_study(before[stage]), now[stage])
        for stage in proof.STAGES
    }
    assert not any(found.values()), f"`make versions` says what to do: {found}"
    return folder


def _functions(module: types.ModuleType | dict[str, object], name: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for value in list((module if isinstance(module, dict) else vars(module)).values()):
        if isinstance(value, types.FunctionType) and value.__module__ == name:
            found[value.__qualname__] = value
        if isinstance(value, type) and value.__module__ == name:
            for below in vars(value).values():
                below = getattr(below, "fget", None) or getattr(below, "__func__", below)
                if isinstance(below, types.FunctionType):
                    found[below.__qualname__] = below
    return found


@contextlib.contextmanager
def edited(name: str, old: str, new: str) -> Iterator[None]:
    """Let a module of ours do what an edited copy of its text says."""
    module = importlib.import_module(f"polybatch.{name}")
    assert module.__file__ is not None
    text = Path(module.__file__).read_text(encoding="utf-8")
    assert old in text
    copy = types.ModuleType(module.__name__)
    sys.modules[module.__name__] = copy
    try:
        exec(compile(text.replace(old, new), module.__file__, "exec"), vars(copy))
    finally:
        sys.modules[module.__name__] = module
    changed = _functions(copy, module.__name__)
    kept = {}
    for key, function in _functions(module, module.__name__).items():
        kept[key] = function.__code__  # type: ignore[attr-defined]
        function.__code__ = changed[key].__code__  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for key, function in _functions(module, module.__name__).items():
            function.__code__ = kept[key]  # type: ignore[attr-defined]


@pytest.mark.parametrize("stage", EDITS)
def test_other_arithmetic_with_the_same_number_is_found(study: Path, stage: str) -> None:
    keys = [key for key in proof.STAGES[stage] if "zero-shot" not in key and "dapt" not in key][-1:]
    with edited(*EDITS[stage]):
        now = proof.run(study, stage, keys)
    assert proof.differences(proof.of_the_study(proof.recorded()[stage]), now)


FIXTURE_EDITS = {  # a fixture, and an edit of what it alone runs
    "parser mlqa": ("sources.squad", "if start < 0 or", "if start >= 0 or"),
    "parser sib200": ("sources.sib200", "rest[1] if", "rest[0] if"),
    "adaptation mlm": ("adaptation.noise", "draw < 0.8]", "draw < 0.5]"),
    "adaptation tsdae": ("adaptation.noise", "len(found) - round(share * len(found))", "1"),
    "adaptation mlm, resumed": ("training.resume", "strict=False", "strict=False, assign=True"),
    "training GradCache": ("training.plan_trainer", "1 / training.temperature", "2.0"),
    "vectors xlm-roberta": ("encoders.encode", "prompt=prompt", 'prompt=""'),
}


@pytest.fixture(scope="module")
def fixtures() -> dict[str, proof.Outputs]:
    """What the proof's fixtures give by the code as it is; each is the one on record."""
    record = {name: value for found in proof.recorded().values() for name, value in found.items()}
    found = proof_fixtures.fixtures(proof.numbers)
    now = {name: value for each in found.values() for name, value in each.items()}
    assert not proof.differences({name: record.get(name) for name in now}, now)
    return now


@pytest.mark.parametrize("name", FIXTURE_EDITS)
def test_other_arithmetic_that_the_study_does_not_run_is_found(
    fixtures: dict[str, proof.Outputs], name: str, tmp_path: Path
) -> None:
    with edited(*FIXTURE_EDITS[name]):
        now = proof_fixtures.outcome(proof_fixtures.FIXTURES()[name], tmp_path, proof.numbers)
    assert proof.differences({name: fixtures[name]}, {name: now})


def test_an_edit_is_a_new_number_or_a_new_digest(tmp_path: Path) -> None:
    path = tmp_path / "versions.yaml"
    shutil.copy(ROOT / VERSIONS, path)
    before = read_versions(path)
    write_versions(path, {"train": "0" * 12, "download.cldr": "1" * 12}, ["train", "download.cldr"])
    after = read_versions(path)
    changed = {key for key in before.numbers if before.numbers[key] != after.numbers[key]}
    assert changed == {"train", "download.cldr"}
    assert after.numbers["train"] == before.numbers["train"] + 1
    assert older_code(path, stage_digests()) == ["train", "download.cldr"]
    assert older_code(path, stage_digests(), ["xquad-r"]) == ["train"]
    assert "# What `dvc.yaml` depends on" in path.read_text(encoding="utf-8")


def test_the_code_recorded_is_the_code_here() -> None:
    assert older_code(ROOT / VERSIONS, stage_digests()) == [], "run `make versions`"


def test_the_commands_are_the_recorded_ones() -> None:
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    known = read_versions(ROOT / VERSIONS).commands
    assert {name.partition("-")[0] for name in stages} == set(known)
    for name, stage in stages.items():
        assert stage.get("do", stage)["cmd"] == known[name.partition("-")[0]]


def test_every_stage_depends_on_its_number_and_on_no_other() -> None:
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name, stage in stages.items():
        params = stage.get("do", stage)["params"]
        numbers = [
            key
            for each in params
            if isinstance(each, dict)
            for key in each.get("versions.yaml", ())
        ]
        program = name.partition("-")[0]
        expected = {"settings": ["settings", "download"], "download": []}
        assert numbers == expected.get(name, [program])


def test_every_source_has_a_number() -> None:
    versions = read_versions(ROOT / VERSIONS)
    assert all(versions.of_source(name) >= 1 for name in SOURCES)


def test_a_source_of_ones_own_has_the_number_of_its_kind() -> None:
    versions = read_versions(ROOT / VERSIONS)
    assert versions.of_source("local-docs") == versions.numbers["download.local"]
    assert versions.of_source("xquad-r") == versions.numbers["download.xquad-r"]
    with pytest.raises(InputError, match="Add `mine: 1` below download"):
        versions.of_source("mine")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's code, to edit."""
    root = tmp_path_factory.mktemp("tree")
    for name in ("src", "flows", "inputs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "versions.yaml", "tuned.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root / name)
    (root / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", root / ".dvc" / "config")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return root


def _check(root: Path, *code: Path) -> str:
    paths = ":".join(map(str, code or [root / "src"]))
    answer = subprocess.run(
        [sys.executable, "-m", "flows.check"],
        cwd=root, env={"PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_a_docstring_or_comment_edited_in_every_file_concerns_no_stage(tree: Path) -> None:
    for path in tree.glob("src/**/*.py"):
        text = path.read_text(encoding="utf-8")
        head, quotes, rest = text.partition('"""')
        path.write_text(f"# Edited.\n{head}{quotes}Edited. {rest}\n\n# Edited.\n", encoding="utf-8")
    assert _check(tree) == ""


def test_edited_code_is_named_before_a_run(tree: Path) -> None:
    path = tree / "src" / "polybatch_stages" / "train.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("make_deterministic(trial.seed,", "make_deterministic(1,"))
    told = _check(tree)
    assert "the code of train is not what versions.yaml records" in told
    assert "make versions" in told
    assert "dvc repro -f -s train" in told
    path.write_text(text, encoding="utf-8")
    path = tree / "src" / "polybatch" / "sources" / "cldr_templates" / "sw.yaml"
    path.write_bytes(path.read_bytes() + b"\n")
    assert "the code of validate, download.cldr is not" in _check(tree)


def test_a_study_of_ones_own_is_referred_to_what_it_has(tmp_path: Path) -> None:
    root = tmp_path / "study"
    assert main(["init", str(root)]) == 0
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    write_versions(root / VERSIONS, dict.fromkeys(stage_digests(), "0" * 12))
    told = _check(root, ROOT / "src", ROOT)
    assert "`polybatch upgrade --pipeline`" in told
    assert "make " not in told


def test_the_command_of_the_message_runs_its_stage_and_none_before_it(tmp_path: Path) -> None:
    root = make_toy(tmp_path, ("a",))
    sh(root, "dvc", "repro", "evaluate")
    (command,) = re.findall("`(dvc .*?)`", older_code_message(["evaluate"], repository=True))
    told = sh(root, *command.split())
    assert re.findall(r"^Running stage '(.*)'", told, re.MULTILINE) == ["evaluate@a"]
