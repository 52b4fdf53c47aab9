"""The section dapt of params.yaml: read, and every mistake told with its place."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from polybatch.core.errors import InputErrorList
from polybatch.settings.load import load
from tests.helpers.crop_settings import SETTINGS, changed

ROOT = Path(__file__).parents[2]
_SECTION = "dapt:\n" + "\n".join(
    f"  {name}: {list(value) if isinstance(value, tuple) else str(value).lower()}"
    for name, value in dataclasses.asdict(SETTINGS).items()
).replace("'", "").replace("[news]", "[cldr-train]").replace("1e-04", "1.0e-4")  # fmt: skip


def edited(tmp_path: Path, *edits: tuple[str, str]) -> Path:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    begin = text.index("\ndapt:") + 1
    end = text.index("\nevaluation:") + 1
    text = text[:begin] + _SECTION + "\n\n" + text[end:]
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_section_is_read(tmp_path: Path) -> None:
    config = load(edited(tmp_path))
    assert config.dapt == changed(texts=("cldr-train",))


@pytest.mark.parametrize(
    ("edits", "where", "says"),
    [
        ([("objective: crop", "objective: mml")], "dapt.objective", "Did you mean 'mlm'"),
        ([("transductive: false", "transductive: 0")], "dapt.transductive", "true or false"),
        ([("[cldr-train]", "[cldr]")], "dapt.texts", "datasets of this file"),
        ([("[cldr-train]", "[cldr-test]")], "dapt.texts", "which has texts of cldr-test"),
        ([("crop_min_share: 0.2", "crop_min_share: 0.7")], "dapt.crop_min_share", "at most"),
        (
            [("log_every: 10\n  cached_t", "log_every: 3\n  cached_t")],
            "dapt.checkpoint_every",
            "multiple",
        ),
        ([("0.0\n  steps: 6", "0.1\n  steps: 6")], "dapt.heldout_share", "perplexity of mlm"),
        (
            [("0.0\n  steps: 6", "0.1\n  steps: 6"), ("objective: crop", "objective: tsdae")],
            "dapt.heldout_share",
            "Write heldout_share: 0.0",
        ),
        ([("mask_share: 0.15", "mask_share: 1.5")], "dapt.mask_share", "between"),
        ([("  delete_share: 0.6\n", "")], "dapt.delete_share", "nothing"),
        ([("  zero-shot:", "  start:")], "strategies.start", "models/start"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, edits: list[tuple[str, str]], where: str, says: str
) -> None:
    with pytest.raises(InputErrorList) as caught:
        load(edited(tmp_path, *edits))
    told = [str(error) for error in caught.value.errors if f" {where}:" in str(error)]
    assert told
    assert says in told[0]
    assert "params.yaml:" in told[0]


def test_text_is_held_out_for_the_perplexity_of_mlm(tmp_path: Path) -> None:
    edits = [("0.0\n  steps: 6", "0.1\n  steps: 6"), ("objective: crop", "objective: mlm")]
    config = load(edited(tmp_path, *edits))
    assert config.dapt is not None
    assert config.dapt.heldout_share == 0.1


def test_texts_that_evaluation_searches_are_allowed_where_said(tmp_path: Path) -> None:
    edits = [("[cldr-train]", "[cldr-test]"), ("transductive: false", "transductive: true")]
    config = load(edited(tmp_path, *edits))
    assert config.dapt is not None
    assert config.dapt.transductive


def test_text_of_a_source_with_the_same_articles_is_refused(tmp_path: Path) -> None:
    source = "  mlqa:\n    languages: [en]\n    splits: [dev]\n  mlqa-r:\n    languages: [en]\n"
    rest = "\n    languages: [en]\n    splits: [{}]\n    part: all\n    heldout_share: 0.0\n"
    data = (
        "  stories:\n    source: mlqa\n    use: text" + rest.format("dev")
        + "  asked:\n    source: mlqa-r\n    use: evaluate" + rest.format("test")
    )  # fmt: skip
    edits = [
        ("sources:\n", "sources:\n" + source + "    splits: [test]\n"),
        ("datasets:\n", "datasets:\n" + data),
        ("[cldr-train]", "[stories]"),
    ]
    with pytest.raises(InputErrorList, match="'stories', which has texts of asked"):
        load(edited(tmp_path, *edits))


def test_a_strategy_from_dapt_needs_the_section(tmp_path: Path) -> None:
    text = (ROOT / "tests/golden/presets/mlqa-r.yaml").read_text(encoding="utf-8")
    begin, end = text.index("\ndapt:") + 1, text.index("\nevaluation:") + 1
    text = text[:begin] + "dapt: null\n" + text[end:]
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("start: base", "start: dapt", 1), encoding="utf-8")
    with pytest.raises(InputErrorList, match=r"dapt: found nothing, and strategies"):
        load(path)
