"""`polybatch compare` and `polybatch runs` on a study written as the stages write it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polybatch.cli import COMMANDS, main, parser
from polybatch.commands.compare import _FORMATS, _SETTINGS
from polybatch.core.dataset import (
    Dataset,
    revision_of,
    write_dataset,
    write_table,
)
from polybatch.evaluation.scores import SETTINGS
from polybatch.reports.pairwise_formats import FORMATS
from polybatch.retrieval.trec import read_run
from polybatch.statistics.contrasts import CONTRASTS
from tests.helpers.scored_study import LANGS, made, scored_dataset, write_others, write_strategy

ROOT = Path(__file__).parents[2]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    params = params.replace("resamples: 10000", "resamples: 1000")
    (tmp_path / "params.yaml").write_text(params, encoding="utf-8")
    write_dataset(scored_dataset(), made(tmp_path / "data/valid/cldr-test"))
    for strategy, noise in (("mono", 1.0), ("hybrid", 0.6)):
        write_strategy(tmp_path, strategy, noise, scored_dataset())
    write_others(tmp_path, scored_dataset())
    return tmp_path


def _run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_json_holds_deltas_intervals_p_languages_and_changed_questions(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = _run(capsys, "compare", "mono", "hybrid", "--json", "--folder", study)
    found = json.loads(out)
    assert code == 0
    rows = {(row["kind"], row["setting"], row["group"]): row for row in found["differences"]}
    truth = {
        name: pl.read_parquet(study / f"results/scores/{name}/0.parquet").filter(measure="AP")
        for name in ("mono", "hybrid")
    }
    multi = rows["setting", "multi", "all"]
    means = [float(truth[name].filter(setting="multi")["score"].mean()) for name in truth]
    assert multi["first"]["value"] == pytest.approx(means[0], abs=1e-6)
    assert multi["second"]["value"] == pytest.approx(means[1], abs=1e-6)
    gain = multi["difference"]
    assert gain["value"] == pytest.approx(means[1] - means[0], abs=1e-6)
    assert (multi["outcome"], multi["seeds"], multi["clusters"]) == ("one training", 1, 30)
    assert (found["declared"], found["tested"]) == (True, False)  # no results/contrasts.csv yet
    assert found["headlines"][0] == "One training: intervals do not include chance of training."
    assert gain["low"] < gain["value"] < gain["high"]
    assert 0 < multi["p"] <= multi["p_holm"] <= 1
    assert {group for kind, _, group in rows if kind == "query language"} == set(LANGS)
    changes = [abs(row["second_score"] - row["first_score"]) for row in found["changed"]]
    assert len(changes) == 20
    assert changes == sorted(changes, reverse=True)
    assert len({row["item_id"] for row in found["changed"]}) == 20


def test_answers_are_the_best_documents_of_each_strategy(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("mono", "hybrid", "--json", "--setting", "cross", "--measure", "R@1")
    _, out, _ = _run(capsys, "compare", *arguments, "--folder", study)
    found = json.loads(out)
    assert {row["setting"] for row in found["differences"]} == {"cross"}
    assert found["changed"]
    for row in found["changed"]:
        for name in ("first", "second"):
            best = row[f"{name}_answers"][0]
            assert best["relevant"] == (row[f"{name}_score"] == 1.0)
            assert {answer["lang"] for answer in row[f"{name}_answers"]} == {row["doc_lang"]}
            number = best["doc_id"][1:-2]
            assert best["text"] == f"Say {number} {row['doc_lang']}"


def test_markdown_and_latex_show_the_same_numbers(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text, _ = _run(capsys, "compare", "mono", "hybrid", "--folder", study, "--questions", 3)
    assert "# hybrid against mono" in text
    assert "## The 3 questions that changed most" in text
    assert "Ask" in text
    assert "**(relevant)** Say" in text
    _, tex, _ = _run(capsys, "compare", "mono", "hybrid", "--latex", "--folder", study)
    assert r"\toprule" in tex
    assert "%" not in tex.replace(r"\%", "")
    line = next(line for line in text.splitlines() if line.startswith("| multi | "))
    first = line.split(" | ")[1]
    assert f"multi & {first} & " in tex


def _claim(study: Path, p: float, seeds: int, **numbers: float) -> None:
    """Write what compare writes of `hybrid - mono`, in the pool."""
    row: dict[str, object] = dict.fromkeys(CONTRASTS.names())
    row |= {"dataset": "cldr-test", "kind": "setting", "setting": "multi", "group": "all"}
    row |= {"measure": "AP", "first": "hybrid", "second": "mono", "difference": 0.02}
    row |= {"low": 0.01, "high": 0.03, "p": 0.01, "p_corrected": p, "seeds": seeds, "items": 30}
    row |= {"clusters": 30, "from_clusters": 1e-5, "outcome": "unread"}
    row |= {"from_seeds": 2e-6 if seeds > 1 else None} | numbers
    pl.DataFrame([row], CONTRASTS).write_csv(study / "results" / "contrasts.csv")


def test_a_declared_contrast_is_shown_with_the_studys_correction(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def pool(*order: str) -> tuple[dict[str, Any], dict[str, Any]]:
        _, out, _ = _run(capsys, "compare", *order, "--json", "--folder", study)
        found = json.loads(out)
        assert found["declared"]
        keyed = {(row["kind"], row["setting"]): row for row in found["differences"]}
        return found, keyed["setting", "multi"]

    _, before = pool("mono", "hybrid")
    low, difference, high = (before["difference"][key] for key in ("low", "value", "high"))
    _claim(study, 0.2, 1, difference=difference, low=low, high=high)
    for order, ends in ((("mono", "hybrid"), (low, high)), (("hybrid", "mono"), (-high, -low))):
        found, multi = pool(*order)
        assert found["tested"]
        assert (multi["difference"]["low"], multi["difference"]["high"]) == ends
        assert (multi["p_corrected"], multi["outcome"]) == (0.2, "one training")
    _claim(study, 0.2, 1)  # of other scores
    found, multi = pool("mono", "hybrid")
    assert (found["tested"], multi) == (False, before)


def test_a_plan_needs_variances_and_says_what_they_ask_for(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = ("plan-study", "--folder", study, "--difference")
    code, _, said = _run(capsys, *plan, 1.0)
    assert (code, "no earlier results" in said) == (1, True)
    _claim(study, 0.2, 1)
    code, _, said = _run(capsys, *plan, 1.0)
    assert (code, "one training" in said) == (1, True)
    code, out, _ = _run(capsys, *plan, 1.0, "--seed-ratio", 0.1)
    assert (code, "| hybrid - mono, cldr-test multi | 1 | 30 |" in out) == (0, True)
    _claim(study, 0.2, 3)
    code, out, _ = _run(capsys, *plan, 1.0)
    assert (code, "| hybrid - mono, cldr-test multi | 3 | 30 |" in out) == (0, True)
    code, out, _ = _run(capsys, *plan, 1.0, "--cluster-sd", 5, "--items", 20, "--claims", 9)
    assert (code, "corrected for 9 claims" in out) == (0, True)
    for wrong in ((-1,), (1, "--seed-ratio", -2), (1, "--cluster-sd", 5, "--claims", 0)):
        code, _, said = _run(capsys, *plan, *wrong)
        assert (code, "expected" in said) == (1, True)


def test_the_same_command_prints_the_same_bytes(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("compare", "mono", "hybrid", "--json", "--folder", study)
    assert _run(capsys, *arguments) == _run(capsys, *arguments)


def test_other_revisions_are_refused_with_both_named(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = scored_dataset()
    other = Dataset(
        dataset.name,
        dataset.queries.with_columns(text=pl.col("text") + " "),
        dataset.corpus,
        dataset.qrels,
    )
    write_strategy(study, "hybrid", 0.6, other)
    code, _, said = _run(capsys, "compare", "mono", "hybrid", "--folder", study)
    assert code == 1
    assert f"revisions {revision_of(dataset)} and {revision_of(other)}" in said


def test_missing_queries_are_refused(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = study / "results/scores/hybrid/0.parquet"
    scores = pl.read_parquet(path).filter(pl.col("item_id") != "i3")
    write_table(scores, path, {"cldr-test": revision_of(scored_dataset())})
    code, _, said = _run(capsys, "compare", "mono", "hybrid", "--folder", study)
    assert code == 1
    assert "6 judged queries only in the first" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("mono", "mono"), "two strategies"),
        (("mono", "hybird"), "one of zero-shot, en-en"),
        (("mono", "cross"), "cross/0.parquet: found no such file"),
        (("mono", "hybrid", "--measure", "AP@3"), "one of AP, R@1"),
        (("mono", "hybrid", "--dataset", "xquad-r"), "one of cldr-test"),
        (("mono", "hybrid", "--questions", "-1"), "0 or more"),
    ],
)
def test_what_cannot_be_compared_is_told(
    study: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    code, out, said = _run(capsys, "compare", *arguments, "--folder", study)
    assert (code, out) == (1, "")
    assert says in said


def test_runs_of_a_pair_and_of_all(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    code, said, _ = _run(capsys, "runs", "mono", "--pair", "sw>en", "--folder", study, "--out", out)
    assert (code, said) == (0, f"2 files in {out}\n")
    assert sorted(file.name for file in (out / "cldr-test").iterdir()) == [
        "sw_en.qrels.gz",
        "sw_en.run.gz",
    ]
    _run(capsys, "runs", "mono", "--depth", 5, "--folder", study, "--out", out)
    assert len(list((out / "cldr-test").iterdir())) == 8
    code, _, said = _run(capsys, "runs", "mono", "--pair", "sw", "--folder", study, "--out", out)
    assert "--pair" in said
    assert code == 1


def test_rows_without_vectors_are_compared_and_written_like_any_other(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """BM25 finds the number that query and document share, in every language."""
    code, out, told = _run(capsys, "compare", "hybrid", "bm25", "--json", "--folder", study)
    assert code == 0, told
    answers = [one["second_answers"][0] for one in json.loads(out)["changed"]]
    assert answers
    assert all(answer["relevant"] for answer in answers)
    out = tmp_path / "runs"
    for name, found in (("bm25", 1), ("bm25-hybrid", 3)):  # of three, those with the number
        given = ("runs", name, "--pair", "sw>en", "--depth", 3, "--folder", study)
        code, _, told = _run(capsys, *given, "--out", out / name)
        assert code == 0, told
        run = read_run(out / name / "cldr-test/sw_en.run.gz")
        assert run.height == 30 * found
    first = read_run(out / "bm25/cldr-test/sw_en.run.gz").filter(rank=1)
    assert all(q[1:-2] == d[1:-2] for q, d in first.select("query_id", "doc_id").rows())


def test_help_of_every_command_shows_an_example_that_its_own_parser_reads() -> None:
    whole = parser(COMMANDS)
    for name, command in COMMANDS.items():
        assert command.example.split()[0] == name
        words = shlex.split(command.example.partition(" >> ")[0])
        assert whole.parse_args(words).command == name
        (below,) = (each.choices[name] for each in whole._actions if isinstance(each.choices, dict))
        assert f"Example: polybatch {command.example}" in " ".join(below.format_help().split())


def test_compare_offers_what_there_is() -> None:
    assert set(_SETTINGS) == set(SETTINGS)
    assert set(_FORMATS) == set(FORMATS)


def test_bash_completes_commands_options_and_choices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The truth is bash's own answer to a key."""
    script = tmp_path / "script"
    script.write_text(_run(capsys, "completion", "bash")[1], encoding="utf-8")
    cases = {
        "polybatch st": {"status", "stage"},
        "polybatch search --k": {"--k"},
        "polybatch export hybrid out --dtype f": {"fp32", "fp16"},
        f"polybatch validate {tmp_path}/scr": {str(script)},
    }
    for line, expected in cases.items():
        words = " ".join(map(shlex.quote, line.split()))
        last = len(line.split()) - 1
        program = f"source {script}; COMP_WORDS=({words}); COMP_CWORD={last}; _shtab_polybatch"
        program += '; printf "%s\\n" "${COMPREPLY[@]}"'
        told = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
        assert {*told.stdout.split()} == expected
    for shell in ("zsh", "fish"):
        code, out, _ = _run(capsys, "completion", shell)
        assert code == 0
        assert set(COMMANDS) <= set(re.findall(r"[a-z-]+", out))
