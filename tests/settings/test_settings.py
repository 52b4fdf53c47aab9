"""params.yaml as it is read: rows, seeds, budgets, and sections that may be left out."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from polybatch.core.errors import InputErrorList
from polybatch.settings import (
    batches,
    data,
    encoder,
    evaluation,
    statistics,
    study,
    training,
)
from polybatch.settings.load import load
from polybatch.settings.load import schema as load_schema
from tests.helpers.params import DEFAULT, ROOT, beside_tuned, edit, mistakes, written


@pytest.mark.parametrize(
    "path",
    [ROOT / "params.yaml", *sorted((ROOT / "tests/golden/presets").glob("*.yaml"))],
    ids=lambda path: path.name,
)
def test_every_study_of_the_repository_is_valid(path: Path, tmp_path: Path) -> None:
    config = load(beside_tuned(tmp_path, path))
    assert config.study.baseline in config.arms
    assert all(dataclasses.is_dataclass(strategy) for strategy in config.strategies.values())


def _without_adaptation(section: str) -> str:
    begin, end = DEFAULT.index("\ndapt:") + 1, DEFAULT.index("\nevaluation:") + 1
    rows, after = DEFAULT.index("  dapt:\n"), DEFAULT.index("\n# Rows without a training")
    text = DEFAULT[:begin] + section + DEFAULT[end:rows] + DEFAULT[after:]
    return re.sub(r"    - dapt.* - .*\n", "", text)


def test_no_section_dapt_is_the_same_as_null(tmp_path: Path) -> None:
    absent = load(written(tmp_path, _without_adaptation("")))
    assert absent.dapt is None
    assert absent == load(written(tmp_path, _without_adaptation("dapt: null\n")))
    without = DEFAULT[: DEFAULT.index("\ndapt:")] + DEFAULT[DEFAULT.index("\nevaluation:") :]
    assert "strategies that start from it" in mistakes(tmp_path, without)[0]


def test_a_section_that_no_strategy_starts_from_adapts_nothing(tmp_path: Path) -> None:
    section = DEFAULT[DEFAULT.index("\ndapt:") + 1 : DEFAULT.index("\nevaluation:") + 1]
    unused = load(written(tmp_path, _without_adaptation(section)))
    assert unused.dapt == load(written(tmp_path, DEFAULT)).dapt
    assert unused.adaptation is None
    matched = _without_adaptation(section).replace("match_budget: false", "match_budget: true")
    assert "no strategy starts from dapt" in mistakes(tmp_path, matched)[0]


def test_held_out_parts_of_one_source_may_stand_on_both_sides(tmp_path: Path) -> None:
    text = edit(
        ("part: all\n    heldout_share: 0.0", "part: train\n    heldout_share: 0.2"),
        (
            "splits: [test]\n    part: all\n    heldout_share: 0.0",
            "splits: [train]\n    part: heldout\n    heldout_share: 0.2",
        ),
    )
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    assert load(path).datasets["cldr-test"].part == "heldout"
    path.write_text(text.replace("heldout_share: 0.2", "heldout_share: 0.3", 1), encoding="utf-8")
    with pytest.raises(InputErrorList, match="trains on"):
        load(path)


def test_every_number_that_decides_a_result_has_to_stand_in_the_file() -> None:
    for kind in (
        study.StudySettings,
        batches.BatchSettings,
        training.TrainingSettings,
        evaluation.EvaluationSettings,
        statistics.StatisticsSettings,
        encoder.EncoderSettings,
        data.DatasetSettings,
        data.ValidationSettings,
    ):
        for field in dataclasses.fields(kind):
            # what DVC watches; a tuning that a study may name
            if field.name not in ("folder", "tuned"):
                assert field.default is dataclasses.MISSING, f"{kind.__name__}.{field.name}"


def test_steps_are_matched_where_they_are_of_one_size_alone(tmp_path: Path) -> None:
    """40 steps of 16 texts are half of what 40 steps of 32 pairs see."""
    text = DEFAULT.replace("match_budget: false", "match_budget: true")
    assert load(written(tmp_path, text)).budgets == (80, 120)
    other = text.replace("batch_texts: 32 ", "batch_texts: 16 ").replace(
        "  batch_texts: 32\n", "  batch_texts: 16\n"
    )
    (found,) = mistakes(tmp_path, other)
    assert "batches.match_budget: found true, with steps of 16 texts (dapt.batch_texts)" in found
    load(written(tmp_path, other.replace("match_budget: true", "match_budget: false")))


def test_match_budget_gives_strategies_without_adaptation_its_steps(tmp_path: Path) -> None:
    config = load(written(tmp_path, DEFAULT.replace("match_budget: false", "match_budget: true")))
    assert config.dapt is not None
    more = config.batches.steps + config.dapt.steps
    assert {name: config.batches_of(name).steps for name in ("mono", "hybrid", "dapt-mono")} == {
        "mono": more,
        "hybrid": more,
        "dapt-mono": config.batches.steps,
    }
    assert load(written(tmp_path, DEFAULT)).batches_of("mono").steps == config.batches.steps


def test_a_budget_of_nothing_is_not_matched(tmp_path: Path) -> None:
    text = DEFAULT.replace("match_budget: false", "match_budget: true")
    begin, end = text.index("\ndapt:") + 1, text.index("\nevaluation:") + 1
    rows, after = text.index("  dapt:\n"), text.index("\n# Rows without a training")
    text = text[:begin] + "dapt: null\n\n" + text[end:rows] + text[after:]
    told = mistakes(tmp_path, text)
    assert [line for line in told if "batches.match_budget" in line and "dapt: null" in line]


def test_a_strategy_changes_what_it_trains_with_and_nothing_of_the_others(tmp_path: Path) -> None:
    own = "batches: cross\n    training: {temperature: 0.1, learning_rate: 1e-4}\n"
    config = load(written(tmp_path, edit(("batches: cross\n", own))))
    assert config.training_of("mono") == config.training
    assert config.training_of("cross") == dataclasses.replace(
        config.training, temperature=0.1, learning_rate=1e-4
    )


def test_every_training_setting_can_be_changed_within_the_same_range() -> None:
    known = load_schema()["$defs"]
    whole, changes = (known[name]["properties"] for name in ("TrainingSettings", "TrainingChanges"))
    assert list(whole) == list(changes)
    for name, value in whole.items():
        own = {k: v for k, v in changes[name].items() if k not in ("anyOf", "default", "title")}
        assert {k: v for k, v in value.items() if k != "title"} == own | changes[name]["anyOf"][0]


def test_arms_are_all_rows_in_the_order_of_the_file(tmp_path: Path) -> None:
    fusion = "bm25-merge: {first: bm25, second: merge, constant: 1}"
    text = edit(
        ("seeds: [0]", "seeds: [3, 5]"),
        ("external: {}", "external: {ours: {folder: inputs/ours, form: runs}}"),
        ("  bm25-hybrid:", f"  {fusion}\n  bm25-hybrid:"),
    )
    config = load(written(tmp_path, text))
    assert list(config.arms)[-8:] == [
        *("dapt-hybrid", "merge", "zero-shot-centred", "hybrid-centred", "bm25"),
        *("bm25-merge", "bm25-hybrid", "ours"),
    ]
    seeds = {name: [trial.seed for trial in config.trials_of(name)] for name in config.arms}
    assert {name for name, found in seeds.items() if found == [3]} == {"bm25", "ours"}
    assert seeds["bm25-merge"] == [3, 5]
    fused = config.trials_of("bm25-merge")[1]
    assert [str(part) for part in config.parts_of(fused)] == ["bm25-3", "merge-5"]


@pytest.mark.parametrize("name", ["bm25", "bm25-hybrid", "merge", "hybrid-centred"])
def test_the_baseline_and_the_focus_may_be_any_row(tmp_path: Path, name: str) -> None:
    text = edit(("baseline: mono", f"baseline: {name}"), ("focus: hybrid", f"focus: {name}"))
    assert load(written(tmp_path, text)).study.focus == name


def test_a_section_of_rows_has_to_stand_in_the_file_as_dvc_reads_it(tmp_path: Path) -> None:
    for section in ("merges", "centred", "lexical", "fusions", "external"):
        text = DEFAULT.replace(f"\n{section}:", f"\n# {section}:")
        assert any(f" {section}: found nothing" in one for one in mistakes(tmp_path, text))
