"""params.yaml: what is accepted, and every mistake told at once with its line."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from polybatch.core.errors import InputError, InputErrorList
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

ROOT = Path(__file__).parents[2]
DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def _mistakes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputErrorList) as caught:
        load(path)
    return [str(error) for error in caught.value.errors]


def _edit(*edits: tuple[str, str]) -> str:
    text = DEFAULT
    for old, new in edits:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize(
    "path",
    [ROOT / "params.yaml", *sorted((ROOT / "tests/golden/presets").glob("*.yaml"))],
    ids=lambda path: path.name,
)
def test_every_study_of_the_repository_is_valid(path: Path) -> None:
    config = load(path)
    assert config.study.baseline in config.arms
    assert all(dataclasses.is_dataclass(strategy) for strategy in config.strategies.values())


@pytest.mark.parametrize(
    ("old", "new", "where", "says"),
    [
        ("seeds: [0]", "seed: 0", "study.seed", "Did you mean 'seeds'"),
        ("  log_every: 10\n", "", "training.log_every", "nothing"),
        ("learning_rate: 2e-4", "learning_rate: fast", "training.learning_rate", "a number"),
        ("seeds: [0]", "seeds: [true]", "study.seeds", "a whole number"),
        ("seeds: [0]", "seeds: [0.5]", "study.seeds", "a whole number"),
        ("seeds: [0]", "seeds: 0", "study.seeds", "a list of whole numbers"),
        ("seeds: [0]", "seeds: []", "study.seeds", "a list of whole numbers"),
        ("seeds: [0]", "seeds: [-1]", "study.seeds", "between 0 and"),
        ("seeds: [0]", "seeds: [1, 1]", "study.seeds", "no number twice"),
        ("temperature: 0.05", "temperature: 0", "training.temperature", "between"),
        ("batch_pairs: 32", "batch_pairs: 1", "batches.batch_pairs", "between"),
        (
            "batches: hybrid",
            "batches: hybird",
            "strategies.hybrid.batches",
            "Did you mean 'hybrid'",
        ),
        ("    cross_ratio: 0.5\n", "", "strategies.hybrid.cross_ratio", "nothing"),
        (
            "batches: cross\n",
            "batches: cross\n    cross_ratio: 0.5\n",
            "strategies.cross.cross_ratio",
            "no such key",
        ),
        ("splits: [test]", "splits: [train]", "datasets.cldr-test", "trains on"),
        ("baseline: mono", "baseline: none", "study.baseline", "a strategy of this file"),
        ("R@100]", "Recall@100]", "evaluation.measures", "R@k"),
        ("languages: [ar,", "languages: [arabic,", "sources.cldr.languages", "BCP-47"),
        ("    use: evaluate", "    use: train", "datasets", "use: evaluate"),
        ("    source: cldr\n", "    source: clrd\n", "datasets.cldr-train.source", "a source of"),
        ("  hybrid:\n", "  size:\n", "strategies.size", "DVC does not see"),
        ("splits: [test]", "splits: test", "datasets.cldr-test.splits", "a list of words"),
        ("leakage: remove", "leakage: forget", "validation.leakage", "one of remove, fail, report"),
        ("  max_rejected: 0.05", "  max_rejectd: 0.05", "validation.max_rejectd", "max_rejected"),
        ("near_duplicate: 1.0", "near_duplicate: 0.2", "validation.near_duplicate", "between"),
        (
            "folder: inputs/none    # none of mine",
            "folder: ../elsewhere",
            "sources.cldr.folder",
            "below inputs/",
        ),
        ("log_every: 10", "log_every: 30", "training.checkpoint_every", "multiple of log_every"),
        ("precision: fp32", "precision: fp16", "encoder.precision", "fp32, bf16"),
        (
            "training:\n  precision: fp32",
            "training:\n  precision: fp8",
            "training.precision",
            "fp16",
        ),
        ("pooling: as-saved", "pooling: mean", "encoder.pooling", "as-saved"),
        ('revision: ""', "revision: main", "encoder.revision", "empty"),
        ("name: use-multilingual", "name: a/b", "encoder.revision", "40 hexadecimal digits"),
        (
            "name: use-multilingual",
            "name: intfloat/multilingual-e5-base",
            "encoder.query_prompt",
            "'query: '",
        ),
        ("  hybrid:\n", "  hybrid-0.5:\n", "strategies.hybrid-0.5", "Write 'hybrid-0-5'"),
        ("  hybrid:\n", "  Hybrid:\n", "strategies.Hybrid", "Write 'hybrid'"),
        ("  hybrid:\n", "  start:\n", "strategies.start", "Write 'start-strategy'"),
        ("  cldr-test:\n", "  cldr.test:\n", "datasets.cldr.test", "Write 'cldr-test'"),
        ("  cldr:\n", "  cldr-v1.2:\n", "sources.cldr-v1.2", "Write 'cldr-v1-2'"),
        ("languages: [ar,", "languages: [mul,", "sources.cldr.languages", "several languages"),
        ("languages: [ar,", "languages: [qaa,", "sources.cldr.languages", "private use"),
        ("languages: [ar,", "languages: [iw,", "sources.cldr.languages", "Write 'he'"),
        ("languages: [ar,", "languages: [AR,", "sources.cldr.languages", "Write 'ar'"),
        ("languages: [ar,", "languages: [tl, fil,", "sources.cldr.languages", "of one language"),
        ("min_rows: 64", "min_rows: 0", "validation.min_rows", "between 1 and"),
        ("min_rows: 64", "min_rows: few", "validation.min_rows", "a whole number"),
        ("min_rows: 64", "min_rows: [1, 2]", "validation.min_rows", "a whole number"),
        ("min_rows: 64", "min_rows: {train: 8}", "validation.min_rows.evaluate", "nothing"),
        ("min_rows: 64", "min_rows: {train: 8, test: 8}", "validation.min_rows.test", "unknown"),
        (
            "min_rows: 64",
            "min_rows: {train: 0, evaluate: 1}",
            "validation.min_rows.train",
            "between 1 and",
        ),
        ("languages: [ar, de", "languages: [arab, de", "sources.cldr.languages", "'ar'"),
        ("RR@10", "MRR@10", "evaluation.measures", "Did you mean 'RR@10'"),
        ("[AP,", "[MAP,", "evaluation.measures", "Did you mean 'AP'"),
        ("nDCG@10", "ndcg@10", "evaluation.measures", "Did you mean 'nDCG@10'"),
        ("nDCG@10", "nDCG", "evaluation.measures", "Did you mean 'nDCG@10'"),
        ("R@100]", "Recall@5]", "evaluation.measures", "Did you mean 'R@5'"),
        ("R@100]", "R@0]", "evaluation.measures", "k being a number"),
        ("- hybrid - mono", "- hybird - mono", "statistics.contrasts", "Did you mean 'hybrid'"),
        ("- hybrid - mono", "- hybrid - hybrid", "statistics.contrasts", "two different names"),
        ("- hybrid - mono", "- hybrid-mono", "statistics.contrasts", "Write 'hybrid - mono'"),
        ("- hybrid - mono", "- cross - hybrid", "statistics.contrasts", "each contrast once"),
        ("- hybrid - mono", "- hybrid - cross", "statistics.contrasts", "no word twice"),
        ("- hybrid - mono", "- tfidf - mono", "statistics.contrasts", "Remove the contrast"),
        ("difference: 0.5", "difference: -1", "statistics.smallest_difference", "between 0"),
        (
            "run_depth: 100",
            "run_depth: 100\n  resamples: 9",
            "evaluation.resamples",
            "polybatch upgrade",
        ),
        ("measure: AP ", "measure: MAP ", "notify.measure", "Did you mean 'AP'"),
        ('"0 3 * * *"', '"0 3 * *"', "schedule.cron", "4 fields"),
        ('"0 3 * * *"', '"99 3 * * *"', "schedule.cron", "minute"),
        ('"0 3 * * *"', '"0 0 30 2 *"', "schedule.cron", "never fires"),
        ('"0 3 * * *"', '"0 0 31 4,6 *"', "schedule.cron", "never fires"),
        ('"0 3 * * *"', '"0 0 32 4 *"', "schedule.cron", "Bad day-of-month"),
        ('"0 3 * * *"', '"0 0 1 foo *"', "schedule.cron", "Bad month"),
        ('"0 3 * * *"', '"every night"', "schedule.cron", "2 fields"),
        ("timezone: UTC", "timezone: Afrika/Lagos", "schedule.timezone", "'Africa/Lagos'"),
        ("baseline: mono", "baseline: mno", "study.baseline", "Did you mean 'mono'"),
        ("learning_rate: 2e-4", "learning_rate: '2e-4'", "training.learning_rate", "a number"),
        ("match_budget: false", "match_budget: no", "batches.match_budget", "true or false"),
        ("match_budget: false", "match_budget: 0", "batches.match_budget", "true or false"),
        ("threads: 1", "threads: 1.0", "study.threads", "a whole number"),
        ("threads: 1", "threads: true", "study.threads", "a whole number"),
        ("threads: 1", "threads:", "study.threads", "a whole number"),
        ("  bm25: {", "  mono: {", "lexical.mono", "which strategies has too"),
        ("  bm25: {", "  BM25: {", "lexical.BM25", "Write 'bm25'"),
        ("  merge: {", "  start: {", "merges.start", "Write 'start-strategy'"),
        ("{first: mono,", "{first: mno,", "merges.merge.first", "Did you mean 'mono'"),
        ("{first: mono,", "{first: bm25,", "merges.merge.first", "of another section"),
        ("{first: mono,", "{first: cross,", "merges.merge.second", "two different rows"),
        ("{first: mono,", "{first: dapt-mono,", "merges.merge", "the same start"),
        ("weight: 0.5}", "weight: 1.5}", "merges.merge.weight", "between 0.0 and 1.0"),
        ("{of: hybrid,", "{of: bm25,", "centred.hybrid-centred.of", "strategies or merges"),
        ("{of: hybrid,", "{of: hybird,", "centred.hybrid-centred.of", "Did you mean 'hybrid'"),
        (
            "hybrid, means: global",
            "hybrid, means: all",
            "centred.hybrid-centred.means",
            "one of global, language",
        ),
        ("k1: 0.9", "k1: -1", "lexical.bm25.k1", "between 0.0"),
        ("b: 0.4", "b: 2", "lexical.bm25.b", "between 0.0 and 1.0"),
        (", second: hybrid, c", ", second: bm25, c", "fusions.bm25-hybrid.second", "two different"),
        (", second: hybrid, c", ", second: bm2, c", "fusions.bm25-hybrid.second", "mean 'bm25'"),
        (
            ", second: hybrid, c",
            ", second: bm25-hybrid, c",
            "fusions.bm25-hybrid.second",
            "of another section",
        ),
        (", constant: 60}", "}", "fusions.bm25-hybrid.constant", "nothing"),
        (
            "external: {}",
            "external: {ours: {folder: ../ours, form: runs}}",
            "external.ours.folder",
            "below inputs/",
        ),
        (
            "external: {}",
            "external: {ours: {folder: inputs/none, form: runs}}",
            "external.ours.folder",
            "below inputs/",
        ),
        (
            "external: {}",
            "external: {ours: {folder: inputs/ours, form: run}}",
            "external.ours.form",
            "Did you mean 'runs'",
        ),
        ("external: {}", "external: []", "external", "or {} for none"),
        (
            "batches: cross\n",
            "batches: cross\n    training: {temperatur: 0.1}\n",
            "strategies.cross.training.temperatur",
            "Did you mean 'temperature'",
        ),
        (
            "batches: cross\n",
            "batches: cross\n    training: {temperature: 0}\n",
            "strategies.cross.training.temperature",
            "between 0.0001",
        ),
        (
            "batches: cross\n",
            "batches: cross\n    training: {log_every: 30}\n",
            "strategies.cross.training.checkpoint_every",
            "multiple of log_every (30)",
        ),
        (
            "batches: none\n",
            "batches: none\n    training: {temperature: 0.1}\n",
            "strategies.zero-shot.training",
            "not trained",
        ),
        ("drop: null", "drop: much", "notify.drop", "a number, or null"),
        ("webhook: null", "webhook: ftp://a.org/x", "notify.webhook", "of scheme 'ftp'"),
        ("webhook: null", "webhook: https:///x", "notify.webhook", "without a host"),
        ("webhook: null", "webhook: ''", "notify.webhook", "no address of a web server"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, where: str, says: str
) -> None:
    told = [line for line in _mistakes(tmp_path, _edit((old, new))) if f" {where}:" in line]
    assert told
    assert says in told[0]
    assert "params.yaml:" in told[0]


def test_a_webhook_is_checked_and_its_address_is_not_shown(tmp_path: Path) -> None:
    good = _edit(("webhook: null", "webhook: https://hooks.example.org/T0/B0?key=secret"))
    assert load(_at(tmp_path, good)).notify.webhook
    text = good.replace("https://", "ftp://")
    assert "secret" not in "".join(_mistakes(tmp_path, text))


@pytest.mark.parametrize(
    "folder",
    [".", "..", "", "/", "/tmp", "data", "models/x", "inputs/../data", "results", "~", "./data"],
)
def test_a_folder_that_dvc_does_not_watch_is_refused(tmp_path: Path, folder: str) -> None:
    text = _edit(("    folder: inputs/none    # none of mine\n", f"    folder: '{folder}'\n"))
    assert "below inputs/" in _mistakes(tmp_path, text)[0]


def _without_adaptation(section: str) -> str:
    begin, end = DEFAULT.index("\ndapt:") + 1, DEFAULT.index("\nevaluation:") + 1
    rows, after = DEFAULT.index("  dapt:\n"), DEFAULT.index("\n# Rows without a training")
    text = DEFAULT[:begin] + section + DEFAULT[end:rows] + DEFAULT[after:]
    return re.sub(r"    - dapt.* - .*\n", "", text)


def test_no_section_dapt_is_the_same_as_null(tmp_path: Path) -> None:
    absent = load(_at(tmp_path, _without_adaptation("")))
    assert absent.dapt is None
    assert absent == load(_at(tmp_path, _without_adaptation("dapt: null\n")))
    without = DEFAULT[: DEFAULT.index("\ndapt:")] + DEFAULT[DEFAULT.index("\nevaluation:") :]
    assert "strategies that start from it" in _mistakes(tmp_path, without)[0]


def test_a_section_that_no_strategy_starts_from_adapts_nothing(tmp_path: Path) -> None:
    section = DEFAULT[DEFAULT.index("\ndapt:") + 1 : DEFAULT.index("\nevaluation:") + 1]
    unused = load(_at(tmp_path, _without_adaptation(section)))
    assert unused.dapt == load(_at(tmp_path, DEFAULT)).dapt
    assert unused.adaptation is None
    matched = _without_adaptation(section).replace("match_budget: false", "match_budget: true")
    assert "no strategy starts from dapt" in _mistakes(tmp_path, matched)[0]


def test_mistakes_stand_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = _edit(("seeds: [0]", "seeds: 0"), ("drop: null", "drop: x"), ("[AP,", "[MAP,"))
    lines = [int(line.split(":")[1].split()[0]) for line in _mistakes(tmp_path, text)]
    assert lines == sorted(lines)
    assert len(lines) >= 3


def test_the_case_of_names_with_dots_names_them_all(tmp_path: Path) -> None:
    text = _edit(("  hybrid:\n", "  hybrid-0.5:\n"), ("  cldr-test:\n", "  cldr.test:\n"))
    found = [line for line in _mistakes(tmp_path, text) if "the name" in line]
    assert [line.split(": ")[0].split()[-1] for line in found] == [
        "datasets.cldr.test",
        "strategies.hybrid-0.5",
    ]


def test_all_mistakes_are_told_together_whatever_their_kind(tmp_path: Path) -> None:
    text = _edit(
        ("seeds: [0]", "sed: 0"),
        ("batch_pairs: 32", "batch_pairs: 1"),
        ("batches: cross", "batches: crss"),
        ("splits: [test]", "splits: [train]"),
        ("learning_rate: 2e-4", "learning_rate: fast"),
    )
    told = "\n".join(_mistakes(tmp_path, text))
    for place in (
        "study.sed",
        "study.seeds",
        "batches.batch_pairs",
        "strategies.cross.batches",
        "datasets.cldr-test",
        "training.learning_rate",
    ):
        assert f" {place}:" in told


def test_the_line_is_the_line_of_the_file(tmp_path: Path) -> None:
    text = _edit(("temperature: 0.05", "temperature: hot"))
    line = 1 + text[: text.index("temperature: hot")].count("\n")
    assert f"params.yaml:{line} training.temperature" in _mistakes(tmp_path, text)[0]


@pytest.mark.parametrize("text", ["a: [1", "a: 1\na: 2\n", "\t- x: :"])
def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"params.yaml:\d+"):
        load(path)


@pytest.mark.parametrize("text", ["", "just words", "[]"])
def test_yaml_that_is_no_study_is_told(tmp_path: Path, text: str) -> None:
    assert "keys and values" in _mistakes(tmp_path, text)[0]


def test_held_out_parts_of_one_source_may_stand_on_both_sides(tmp_path: Path) -> None:
    text = _edit(
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


def _at(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_match_budget_gives_strategies_without_adaptation_its_steps(tmp_path: Path) -> None:
    config = load(_at(tmp_path, DEFAULT.replace("match_budget: false", "match_budget: true")))
    assert config.dapt is not None
    more = config.batches.steps + config.dapt.steps
    assert {name: config.batches_of(name).steps for name in ("mono", "hybrid", "dapt-mono")} == {
        "mono": more,
        "hybrid": more,
        "dapt-mono": config.batches.steps,
    }
    assert load(_at(tmp_path, DEFAULT)).batches_of("mono").steps == config.batches.steps


def test_a_budget_of_nothing_is_not_matched(tmp_path: Path) -> None:
    text = DEFAULT.replace("match_budget: false", "match_budget: true")
    begin, end = text.index("\ndapt:") + 1, text.index("\nevaluation:") + 1
    rows, after = text.index("  dapt:\n"), text.index("\n# Rows without a training")
    text = text[:begin] + "dapt: null\n\n" + text[end:rows] + text[after:]
    told = _mistakes(tmp_path, text)
    assert [line for line in told if "batches.match_budget" in line and "dapt: null" in line]


def test_a_strategy_changes_what_it_trains_with_and_nothing_of_the_others(tmp_path: Path) -> None:
    own = "batches: cross\n    training: {temperature: 0.1, learning_rate: 1e-4}\n"
    config = load(_at(tmp_path, _edit(("batches: cross\n", own))))
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
    text = _edit(
        ("seeds: [0]", "seeds: [3, 5]"),
        ("external: {}", "external: {ours: {folder: inputs/ours, form: runs}}"),
        ("  bm25-hybrid:", f"  {fusion}\n  bm25-hybrid:"),
    )
    config = load(_at(tmp_path, text))
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
    text = _edit(("baseline: mono", f"baseline: {name}"), ("focus: hybrid", f"focus: {name}"))
    assert load(_at(tmp_path, text)).study.focus == name


def test_a_section_of_rows_has_to_stand_in_the_file_as_dvc_reads_it(tmp_path: Path) -> None:
    for section in ("merges", "centred", "lexical", "fusions", "external"):
        text = DEFAULT.replace(f"\n{section}:", f"\n# {section}:")
        assert any(f" {section}: found nothing" in one for one in _mistakes(tmp_path, text))
