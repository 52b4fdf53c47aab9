"""Which stages an edit of params.yaml reruns: every key, and the stages that depend on it.

Written down in EXPECTED; found by what dvc.yaml lists and by what the stage `settings` writes then.
What follows a stage reruns only if the stage's outputs are other ones.
"""

from __future__ import annotations

import copy
import io
import json
import re
import runpy
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from polybatch.core.errors import InputErrorList
from polybatch.settings.load import checked
from polybatch.settings.params_file import ParamsFile
from polybatch.settings.strategies import ARM_SECTIONS

ROOT = Path(__file__).parents[2]
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
PARAMS = YAML(typ="safe").load((ROOT / "tests/golden/study.yaml").read_text(encoding="utf-8"))
PARAMS["datasets"] = {n: row | {"heldout_share": 0.2} for n, row in PARAMS["datasets"].items()}
PARAMS["strategies"]["hybrid"]["training"] = dict(PARAMS["training"])
ADAPTED = "dapt compare report"
EXPECTED = {  # besides `settings`, which reads the whole file in half a second
    "study.name": "compare report",
    "study.seeds": "start merge centre fuse curves compare report",
    "study.threads": "dapt train index centre approximate",
    "study.workers": "",
    "study.baseline": "compare report",
    "study.focus": "approximate compare report",
    "sources.*.*": "download validate",
    "datasets.*.*": "validate compare",
    "validation.*": "validate",
    "encoder.name": "base dapt compare",
    "encoder.revision": "base dapt",
    "encoder.pooling": "base",
    "encoder.*_prompt": "base dapt train index centre",
    "encoder.*_length": "base dapt train index centre",
    "encoder.batch_texts": "",
    "encoder.precision": "index centre",
    "encoder.folder": "base",
    "batches.batch_pairs": "batches train",
    "batches.*": "batches",
    "training.*_every": "",
    "training.*": "train",
    "dapt.*_every": "",
    "dapt.transductive": f"validate {ADAPTED}",
    "dapt.*": ADAPTED,
    "evaluation.measures": "evaluate compare report",
    "evaluation.run_depth": "evaluate",
    "statistics.*": "compare",
    "strategies.dapt-mono.start": f"start {ADAPTED} curves",  # the only one from dapt
    "strategies.*.start": "start curves compare report",
    "strategies.hybrid.training.*_every": "curves compare report",
    "strategies.hybrid.training.*": "train curves compare report",
    "strategies.*.*": "batches curves compare report",
    "merges.*.*": "merge compare report",
    "centred.*.*": "centre compare report",
    "lexical.*.*": "lexical compare report",
    "fusions.*.*": "fuse compare report",
    "external.*.*": "external compare report",
    "index.*": "approximate",
    "flow.*": "",
    "schedule.*": "",
    "notify.*": "",
}
WORDS = ("bf16", "fp32", "mean", "report", "remove", "train", "all", "heldout", "evaluate", "text",
         "mono", "crop", "tsdae", "mlm", "equal", "pairs", "item", "skip", "wait", "UTC", "hybrid",
         "AP", "nDCG@10", "base", "dapt", "1 2 3 4 5", "x", "inputs/faq", "use-multilingual",
         "vectors", "global", "bm25", "flat", "nprobe=2", "xquad-r", "local", "zero-shot", "x-y",
         "ray", "Africa/Lagos", "https://example.org/a")  # fmt: skip


def _leaves(value: Any, key: str = "") -> Iterator[str]:
    for name, below in value.items():
        here = f"{key}.{name}" if key else str(name)
        yield from _leaves(below, here) if isinstance(below, dict) else [here]


def _at(value: Any, key: str) -> Any:
    for part in key.split(".") if key else ():
        value = value[part]
    return value


