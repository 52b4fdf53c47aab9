"""`polybatch upgrade`: files of 0.1.0 become files of this version, with every comment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flows.check import check_params
from polybatch.cli import main
from polybatch.core.errors import InputError, InputErrorList
from polybatch.settings import messages
from polybatch.settings.load import load
from polybatch.settings.moved import ADDED, MOVED, Added
from polybatch.settings.upgrade import upgrade

ROOT = Path(__file__).parents[2]
OLD = sorted((ROOT / "tests/golden/0.1.0").glob("*.yaml"))  # of the last commit of 0.1.0
DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")
FIRST = (ROOT / "tests/golden/0.1.0/params.yaml").read_text(encoding="utf-8")
MOVES = {
    "inference.draws": "statistics.resamples",
    "inference.confidence": "statistics.confidence",
    "evaluation.depth": "evaluation.run_depth",
    "learning": "training",
}
"""As if the keys of this version had stood elsewhere: a table whose results load."""


def _at(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _earlier() -> str:
    """Return this version's study as MOVES has it before."""
    text = DEFAULT.replace("\ntraining:\n", "\nlearning:\n").replace("  run_depth: ", "  depth: ")
    moved = re.findall(r"  (?:resamples|confidence):.*\n", text)
    assert len(moved) == 2
    for line in moved:
        text = text.replace(line, "")
    draws = moved[0].replace("  resamples", "  draws")
    return f"{text}\n# How sure.\ninference:\n  # as often\n{draws}{moved[1]}"


def _comments(text: str) -> list[str]:
    return sorted(line[line.index("#") :].strip() for line in text.splitlines() if "#" in line)


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.stem)
def test_a_file_of_0_1_0_becomes_a_study_with_all_its_lines(old: Path, tmp_path: Path) -> None:
    text = old.read_text(encoding="utf-8")
    path = _at(tmp_path, text)
    (tmp_path / "inputs/faq").mkdir(parents=True)  # of the preset `local`
    assert upgrade(path)
    check_params(tmp_path)
    new = path.read_text(encoding="utf-8")
    left = iter(new.splitlines())
    where_moved = {old.rpartition(".")[2] for old in MOVED}
    for line in text.splitlines():
        if line.strip().partition(":")[0] not in where_moved:
            assert line in left, line  # in this order
    assert set(_comments(text)) <= set(_comments(new))
    assert load(path).batches.exposure == "pairs"
    assert upgrade(path) == []
    assert path.read_text(encoding="utf-8") == new


@pytest.mark.parametrize("path", [ROOT / "params.yaml", *(ROOT / "presets").glob("*.yaml")])
def test_files_of_this_version_are_left_as_they_are(path: Path) -> None:
    before = path.read_bytes()
    assert upgrade(path) == []
    assert path.read_bytes() == before


def test_moved_keys_keep_their_values_and_comments(tmp_path: Path) -> None:
    path = _at(tmp_path, _earlier())
    assert upgrade(path, MOVES) == [f"moved {old} to {new}" for old, new in MOVES.items()]
    new = path.read_text(encoding="utf-8")
    assert load(path) == load(ROOT / "params.yaml")
    assert _comments(new) == sorted([*_comments(DEFAULT), "# How sure.", "# as often"])
    assert "# as often\n  resamples: 10000        # draws behind" in new
    assert "\nlearning" not in new
    assert upgrade(path, MOVES) == []


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_new_section_is_written_behind_the_old_one(tmp_path: Path, ends: str) -> None:
    text = _earlier()
    begin, end = text.index("evaluation:\n"), text.index("strategies:\n")
    section = text[begin:end].replace("  depth", "  run_depth").replace("evaluation", "measuring")
    rest = text[text.index("\n# How sure.") :].replace("  draws", "  resamples")
    text = text[:begin] + section + text[end : text.index("\n# How sure.")] + rest
    text = text.replace("\nlearning:", "\ntraining:")
    moves = {f"measuring.{key}": f"evaluation.{key}" for key in ("measures", "run_depth")}
    moves |= {f"inference.{key}": f"statistics.{key}" for key in ("resamples", "confidence")}
    path = tmp_path / "params.yaml"
    path.write_bytes(text.replace("\n", ends).encode())
    assert "measures" not in DEFAULT[: DEFAULT.index("evaluation:")]
    # a file that lacks `evaluation` counts as a preset: keys are moved all the same
    assert len(upgrade(path, moves)) == 4
    data = path.read_bytes().decode()
    assert data.count(ends) == data.count("\n")
    assert load(path) == load(ROOT / "params.yaml")
    assert data.index("batches:") < data.index("evaluation:") < data.index("strategies:")


