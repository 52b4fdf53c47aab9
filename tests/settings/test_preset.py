"""`make repro PRESET=name`: params.yaml becomes a whole study, and nobody's text is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from flows.preset import study, use
from polybatch.core.errors import InputError, InputErrorList
from polybatch.settings.load import load
from polybatch.settings.presets import WHOLE, composed
from tests.helpers.presets import GOLDEN, studies

ROOT = Path(__file__).parents[2]
PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))
BASE = (ROOT / "presets/base.yaml").read_text(encoding="utf-8")
DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")
FIRST, SECOND = "study: {name: first}\n", "study: {name: second}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets").mkdir()
    for name, text in {"base": BASE, "first": FIRST, "second": SECOND}.items():
        (tmp_path / f"presets/{name}.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "params.yaml").write_text(DEFAULT, encoding="utf-8")
    return tmp_path


def _git(*arguments: str) -> None:
    name = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *name, *arguments], check=True, capture_output=True)


@pytest.fixture
def committed(folder: Path) -> Path:
    _git("init", "-q", ".")
    _git("add", ".")
    _git("commit", "-qm", "as it is")
    return folder


def _name() -> str:
    return load(Path("params.yaml")).study.name


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="utf-8")


# What is composed ---------------------------------------------------------------------------------


def test_every_preset_composed_is_the_whole_study_that_is_written_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    written = {path.stem: path.read_text(encoding="utf-8") for path in GOLDEN.glob("*.yaml")}
    assert studies() == written, "python -m tests.helpers.presets"


def test_params_yaml_is_the_base_study() -> None:
    base = ROOT / "presets/base.yaml"
    assert (ROOT / "params.yaml").read_text(encoding="utf-8") == composed(base, base)


@pytest.mark.parametrize("name", PRESETS)
def test_a_composed_study_has_each_value_of_its_preset_and_all_others_of_the_base(
    name: str,
) -> None:
    base, preset, whole = (
        YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        for path in (
            ROOT / "presets/base.yaml",
            ROOT / f"presets/{name}.yaml",
            GOLDEN / f"{name}.yaml",
        )
    )
    for section, value in whole.items():
        given = preset.get(section, {})
        if section in WHOLE or not isinstance(value, dict):
            assert value == preset.get(section, base.get(section))
            continue
        own = base.get(section, {})  # a study that tunes has a section more
        for key in own | given:
            assert value[key] == given.get(key, own.get(key))
    assert list(whole)[: len(base)] == list(base)


@pytest.mark.parametrize("name", [name for name in PRESETS if name not in ("base", "cldr-0.1")])
def test_a_preset_holds_only_what_differs(name: str) -> None:
    base, preset = (
        YAML(typ="safe").load((ROOT / f"presets/{one}.yaml").read_text(encoding="utf-8"))
        for one in ("base", name)
    )
    for section, value in preset.items():
        assert value != base.get(section), section
        if section not in WHOLE and section in base:
            assert [key for key in value if value[key] == base[section].get(key)] == []


def test_comments_of_the_base_stay_unless_the_preset_has_its_own(folder: Path) -> None:
    _write(
        "mine.yaml",
        "# What mine is.\n"
        "batches:\n"
        "  # two lines\n"
        "  steps: 7\n"
        "  size_exponent: 0.5  # few\n"
        "  match_budget: true\n"
        "strategies:\n"
        "    mono: {start: base, batches: mono}\n"
        "    hybrid:\n"
        "        start: dapt  # adapted\n"
        "        batches: mono\n"
        "study:   {focus: mono}\n"
        "merges: {}\n"
        "centred: {}\n"
        "statistics: {contrasts: [hybrid - mono]}\n",
    )
    text = composed(Path("presets/base.yaml"), Path("mine.yaml"))
    lines = text.splitlines()
    assert lines[:3] == [DEFAULT.splitlines()[0], "# What mine is.", "study:"]
    assert "  focus: mono         # whose scores results/metrics.json shows" in lines
    assert (
        "batches:\n  # two lines\n  steps: 7\n  batch_pairs: 32\n  size_exponent: 0.5  # few\n"
    ) in text
    assert "  match_budget: true      # true: strategies that start from base get" in text
    assert (
        "\n\nstrategies:\n  mono: {start: base, batches: mono}\n"
        "  hybrid:\n      start: dapt  # adapted\n      batches: mono\n\n# Rows without"
    ) in text


@pytest.mark.parametrize(
    "text",
    [
        "study: {name: a,\n  focus: mono}\n",
        "{study: {name: a}, batches: {steps: 5}, strategies: {mono: {start: base, batches: mono},"
        "\n  hybrid: {start: dapt, batches: mono}}, merges: {}, centred: {},"
        " statistics: {contrasts: []}}",
        "validation:\n    min_rows:\n        train: 8\n        evaluate: 3\n",
        "validation: {min_rows: {train: 8, evaluate: 3}}",
        "dapt: null\nstrategies:\n  mono: {start: base, batches: mono}\nstudy: {focus: mono}\n"
        "merges: {}\ncentred: {}\nfusions: {}\nstatistics: {contrasts: []}\n",
        "training:\r\n  learning_rate: 1e-4\r\n\r\n",
        "\ufeffschedule:\n  cron: '1 2 * * *' # at two\n",
        'encoder:\n  query_prompt: "a: # b"\n  "document_prompt": ": #"\n',
    ],
)
def test_other_ways_to_write_a_preset(folder: Path, text: str) -> None:
    Path("mine.yaml").write_bytes(text.encode())
    whole = YAML(typ="safe").load(composed(Path("presets/base.yaml"), Path("mine.yaml")))
    given = YAML(typ="safe").load(text.removeprefix("\ufeff"))
    base = YAML(typ="safe").load(BASE)
    for section, value in base.items():
        if section in WHOLE or section not in given:
            assert whole[section] == given.get(section, value)
        else:
            assert whole[section] == value | given[section]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "keys that differ"),
        ("- a\n", "keys that differ"),
        ("study:\n  nme: a\n", r"mine.yaml:2 study.nme: .*Did you mean 'name'"),
        ("bathces:\n  steps: 3\n", r"mine.yaml:1 bathces: .*'batches'"),
        ("study: 1\n", r"mine.yaml:1 study: "),
        ("training:\n  temperature: 0\n", r"mine.yaml:2 training.temperature: .*between"),
        ("strategies:\n  mono: {start: base, batches: mono}\n", r"mine.yaml study.focus: "),
        ("study:\n  name: !!binary aGk=\n", r"mine.yaml:2 study.name: .*binary"),
        ("a: [1", r"mine.yaml:\d"),
        (
            "study: &s {name: a}\nsources: {x: *s}\nnotify: {measure: *t}\n",
            "mine.yaml:3: found undefined alias",
        ),
        ("dapt: &d {steps: 3}\nbatches:\n  <<: *d\n", "no anchors"),
    ],
)
def test_a_preset_that_gives_no_study_is_refused_by_its_own_lines(
    folder: Path, text: str, says: str
) -> None:
    _write("mine.yaml", text)
    with pytest.raises((InputError, InputErrorList), match=says):
        use("mine.yaml")
    assert Path("params.yaml").read_text(encoding="utf-8") == DEFAULT


@pytest.mark.parametrize("name", PRESETS)
def test_editors_find_no_fault_in_a_preset(name: str) -> None:
    schema = json.loads((ROOT / "presets/params.schema.json").read_text(encoding="utf-8"))
    text = (ROOT / f"presets/{name}.yaml").read_text(encoding="utf-8")
    faults = Draft202012Validator(schema).iter_errors(YAML(typ="safe").load(text))
    assert [fault.message for fault in faults] == []
    missing = {"strategies": {"mono": {"start": "base"}}}
    assert not Draft202012Validator(schema).is_valid(missing)


# What becomes of the text that is there -----------------------------------------------------------


def test_an_untouched_file_is_replaced_and_a_second_time_left(committed: Path) -> None:
    assert "is now the study of first (back: git checkout params.yaml)" in use("first")
    assert _name() == "first"
    assert "is the study of first already" in use("first")
    use("second")
    assert _name() == "second"
    use("base")
    assert Path("params.yaml").read_text(encoding="utf-8") == DEFAULT


def test_edits_are_refused_until_they_are_committed(committed: Path) -> None:
    use("first")
    for text in (DEFAULT, Path("params.yaml").read_text(encoding="utf-8")):
        edited = text.replace("seeds: [0]", "seeds: [1]")
        _write("params.yaml", edited)
        _git("add", ".")  # staged is not committed
        with pytest.raises(InputError, match="saved nowhere else"):
            use("second")
        assert Path("params.yaml").read_text(encoding="utf-8") == edited
        _git("commit", "-qm", "mine")
        use("second")
        assert _name() == "second"


def test_an_older_preset_is_no_edit(committed: Path) -> None:
    use("first")
    _write("presets/first.yaml", "study: {name: renewed}\n")
    _write("presets/base.yaml", BASE.replace("steps: 80", "steps: 90"))
    use("first")
    assert _name() == "renewed"


def test_a_preset_of_ones_own_is_named_by_its_path(committed: Path) -> None:
    _write("mine.yaml", "study: {name: mine}\n")
    for name in ("mine.yaml", str(committed / "mine.yaml"), "./mine.yaml"):
        use(name)
        assert _name() == "mine"
    _write("mine.yaml", "study: {name: mine-2}\n")
    use("mine.yaml")
    assert _name() == "mine-2"


def test_line_ends_are_no_edit(committed: Path) -> None:
    for before, after in (("base", "first"), ("first", "second"), ("second", "second")):
        text = Path("params.yaml").read_text(encoding="utf-8")
        assert text == study(before)
        Path("params.yaml").write_bytes(text.replace("\n", "\r\n").encode())
        assert ("already" in use(after)) == (before == after)


def test_without_git_an_edited_file_is_saved_beside_it(folder: Path) -> None:
    edited = DEFAULT.replace("seeds: [0]", "seeds: [1]")
    _write("params.yaml", edited)
    found = use("first")
    (saved,) = folder.glob("params-*.yaml")
    assert f"back: cp {saved.name} params.yaml" in found
    assert saved.read_text(encoding="utf-8") == edited
    assert _name() == "first"
    use("second")
    assert list(folder.glob("params-*.yaml")) == [saved]


def test_without_the_program_git_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    use("first")
    assert _name() == "first"


def test_a_missing_file_is_written(folder: Path) -> None:
    Path("params.yaml").unlink()
    assert use("first") == "params.yaml is now the study of first"


@pytest.mark.parametrize("name", ["frist", "../params", "first.yaml", "", "presets", "Makefile"])
def test_an_unknown_preset_is_refused_with_those_there(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="one of base, first, second, or the path"):
        use(name)
    assert Path("params.yaml").read_text(encoding="utf-8") == DEFAULT


def test_a_study_is_shown_without_being_written(folder: Path) -> None:
    command = [sys.executable, "-m", "flows.preset", "--show", "first"]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=here).stdout
    assert Path("params.yaml").read_text(encoding="utf-8") == DEFAULT
    use("first")
    assert Path("params.yaml").read_text(encoding="utf-8") == shown
