"""Every mistake in params.yaml is told, at once, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from polybatch.core.errors import InputError
from polybatch.settings.load import load
from tests.helpers.params import edit, mistakes, written


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
        ("near_duplicate: 1.0", "near_duplicate: 0.6", "validation.near_duplicate", "between 0.7"),
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
        ("  hybrid:\n", "  mono-0:\n", "strategies.mono-0", "Rename it"),
        ("  cldr-test:\n", "  cldr.test:\n", "datasets.cldr.test", "Write 'cldr-test'"),
        ("  cldr:\n", "  cldr-v1.2:\n", "sources.cldr-v1.2", "Write 'cldr-v1-2'"),
        ("  cldr:\n", "  lokal:\n", "sources.lokal", "Did you mean 'local'"),
        ("languages: [ar,", "languages: [mul,", "sources.cldr.languages", "several languages"),
        ("languages: [ar,", "languages: [qaa,", "sources.cldr.languages", "private use"),
        ("languages: [ar,", "languages: [iw,", "sources.cldr.languages", "Write 'he'"),
        ("languages: [ar,", "languages: [AR,", "sources.cldr.languages", "Write 'ar'"),
        ("languages: [ar,", "languages: [tl, fil,", "sources.cldr.languages", "of one language"),
        ("languages: [ar,", "languages: [zh-CN, ar,", "sources.cldr.languages", "of one language"),
        (
            "part: all\n    heldout_share: 0.0",
            "part: train\n    heldout_share: 0.0",
            "datasets.cldr-train.heldout_share",
            "a share that is held out, such as 0.2",
        ),
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
    told = [line for line in mistakes(tmp_path, edit((old, new))) if f" {where}:" in line]
    assert told
    assert says in told[0]
    assert "params.yaml:" in told[0]


def test_a_webhook_is_checked_and_its_address_is_not_shown(tmp_path: Path) -> None:
    good = edit(("webhook: null", "webhook: https://hooks.example.org/T0/B0?key=secret"))
    assert load(written(tmp_path, good)).notify.webhook
    text = good.replace("https://", "ftp://")
    assert "secret" not in "".join(mistakes(tmp_path, text))


@pytest.mark.parametrize(
    "folder",
    [".", "..", "", "/", "/tmp", "data", "models/x", "inputs/../data", "results", "~", "./data"],
)
def test_a_folder_that_dvc_does_not_watch_is_refused(tmp_path: Path, folder: str) -> None:
    text = edit(("    folder: inputs/none    # none of mine\n", f"    folder: '{folder}'\n"))
    assert "below inputs/" in mistakes(tmp_path, text)[0]


def test_mistakes_stand_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = edit(("seeds: [0]", "seeds: 0"), ("drop: null", "drop: x"), ("[AP,", "[MAP,"))
    lines = [int(line.split(":")[1].split()[0]) for line in mistakes(tmp_path, text)]
    assert lines == sorted(lines)
    assert len(lines) >= 3


def test_the_case_of_names_with_dots_names_them_all(tmp_path: Path) -> None:
    text = edit(("  hybrid:\n", "  hybrid-0.5:\n"), ("  cldr-test:\n", "  cldr.test:\n"))
    found = [line for line in mistakes(tmp_path, text) if "the name" in line]
    assert [line.split(": ")[0].split()[-1] for line in found] == [
        "datasets.cldr.test",
        "strategies.hybrid-0.5",
    ]


def test_all_mistakes_are_told_together_whatever_their_kind(tmp_path: Path) -> None:
    text = edit(
        ("seeds: [0]", "sed: 0"),
        ("batch_pairs: 32", "batch_pairs: 1"),
        ("batches: cross", "batches: crss"),
        ("splits: [test]", "splits: [train]"),
        ("learning_rate: 2e-4", "learning_rate: fast"),
    )
    told = "\n".join(mistakes(tmp_path, text))
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
    text = edit(("temperature: 0.05", "temperature: hot"))
    line = 1 + text[: text.index("temperature: hot")].count("\n")
    assert f"params.yaml:{line} training.temperature" in mistakes(tmp_path, text)[0]


@pytest.mark.parametrize("text", ["a: [1", "a: 1\na: 2\n", "\t- x: :"])
def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"params.yaml:\d+"):
        load(path)


@pytest.mark.parametrize("text", ["", "just words", "[]"])
def test_yaml_that_is_no_study_is_told(tmp_path: Path, text: str) -> None:
    assert "keys and values" in mistakes(tmp_path, text)[0]