@pytest.mark.parametrize(
    "rows",
    [
        "sources: {cldr: {languages: [de,\n  en], splits: [train, test]}}  # two\n",
        "sources:\n    cldr:  # two\n        splits: [train, test]\n        languages:\n"
        "        - de\n        - en\n",
        "sources:\n  'cldr':\n    {languages: [de, en], splits: [train, test]}\n    # two\n",
    ],
)
def test_other_ways_to_write_a_section(tmp_path: Path, rows: str) -> None:
    begin, end = DEFAULT.index("sources:"), DEFAULT.index("\ndatasets:")
    text = DEFAULT[:begin] + rows + DEFAULT[end:].replace("DEFAULT", "")
    languages = "[ar, de, el, en, es, hi, ru, th, tr, vi, zh, am, ha, ig, sw, yo, zu]"
    path = _at(tmp_path, text.replace(languages, "[de, en]"))
    assert upgrade(path) == ["added sources.cldr.folder: inputs/none"]
    assert load(path).sources["cldr"].folder == "inputs/none"
    assert load(path).sources["cldr"].languages == ("de", "en")
    assert "# two" in path.read_text(encoding="utf-8")


def test_the_folder_of_an_encoder_of_ones_own_is_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inputs/mine").mkdir(parents=True)
    text = FIRST.replace("name: use-multilingual", "name: inputs/mine")
    assert "added encoder.folder: inputs/mine" in upgrade(_at(tmp_path, text))


def test_what_takes_a_person_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    text = FIRST.replace("  hybrid:\n", "  hybrid-0.5:\n").replace("steps: 80", "stps: 80")
    path = _at(tmp_path, text)
    with pytest.raises(InputErrorList) as caught:
        upgrade(path)
    assert "params.yaml was left as it is" in str(caught.value)
    line = 1 + text[: text.index("hybrid-0.5:")].count("\n")
    assert f"params.yaml:{line} strategies.hybrid-0.5: " in str(caught.value)
    assert "batches.stps" in str(caught.value)
    assert "batches.exposure" not in str(caught.value)  # is added by itself
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "text",
    ["", "- a\n", "a: [1", "study: !!binary aGk=\n", "study: 1\nsources: 2\n",
     FIRST + "batches: 1\n",
     FIRST.replace("\nbatches:\n", "\nbatches: 1\nbtchs:\n"),
     FIRST.replace("  cldr:\n", "  cldr: 1\n  cldr-2:\n")],
)  # fmt: skip
def test_what_is_no_study_is_refused_as_ever(tmp_path: Path, text: str) -> None:
    path = _at(tmp_path, text)
    with pytest.raises((InputError, InputErrorList)):
        upgrade(path)
    assert path.read_text(encoding="utf-8") == text


def test_anchors_that_would_be_lost_are_named(tmp_path: Path) -> None:
    text = FIRST.replace("  cldr:\n", "  cldr: &rows\n", 1)
    text = text.replace("\ndatasets:", "  cldr-2: *rows\n\ndatasets:")
    path = _at(tmp_path, text)
    with pytest.raises(InputError, match="no anchors"):
        upgrade(path)
    assert path.read_text(encoding="utf-8") == text


def test_a_preset_is_not_filled_up(tmp_path: Path) -> None:
    text = "# mine\nevaluation:\n  depth: 10  # few\n\nbatches:\n  steps: 5\n"
    path = _at(tmp_path, text)
    assert upgrade(path, MOVES) == ["moved evaluation.depth to evaluation.run_depth"]
    assert path.read_text(encoding="utf-8") == text.replace("depth", "run_depth")


def test_a_section_that_is_required_since_is_added(tmp_path: Path) -> None:
    text = DEFAULT.replace("\nnotify:\n", "\nunknown:\n")
    path = _at(tmp_path, text)
    added = {"notify": Added("{measure: AP, drop: null, webhook: null}", "no alerts")}
    with pytest.raises(InputErrorList, match=r"\d unknown: "):
        upgrade(path, {}, added)
    path.write_text(DEFAULT[: DEFAULT.index("\nnotify:")], encoding="utf-8")
    assert len(upgrade(path, {}, added)) == 1
    assert load(path).notify.drop is None


def test_the_message_of_an_old_key_names_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "MOVED", MOVES)
    with pytest.raises(InputErrorList) as caught:
        load(_at(tmp_path, _earlier()))
    found = str(caught.value)
    assert "evaluation.depth: found a key of an earlier version, expected evaluation.run" in found
    assert "learning: found a key of an earlier version, expected training. Run `polybatch" in found
    with pytest.raises(InputErrorList, match=r"batches.exposure: .*, or run `polybatch upgrade`"):
        load(_at(tmp_path, FIRST))
    with pytest.raises(InputErrorList, match=r"sources.cldr.folder: .*, or run `polybatch upgr"):
        check_params(_at(tmp_path, DEFAULT.replace("    folder: inputs/none", "")).parent)


def test_the_tables_name_keys_of_this_version() -> None:
    known = set(load(ROOT / "params.yaml").__dataclass_fields__)
    assert {key.partition(".")[0] for key in (*MOVED.values(), *ADDED)} <= known


def test_the_command_says_what_it_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _at(tmp_path, FIRST)
    assert main(["upgrade", "--folder", str(tmp_path)]) == 0
    assert f"{path}: added batches.exposure: pairs\n" in capsys.readouterr().out
    assert main(["upgrade", str(path)]) == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert main(["upgrade", str(tmp_path / "none.yaml")]) == 1
    assert "no such file" in capsys.readouterr().err