def _others(value: Any) -> Iterator[Any]:
    """Yield other values of the same kind, one of which may be valid."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield from (value + 1, value * 2, value / 2, value * 0.9, value + 0.1, 0, 1)
    elif isinstance(value, list):
        yield from (value[:-1], [*value, value[-1]], [5], [each for each in value if each != "en"])
    else:
        yield from (*WORDS, 0.5)


def _keys(body: Any) -> list[str]:
    """Return the keys of params.yaml that a stage of dvc.yaml lists."""
    listed = [each for each in body["params"] if isinstance(each, str)]
    files = [each for each in body["params"] if not isinstance(each, str)]
    return listed + [key for each in files for key in each.get("params.yaml", ())]


def _listed(key: str) -> set[str]:
    """Return the stages whose `params` or templated `deps` in dvc.yaml have this key."""
    found = set()
    for name, stage in STAGES.items():
        body = stage.get("do", stage)
        listed = _keys(body) + re.findall(r"\$\{(encoder\.\w+)\}", " ".join(body.get("deps", [])))
        forms = [re.sub(r"\$\{[^}]*\}", "*", each) for each in listed]
        if any(fnmatchcase(key, form) or fnmatchcase(key, f"{form}.*") for form in forms):
            found.add(name.partition("-")[0])  # index, of index-merges
    return found


def _settings(folder: Path, params: Any) -> dict[str, bytes]:
    """Return what the stage `settings` writes of params; SystemExit if they are none."""
    (folder / "params.yaml").write_text(json.dumps(params), encoding="utf-8")  # is YAML, too
    with redirect_stdout(io.StringIO()):
        runpy.run_module("polybatch_stages.settings", run_name="__main__", alter_sys=True)
    files = (folder / "data" / "settings").rglob("*.json")
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in files}


def _reading(files: set[str]) -> set[str]:
    """Return the stages that depend on any of these files."""
    found = set()
    for name, stage in STAGES.items():
        deps = [re.sub(r"\$\{[^}]*\}", "*", each) for each in stage.get("do", stage)["deps"]]
        if any(fnmatchcase(file, dep) for file in files for dep in deps if dep != "*"):
            found.add(name.partition("-")[0])  # index, of index-merges
    return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    numbers = (ROOT / "versions.yaml").read_text(encoding="utf-8").partition("\ncommands:")[0]
    text = f"{numbers}\ncommands: {{}}\ncode: {{}}\n"  # which `settings` does not look at
    (tmp_path / "versions.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["settings"])
    return tmp_path


def test_params_and_the_table_have_the_same_keys() -> None:
    """So that the table covers what a study may say, whatever the small study here is."""
    whole = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    named = ("sources", "datasets", *ARM_SECTIONS)

    def keys(params: Any) -> set[str]:
        leaves = [each.split(".") for each in _leaves(params)]
        return {".".join([each[0], *each[2:]] if each[0] in named else each) for each in leaves}

    assert keys(PARAMS) - keys(whole) == OPTIONAL
    assert keys(whole) <= keys(PARAMS)
    for key in _leaves(whole):
        assert any(fnmatchcase(key, form) for form in EXPECTED), key


def test_each_key_reruns_what_is_written_down(here: Path) -> None:
    before, untried = _settings(here, PARAMS), set()
    for key in _leaves(PARAMS):
        expected = next(value for form, value in EXPECTED.items() if fnmatchcase(key, form))
        found = _listed(key)
        after = _after(here, key)
        if after is None:
            untried.add(key)
            assert found <= set(expected.split()), key
            continue
        found |= _reading({each for each in before | after if before.get(each) != after.get(each)})
        assert found == set(expected.split()), key
    assert untried == UNTRIED, sorted(untried)


def _after(here: Path, key: str) -> dict[str, bytes] | None:
    """Return what `settings` writes with another value of a key; None where no other is valid."""
    for value in _others(_at(PARAMS, key)):
        params = copy.deepcopy(PARAMS)
        _at(params, key.rpartition(".")[0])[key.rpartition(".")[2]] = value
        if value != _at(PARAMS, key) and _is_study(params):
            return _settings(here, params)
    return None


def _is_study(params: Any) -> bool:
    """Return whether these values are a study: without YAML, which takes most of the time."""
    try:
        checked(ParamsFile(Path("params.yaml"), json.loads(json.dumps(params))))
    except InputErrorList:
        return False
    return True


OPTIONAL = {
    *("external.folder", "external.form"),
    *(f"index.{key}" for key in PARAMS["index"]),
    *(f"strategies.training.{key}" for key in PARAMS["training"]),
}
"""Keys that the default study does without."""

UNTRIED = {
    *("dapt.heldout_share", "dapt.log_every", "dapt.texts", "encoder.pooling", "encoder.revision"),
    *(f"datasets.cldr-{use}.{key}" for use in ("train", "test") for key in ("source", "splits")),
    *("datasets.cldr-train.use", "datasets.cldr-test.use", "strategies.hybrid.batches"),
    *("sources.cldr.languages", "sources.cldr.splits"),
    *("strategies.hybrid.start", "strategies.x-y.start"),  # of one merge
}
"""Keys that have to agree with others: one edit alone makes no study."""


@pytest.mark.parametrize(
    ("section", "name", "like", "stages"),
    [
        ("strategies", "x-y-2", "x-y", {"curves", "compare", "report"}),
        ("merges", "another", "merge", {"compare", "report"}),
        ("centred", "another", "hybrid-centred", {"compare", "report"}),
        ("lexical", "another", "bm25", {"compare", "report"}),
        ("fusions", "another", "bm25-hybrid", {"compare", "report"}),
        ("external", "another", "ours", {"compare", "report"}),
        ("sources", "xquad-r", "cldr", {"validate"}),
        ("datasets", "more", "cldr-train", {"validate", "compare", "batches", "centre"}),
    ],
)
def test_a_new_row_retrains_nothing_that_is_there(
    here: Path, section: str, name: str, like: str, stages: set[str]
) -> None:
    before = _settings(here, PARAMS)
    params = copy.deepcopy(PARAMS)
    params[section][name] = params[section][like]
    if section == "sources":
        params[section][name] = {"languages": ["de", "en"], "splits": ["test"]}
    after = _settings(here, params)
    whole = {stage for stage, body in STAGES.items() if section in _keys(body.get("do", body))}
    assert whole | _reading({file for file in before if before[file] != after[file]}) == stages


ARM: dict[str, Any] = {"score": 0.5, "edges": [], "trials": [], "curve": []}
TUNING = {
    **{"measure": "AP", "seeds": {"settings": 0, "training": 0}, "trials": 1, "trial_steps": 6},
    **{"steps": 6, "margin": 0.5, "zero_shot": 0.4, "datasets": {}},
    "strategies": {
        "x-y": ARM | {"values": {"temperature": 0.05}},
        "hybrid": ARM | {"values": {"temperature": 0.05, "cross_ratio": 0.5}},
    },
    "adaptation": ARM | {"values": {"learning_rate": 2e-5}},
}


@pytest.mark.parametrize(
    ("key", "value", "stages"),
    [
        ("strategies.x-y.values.temperature", 0.1, {"train"}),
        ("strategies.hybrid.values.cross_ratio", 0.25, {"batches"}),
        ("strategies.x-y.trials", [{"values": {"temperature": 0.05}, "score": 0.5}], set()),
        ("strategies.x-y.score", 0.6, set()),
        ("adaptation.values.learning_rate", 3e-5, set(ADAPTED.split())),
        ("steps", 3, set()),
    ],
)
def test_tuned_values_rerun_the_strategy_that_they_are_of(
    here: Path, key: str, value: Any, stages: set[str]
) -> None:
    params, tuned = copy.deepcopy(PARAMS), copy.deepcopy(TUNING)
    params["study"]["tuned"] = "tuning"
    del params["strategies"]["hybrid"]["training"], params["strategies"]["hybrid"]["cross_ratio"]
    found = []
    for changed in (False, True):
        if changed:
            _at(tuned, key.rpartition(".")[0])[key.rpartition(".")[2]] = value
        (here / "tuned.yaml").write_text(json.dumps({"tuning": tuned}), encoding="utf-8")
        found.append(_settings(here, params))
    before, after = found
    other = {file for file in before if before[file] != after[file]}
    assert _reading(other) == stages
    own = f"/{key.split('.')[1]}.json" if key.startswith("strategies") else ".json"
    assert all(file.endswith(own) for file in other)
    assert "tuned.yaml" in STAGES["settings"]["deps"]


def test_no_section_dapt_is_dapt_null(here: Path) -> None:
    params = copy.deepcopy(PARAMS)
    params["strategies"] = {k: v for k, v in PARAMS["strategies"].items() if v["start"] == "base"}
    unused = _settings(here, params)
    params["dapt"] = None
    null = _settings(here, params)
    del params["dapt"]
    assert _settings(here, params) == null == unused
    assert null["data/settings/adaptation.json"] == b"null\n"
