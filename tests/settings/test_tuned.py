"""What `tuning` and tuned.yaml may say, and that nothing is ever tuned on what is evaluated."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from polybatch.core.errors import InputError, InputErrorList
from polybatch.settings.config import Config
from polybatch.settings.load import load
from polybatch.settings.tuned import TUNED as FILE
from polybatch.settings.tuned import read_tuned, tuned_remarks

ROOT = Path(__file__).parents[2]
TUNE = YAML(typ="safe").load((ROOT / "tests/golden/presets/tune-mlqa.yaml").read_text("utf-8"))
XQUAD = YAML(typ="safe").load((ROOT / "tests/golden/presets/xquad-r.yaml").read_text("utf-8"))
XQUAD["study"]["tuned"] = None
for _name in ("hybrid", "dapt-hybrid"):
    XQUAD["strategies"][_name]["cross_ratio"] = 0.5
MLQA_R = YAML(typ="safe").load((ROOT / "tests/golden/presets/mlqa-r.yaml").read_text("utf-8"))
ARM = {"score": 0.5, "edges": [], "trials": [], "curve": []}
TUNED = {
    "tune-mlqa": {
        "measure": "AP",
        "seeds": {"settings": 0, "training": 0},
        **{"trials": 6, "trial_steps": 150, "steps": 100, "margin": 0.5, "zero_shot": 0.4},
        "datasets": TUNE["datasets"],
        "strategies": {
            "mono": ARM | {"values": {"learning_rate": 5e-4, "temperature": 0.03}},
            "hybrid": ARM | {"values": {"learning_rate": 1e-4, "cross_ratio": 0.75}},
        },
        "adaptation": ARM | {"values": {"learning_rate": 5e-5, "steps": 7}},
    }
}


def _load(folder: Path, params: Any, tuned: Any = None) -> Config:
    for name, value in (("params", params), ("tuned", tuned)):
        if value is not None:
            with (folder / f"{name}.yaml").open("w", encoding="utf-8") as stream:
                YAML().dump(value, stream)
    return load(folder / "params.yaml")


def _with(params: Any, *changes: tuple[str, Any]) -> Any:
    found = copy.deepcopy(params)
    for key, value in changes:
        *above, last = key.split("/")
        place = found
        for part in above:
            place = place[part]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return found


def test_the_preset_tunes_and_trains_nothing_it_scores_on(tmp_path: Path) -> None:
    config = _load(tmp_path, TUNE)
    assert config.tuning is not None
    assert [data.part for data in config.used_for("evaluate").values()] == ["heldout"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([("datasets/mlqa-heldout/part", "all"), ("datasets/mlqa-heldout/heldout_share", 0.0)],
         r"datasets.mlqa-heldout: found an evaluation dataset \(mlqa, part: all\)"),
        ([("sources/xquad-r", XQUAD["sources"]["xquad-r"]),
          ("datasets/xquad-r", XQUAD["datasets"]["xquad-r"])],
         r"datasets.xquad-r: found an evaluation dataset \(xquad-r, part: all\) that tuning would"),
        ([("datasets/mlqa-heldout/splits", ["test"])], "datasets.mlqa-heldout: found .*part: held"),
        ([("tuning/trials", 28)], r"tuning.training: found 27 different settings, .*\(28\)"),
        ([("tuning/training/learning_rate", [1e-4, 1e-4])], "tuning.training.learning_rate"),
        ([("tuning/training/learning_rat", [1e-4])], "Did you mean 'learning_rate'"),
        ([("tuning/training/temperature", [0.0])], "tuning.training.temperature"),
        ([("tuning/adaptation", None)], "tuning.adaptation: found nothing"),
        ([("tuning/curve", [])], "tuning.curve"),
        ([("study/tuned", "tune-mlqa")], "study.tuned: found 'tune-mlqa' in a study that tunes"),
        ([("strategies", {"zero-shot": TUNE["strategies"]["zero-shot"]})], "no strategy that is"),
        ([("strategies/hybrid/batches", "mono"), ("strategies/hybrid/cross_ratio", None),
          ("strategies/dapt-hybrid", None)], "tuning.cross_ratio: found values"),
    ],
)  # fmt: skip
def test_a_search_that_would_not_be_fair_or_honest_is_refused(
    tmp_path: Path, changes: list[tuple[str, Any]], says: str
) -> None:
    with pytest.raises(InputErrorList, match=says):
        _load(tmp_path, _with(TUNE, *changes))


def test_a_study_takes_what_was_chosen_and_its_own_words_go_first(tmp_path: Path) -> None:
    own = {"temperature": 0.2}
    params = _with(
        XQUAD,
        ("study/tuned", "tune-mlqa"),
        ("strategies/mono/training", own),
        ("strategies/hybrid/cross_ratio", None),
    )
    config = _load(tmp_path, params, TUNED)
    mono, hybrid, cross = (config.training_of(name) for name in ("mono", "hybrid", "cross"))
    assert (mono.learning_rate, mono.temperature) == (5e-4, 0.2)
    assert (hybrid.learning_rate, config.strategies["hybrid"].cross_ratio) == (1e-4, 0.75)
    assert config.strategies["dapt-hybrid"].cross_ratio == 0.5
    assert cross == config.training  # which no trial was made of
    assert config.dapt is not None
    assert (config.dapt.learning_rate, config.dapt.steps) == (5e-5, 7)
    assert config.dapt.rows_learning_rate == XQUAD["dapt"]["rows_learning_rate"]


def test_a_study_that_names_no_tuning_is_as_it_was(tmp_path: Path) -> None:
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    for folder in (alone, beside):
        folder.mkdir()
    assert _load(alone, XQUAD) == _load(beside, XQUAD, TUNED)


def test_settings_chosen_on_what_a_study_evaluates_are_refused(tmp_path: Path) -> None:
    """MLQA-R asks questions of MLQA; a held-out part of the tuning is in it, too."""
    with pytest.raises(
        InputError, match=r"datasets.mlqa-r: found questions that the tuning 'tune-"
    ):
        _load(tmp_path, _with(MLQA_R, ("study/tuned", "tune-mlqa")), TUNED)
    again = _with(TUNE, ("tuning", None), ("study/tuned", "tune-mlqa"))
    with pytest.raises(InputError, match=r"datasets.mlqa-heldout: found questions"):
        _load(tmp_path, again, TUNED)


def test_a_tuning_that_is_not_there_is_named(tmp_path: Path) -> None:
    params = _with(XQUAD, ("study/tuned", "tune-mlq"))
    with pytest.raises(InputError, match=r"no tuning 'tune-mlq'.* Did you mean 'tune-mlqa'\?"):
        _load(tmp_path, params, TUNED)
    with pytest.raises(InputError, match=r"none yet.*make repro PRESET=tune-mlq"):
        _load(tmp_path, params, {})
    params = _with(
        XQUAD, ("study/tuned", "tune-mlqa"), ("strategies/dapt-hybrid/cross_ratio", None)
    )
    with pytest.raises(InputError, match=r"strategies.dapt-hybrid.cross_ratio: found nothing"):
        _load(tmp_path, params, TUNED)


def test_a_tuning_of_another_encoder_is_refused(tmp_path: Path) -> None:
    params = _with(XQUAD, ("study/tuned", "tune-mlqa"))
    name = params["encoder"]["name"]
    _load(tmp_path, params, _with(TUNED, ("tune-mlqa/encoder", name)))
    with pytest.raises(InputError, match=rf"encoder.name: found '{name}' .*'tune-mlqa' .* 'e5'"):
        _load(tmp_path, params, _with(TUNED, ("tune-mlqa/encoder", "e5")))


@pytest.mark.parametrize(
    ("key", "here", "there"),
    [
        ("encoder/revision", "", "a" * 40),
        ("encoder/query_prompt", "", "query: "),
        ("encoder/document_prompt", "", "passage: "),
        ("batches/batch_pairs", 64, 512),
        ("dapt/objective", "crop", "tsdae"),
    ],
)
def test_a_tuning_made_with_something_else_is_refused(
    tmp_path: Path, key: str, here: object, there: object
) -> None:
    params, last = _with(XQUAD, ("study/tuned", "tune-mlqa")), key.split("/")[1]
    _load(tmp_path, params, _with(TUNED, (f"tune-mlqa/{last}", here)))
    says = rf"{key.replace('/', '.')}: found '{here}' .*'tune-mlqa' chose for '{there}'"
    with pytest.raises(InputError, match=says):
        _load(tmp_path, params, _with(TUNED, (f"tune-mlqa/{last}", there)))


def test_what_a_tuning_was_made_with_matters_where_its_values_are_taken(tmp_path: Path) -> None:
    other = [("tune-mlqa/batch_pairs", 512), ("tune-mlqa/objective", "tsdae")]
    rows = {name: XQUAD["strategies"][name] for name in ("zero-shot", "cross")}
    params = _with(XQUAD, ("study/tuned", "tune-mlqa"), ("strategies", rows), ("merges", {}),
                   ("centred", {}), ("fusions", {}), ("lexical", {}), ("dapt", None),
                   ("study/baseline", "zero-shot"), ("study/focus", "cross"),
                   ("batches/match_budget", False), ("statistics/contrasts", []))  # fmt: skip
    config = _load(tmp_path, params, _with(TUNED, *other))
    assert config.training_of("cross") == config.training


def test_a_line_before_a_run_says_which_keys_the_tuning_replaces(tmp_path: Path) -> None:
    assert tuned_remarks(_load(tmp_path, XQUAD, TUNED), tmp_path / FILE) == []
    rows = ("zero-shot", "mono", "hybrid", "cross", "dapt-hybrid")
    strategies = {name: XQUAD["strategies"][name] for name in rows}
    params = _with(XQUAD, ("study/tuned", "tune-mlqa"), ("strategies", strategies),
                   ("merges", {}), ("centred", {}), ("fusions", {}),
                   ("statistics/contrasts", ["hybrid - mono"]))  # fmt: skip
    assert tuned_remarks(_load(tmp_path, params, TUNED), tmp_path / FILE) == [
        "training.learning_rate, training.temperature, dapt.learning_rate, dapt.steps are those of"
        " tuned.yaml ('tune-mlqa'), not of params.yaml; not of cross, dapt-hybrid, which it has"
        " nothing of"
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [("tune-mlqa/strategies/mono/values/learning_rate", "fast"), ("tune-mlqa/steps", None),
     ("tune-mlqa/more", 1)],
)  # fmt: skip
def test_a_file_of_another_form_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    params = _with(XQUAD, ("study/tuned", "tune-mlqa"))
    with pytest.raises(InputError, match=f"tuned.yaml {key.replace('/', '.')}: found "):
        _load(tmp_path, params, _with(TUNED, (key, value)))


def test_the_committed_file_is_whole_and_names_the_encoders_of_the_presets() -> None:
    for name, tuned in read_tuned(ROOT / "tuned.yaml").items():
        path = ROOT / f"tests/golden/presets/{name}.yaml"
        params = YAML(typ="safe").load(path.read_text("utf-8"))
        keys = ("name", "revision", "query_prompt", "document_prompt")
        assert [params["encoder"][key] for key in keys] == [
            tuned.encoder, tuned.revision, tuned.query_prompt, tuned.document_prompt
        ]  # fmt: skip
        assert params["batches"]["batch_pairs"] == tuned.batch_pairs
        assert params["dapt"]["objective"] == tuned.objective
