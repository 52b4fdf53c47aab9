"""What pages say of results stands in the tables that they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.claims import LITERATURE, ROOT, UNITS, Claim, cell, claims, unsupported

RESULTS = ROOT / "docs" / "results"
TABLE = """# Strategies compared

| strategy | d mono | d cross |
|:---|---:|---:|
| mono | 59.6 [58.0, 61.2] | 35.3 |
| hybrid | 58.3 (-1.3 [-1.6, -1.0]) | **36.1** (+0.8 [0.6, 1.0]) |

| contrast | dataset | setting | difference | p |
|:---|---:|---:|---:|---:|
| hybrid - mono | d | cross | +0.8 | 0.0015 |
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "compare.md").write_text(TABLE, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "page", sorted(RESULTS.rglob("README.md")), ids=lambda page: page.parent.name
)
def test_each_number_in_a_sentence_is_in_the_cell_that_it_names(page: Path) -> None:
    assert unsupported(page.read_text(encoding="utf-8"), RESULTS) == []


def test_each_score_in_the_readme_is_in_the_cell_that_it_names() -> None:
    assert unsupported((ROOT / "README.md").read_text(encoding="utf-8"), RESULTS, UNITS) == []


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda page: page.stem
)
def test_each_number_of_a_decision_is_in_the_file_that_it_names(page: Path) -> None:
    assert unsupported(page.read_text(encoding="utf-8"), RESULTS, LITERATURE) == []


def test_a_file_of_the_repository_is_cited_by_row_by_keys_or_whole(folder: Path) -> None:
    """By hand from tables that no run writes anew."""
    coverage = ("benchmarks/interval_coverage.csv", "30", "1", "2", "0.0000", "false", "worlds")
    assert cell(folder, coverage) == "600"
    assert cell(folder, ("presets/xquad-r-e5.yaml", "training", "temperature")) == "0.03"
    page = "It looks at 300<!-- src/polybatch/validation/language_id.py --> characters.\n"
    assert unsupported(page, folder) == []
    assert unsupported(page.replace("300", "301"), folder) == ["301 in 'It looks at 301'"]
    page = "It shares 7<!-- by benchmarks/leak_pairs.py --> texts.\n"
    assert unsupported(page, folder) == []
    page = page.replace("leak", "lake")
    assert unsupported(page, folder) == ["benchmarks/lake_pairs.py: no such file"]


def test_a_number_with_a_unit_is_no_score(folder: Path) -> None:
    page = "With Python 3.11, 16 minutes on 2 cores (arXiv 2408.10536), 95% of 17 languages.\n\n"
    assert unsupported(page, folder, UNITS) == []
    page = "It wins 0.9 points on 3 datasets, in 2 minutes.\n"
    assert [line.split()[0] for line in unsupported(page, folder, UNITS)] == ["0.9", "3"]


def test_numbers_of_other_cells_and_without_a_cell_are_found(folder: Path) -> None:
    right = (
        "Hybrid wins 0.8 [0.6, 1.0]<!-- study | hybrid | d cross --> points of\ncross-lingual AP"
        " (p = 0.0015<!-- study | hybrid - mono | d | cross -->) in `params.yaml` 7 times.\n"
    )
    assert unsupported(right, folder) == ["7 in ') in `params.yaml` 7 times.'"]
    wrong = "It wins 0.9<!-- study | hybrid | d cross --> points.\n\n- lost 1.3<!-- x | y -->\n"
    assert unsupported(wrong, folder)[0] == "0.9 in 'It wins 0.9'"
    assert "x/compare.md" in unsupported(wrong, folder)[1]
    lost = "It has 3.0<!-- study | cross | d mono --> points.\n"
    assert unsupported(lost, folder) == [
        "study | cross | d mono: no such row in compare.md of study"
    ]


def test_a_row_is_named_by_its_first_cells_and_a_column(folder: Path) -> None:
    assert cell(folder, ("study", "mono", "d mono")) == "59.6 [58.0, 61.2]"
    assert "0.0015" in cell(folder, ("study", "hybrid - mono", "d", "cross"))
    assert cell(folder, ("study", "hybrid - mono", "d", "cross", "p")) == "0.0015"


def test_headings_tables_code_and_names_with_digits_are_no_claims() -> None:
    page = "# 3 seeds\n\nText of `top 5`, XQuAD-R2 and 0.1.0 [see 4](x-5.md).\n\n| 8 | 9 |\n\n"
    page += "```\n6\n```\n"
    assert set().union(*(claim.numbers for claim in claims(page))) == {"4"}
    assert Claim("between -1.5 and +2,000.").numbers == {"1.5", "2,000"}


def test_a_table_that_was_not_kept_with_its_study_is_marked() -> None:
    for compared in RESULTS.glob("*/compare.md"):
        if not (compared.parent / "study.json").exists():
            text = compared.read_text(encoding="utf-8")
            assert "not to be believed before it is run again" in text, compared
