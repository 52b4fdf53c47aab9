"""What rows cost, and what the encoder knows: added up and marked by hand."""

from __future__ import annotations

import json
from pathlib import Path

from polybatch.evaluation.language_bias import Bias
from polybatch.reports.comparison import comparison
from polybatch.reports.costs import (
    COSTS,
    TOKENS,
    cost_page,
    cost_section,
    fixed_costs,
    machine_costs,
)
from polybatch.reports.languages import (
    DECLARED,
    MEASURED,
    Reading,
    encoder_section,
    flagged,
    known_by,
    readings,
)
from polybatch.reports.recommendation import _order
from polybatch.reports.results_folder import Study
from polybatch.settings.load import load

ROOT = Path(__file__).parents[2]


def _took(seconds: float, peak: float = 1.0) -> dict[str, float]:
    return {"seconds": seconds, "cpu_seconds": seconds, "peak_gib": peak}


TIMING = {
    "train-zero-shot-0": _took(1),
    "train-hybrid-0": _took(60, 3.0),
    "train-dapt-hybrid-0": _took(60),
    "dapt-0": _took(30, 4.0),
    "train-mono-0": _took(50),
    "train-cross-0": _took(70),
    "index-merge-0": _took(5),
    "index-hybrid-0": _took(6),
    "index-dapt-hybrid-0": _took(6),
    "centre-hybrid-centred": _took(2),
    "lexical-bm25": _took(4, 0.5),
}
LATENCY = {"hybrid-0": {"milliseconds": 7.0}, "bm25-0": {"milliseconds": 0.5}}


def test_a_row_costs_what_it_is_made_of() -> None:
    table = machine_costs(load(ROOT / "params.yaml"), TIMING, LATENCY)
    assert table.schema == COSTS
    rows = {name: tuple(numbers) for name, *numbers in table.rows()}
    assert rows["hybrid"] == (60, 6, 3.0, 7.0)
    assert rows["dapt-hybrid"] == (90, 6, 4.0, None)
    assert rows["merge"] == (120, 5, 1.0, None)  # both trainings, one index
    assert rows["hybrid-centred"] == (60, 8, 3.0, 7.0)  # the row's index, and centring it
    assert rows["bm25"] == (0, 4, 0.5, 0.5)
    assert rows["bm25-hybrid"] == (60, 10, 3.0, 7.5)
    assert rows["x-y"] == (None, None, None, None)  # did not run here
    page = cost_page(table)
    assert "| bm25-hybrid | 60.0 | 10.0 | 3.0 | 7.50 |" in page
    assert "| x-y | – | – | – | – |" in page


def test_what_was_trained_elsewhere_has_no_known_cost_and_is_not_the_cheapest(
    tmp_path: Path,
) -> None:
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    params = params.replace("external: {}", "external: {ours: {folder: inputs/o, form: runs}}")
    params = params.replace(
        "fusions:", "fusions:\n  joined: {first: ours, second: hybrid, constant: 60}"
    )
    (tmp_path / "params.yaml").write_text(params, encoding="utf-8")
    study = Study(tmp_path)
    summary = {"tokens": 5, "query_tokens": 100, "document_tokens": 200}
    files = {f"training/{name}/0/summary": summary for name in study.config.strategies}
    own = {name: {"d": {"index_bytes": 7}} for name in study.kinds}
    files |= {f"bias/{name}/0": found for name, found in own.items()}
    files |= {"adaptation/0/summary": summary}
    files |= {f"bias/{name}/0": {"d": {}} for name in ("ours", "joined")}
    for name, found in files.items():
        path = tmp_path / "results" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
    costs = fixed_costs(study)
    assert costs["hybrid"] == costs["bm25-hybrid"] == {TOKENS: 300, "d index": 7}
    assert costs["ours"] == costs["joined"] == {TOKENS: None, "d index": None}
    order = _order(costs, "d")
    assert (order[0], order[-2:]) == ("bm25", ["joined", "ours"])


def test_scores_and_costs_stand_beside_each_other() -> None:
    values = {"bm25": {"d": {"mono": {"AP": 0.84}}}, "mono": {"d": {"mono": {"AP": 0.861}}}}
    costs: dict[str, dict[str, int | None]] = {
        "bm25": {"training tokens": 0, "d index": None},
        "mono": {"training tokens": 142802, "d index": 5_738_496},
    }
    text = cost_section(comparison(values, "mono"), "AP", costs)
    assert "| strategy | AP, d mono | training tokens | d index (MB) |" in text
    assert "| bm25 | 84.0 | 0 | – |" in text
    assert "| mono | 86.1 | 142,802 | 5.7 |" in text


def _bias() -> dict[str, dict[str, Bias]]:
    """Two rows: one tells more Amharic questions apart than the other, neither enough."""
    tokens = {
        "am": {"tokens_per_word": 6.0, "unknown": 0.4},
        "en": {"tokens_per_word": 1.3, "unknown": 0.0},
        "zh": {"tokens_per_word": None, "unknown": 0.051},
    }
    distinct = [{"am": [10, am], "en": [10, 10], "zh": [10, 10]} for am in (6, 9)]
    rows = [{"d": Bias(distinct_queries=one, tokens=tokens)} for one in distinct]
    return {"mono": rows[0], "hybrid": rows[1], "bm25": {"d": Bias()}}


def test_of_an_encoder_that_nobody_declares_the_vocabulary_and_the_vectors_decide() -> None:
    found = readings(_bias())
    assert found[0] == Reading("d", "am", 10, 9, 6.0, 0.4)
    known, kind = known_by("somebody/new-encoder", found)
    assert (known, kind) == ({"en"}, MEASURED)
    assert flagged(found, known) == {"am", "zh"}
    text = encoder_section("somebody/new-encoder", found, {"am", "zh"})
    assert "| d | am † | – | 6.0 | 40.0% | 9 of 10 |" in text
    assert "| d | en | – | 1.3 | 0.0% | 10 of 10 |" in text
    assert "| d | zh † | – | – | 5.1% | 10 of 10 |" in text


def test_of_a_declared_one_its_makers_words_and_the_vectors_decide() -> None:
    found = readings(_bias())
    known, kind = known_by("use-multilingual", found)
    assert kind == DECLARED
    assert "zh" in known
    assert flagged(found, known) == {"am"}
    assert flagged([Reading("d", "en", 100, 94)], known) == {"en"}  # known, and yet collapsed
    text = encoder_section("use-multilingual", found, {"am"})
    assert "| d | am † | no | 6.0 | 40.0% | 9 of 10 |" in text
    assert "| d | zh | yes | – | 5.1% | 10 of 10 |" in text


def test_languages_that_only_documents_have_count_too() -> None:
    """Asked in Swahili, answered in English and Amharic, by an encoder nobody declares."""
    tokens = {"en": {"unknown": 0.0}, "am": {"unknown": 0.4}}
    bias = Bias(distinct_queries={"sw": [9, 9]}, tokens=tokens)
    found = readings({"mono": {"d": bias}})
    assert [(one.lang, one.collapsed) for one in found] == [
        ("sw", False), ("en", False), ("am", False)]  # fmt: skip
    known, _ = known_by("somebody/new-encoder", found)
    assert known == {"sw", "en"}
    assert flagged(found, {"sw", "en"}) == {"am"}
    assert "| d | en | – | – | 0.0% | – |" in encoder_section("somebody/new", found, {"am"})


def test_without_vectors_nothing_is_known() -> None:
    assert "No row has vectors" in encoder_section("use-multilingual", [], ())
