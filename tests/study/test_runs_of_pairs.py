"""`polybatch runs` where not every pair of languages is judged in every dataset."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from polybatch.cli import main
from polybatch.core.dataset import Dataset, write_dataset
from tests.helpers.scored_study import made, scored_dataset, write_strategy

ROOT = Path(__file__).parents[2]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of two datasets: questions have answers in one language only."""
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    head, rest = params.split("  cldr-test:\n")
    entry, rest = rest.split("\n\n", 1)
    more = f"  cldr-more:\n{entry}\n  cldr-test:\n{entry}\n\n"
    (tmp_path / "params.yaml").write_text(head + more + rest, encoding="utf-8")
    whole = scored_dataset()
    write_strategy(tmp_path, "mono", 1.0, whole)
    for name, lang in (("cldr-more", "sw"), ("cldr-test", "en")):
        judged = whole.qrels.filter(pl.col("doc_id").str.ends_with(lang))
        part = Dataset(name, whole.queries, whole.corpus, judged)
        write_dataset(part, made(tmp_path / "data/valid" / name))
    index = tmp_path / "data/index/mono/0"
    shutil.copytree(index / "cldr-test", index / "cldr-more")
    return tmp_path


def _written(study: Path, *arguments: str) -> set[str]:
    out = study / "runs"
    shutil.rmtree(out, ignore_errors=True)
    assert main(["runs", "mono", "--folder", str(study), "--out", str(out), *arguments]) == 0
    paths = {path.relative_to(out).as_posix() for path in out.rglob("*.gz")}
    runs = {path.removesuffix(".run.gz") for path in paths if path.endswith(".run.gz")}
    assert paths == {f"{name}.{kind}.gz" for name in runs for kind in ("run", "qrels")}
    return runs


def test_only_judged_pairs_are_written(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more, test = ({f"{name}_{lang}" for name in ("en", "sw")} for lang in ("sw", "en"))
    more, test = {f"cldr-more/{one}" for one in more}, {f"cldr-test/{one}" for one in test}
    assert _written(study) == more | test
    assert _written(study, "--dataset", "cldr-test") == test
    assert _written(study, "--pair", "sw>en") == {"cldr-test/sw_en"}
    out = ["--folder", str(study), "--out", str(study / "new")]
    for given in (["--pair", "sw>en", "--dataset", "cldr-more"], ["--pair", "de>en"]):
        assert main(["runs", "mono", *given, *out]) == 1
        assert f"no relevant document for a query of {given[1]} in cldr-" in capsys.readouterr().err
    assert not (study / "new").exists()
