"""params.yaml as people and mishaps write it: read with its lines, or one message at once."""

from __future__ import annotations

import contextlib
import os
import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polybatch.core.errors import InputError, InputErrorList
from polybatch.settings.config import Config
from polybatch.settings.load import load
from polybatch.settings.params_file import read_params
from polybatch.settings.schema import schema_texts

ROOT = Path(__file__).parents[2]
DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")
SMALL = (ROOT / "tests/golden/study.yaml").read_text(encoding="utf-8")  # the same keys, fewer rows


def _at(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "params.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _message(tmp_path: Path, text: str | bytes) -> str:
    begun = time.process_time()
    with pytest.raises((InputError, InputErrorList)) as caught:
        load(_at(tmp_path, text))
    assert time.process_time() - begun < 2
    return str(caught.value)


def _line(text: str, part: str) -> int:
    return 1 + text[: text.index(part)].count("\n")


def test_values_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    text = "a: 2e-4\nb: [yes, 0x10, 1_000, ~]\nc: {d: 'x', e: true}\n"
    file = read_params(_at(tmp_path, text))
    assert file.value == {"a": 2e-4, "b": ["yes", 16, 1000, None], "c": {"d": "x", "e": True}}
    assert {key: line for key, line in file.lines.items() if "b" not in key} == {
        ("a",): 1, ("c",): 3, ("c", "d"): 3, ("c", "e"): 3,
    }  # fmt: skip


def test_merges_and_aliases_are_written_out_with_the_lines_of_their_keys(tmp_path: Path) -> None:
    text = "a: &a\n  x: 1\n  y: 2\nb: &b\n  y: 3\n  z: 4\nc:\n  <<: [*a, *b]\n  x: 5\nd: *a\n"
    file = read_params(_at(tmp_path, text))
    # By https://yaml.org/type/merge.html: own keys first, then the earlier mapping of a list.
    assert file.value["c"] == {"x": 5, "y": 2, "z": 4}
    assert file.value["d"] == {"x": 1, "y": 2}
    assert [file.lines["c", name] for name in "xyz"] == [9, 3, 6]
    assert file.lines[("d",)] == 10


def test_a_study_with_merges_is_read_as_the_same_study_without(tmp_path: Path) -> None:
    text = DEFAULT.replace("  mono:\n    start: base\n", "  mono: &mono\n    start: base\n")
    text = text.replace(
        "  cross:\n    start: base\n    batches: cross\n",
        "  cross:\n    <<: *mono\n    batches: cross\n",
    )
    text = text.replace("    languages: [ar,", "    languages: &all [ar,", 1)
    text = re.sub(r"languages: \[ar,.*\]", "languages: *all", text)
    assert text.count("*") > DEFAULT.count("*") + 2
    assert load(_at(tmp_path, text)) == load(ROOT / "params.yaml")
    wrong = text.replace("  mono: &mono\n    start: base\n", "  mono: &mono\n    start: bse\n")
    message = _message(tmp_path, wrong)
    line = _line(wrong, "start: bse")
    assert f":{line} strategies.mono.start: found 'bse'" in message
    assert f":{line} strategies.cross.start: found 'bse'" in message
    assert "Did you mean 'base'?" in message


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (DEFAULT.replace("name: cldr", "name: c\x00ldr"), r"yaml:\d+: .*U\+0000"),
        (DEFAULT.replace("name: cldr", 'name: "c\\0ldr"'), r"yaml:\d+ study.name: .*U\+0000"),
        (DEFAULT.replace("name: cldr", 'name: "c\\ud800"'), r"yaml:\d+ study.name: .*U\+D800"),
        (DEFAULT.replace("steps: 80", f"steps: {'9' * 400}"), "batches.steps: .*between 1 and"),
        (DEFAULT.replace("steps: 80", f"steps: {'9' * 4500}"), "batches.steps: .*finite"),
        (DEFAULT.replace("2e-4", "9" * 400), "training.learning_rate: .*between"),
        (DEFAULT.replace("2e-4", "1e999"), "training.learning_rate: .*finite"),
        (DEFAULT.replace("2e-4", ".nan"), "training.learning_rate: .*finite"),
        (DEFAULT.replace("name: cldr", "name: 2024-01-01"), "study.name: .*timestamp.*quotes"),
        (DEFAULT.replace("name: cldr", "name: !!binary aGk="), "study.name: .*binary"),
        (DEFAULT.replace("name: cldr", "name: !!python/object:os.system x"), "study.name"),
        (DEFAULT.replace("  mono:\n", "  1:\n"), "strategies.1: .*quotes"),
        (DEFAULT.replace("  mono:\n", "  ? [a]\n  :\n"), "strategies"),
        ("[" * 90_000, "at most 5,000"),
        ("[" * 200, "nesting|valid YAML"),
        ("[\n" * 40_000, "nesting"),
        ("- " * 2_000, "nesting"),
        ("a: {" * 1_000, "200 brackets"),
        ("\n".join(" " * depth + "a:" for depth in range(30)) + " 1", "nesting"),
        (BOMB, "20,000 values"),
        (MERGES, "20,000 values"),
        ("a: &a [*a, *a]", "nesting"),
        ("a: &a {b: *a}", "nesting"),
        ("a: &a {<<: *a}", "nesting|20,000"),
        ("a: {<<: 1}", "mapping"),
        ("a: *b", "yaml:1: .*undefined alias"),
        ("a:\n\tb: 1", "yaml:2: .*valid YAML"),
        ("a:\n  b: 1\n  b: 2", "yaml:3 a.b: .*a second time .first in line 2"),
        ("a: 1\n---\nb: 2", "yaml:2: found another document"),
        ("", "keys and values"),
        ("# only words\n", "keys and values"),
        ("- a\n- b\n", "keys and values"),
        ("null", "keys and values"),
        ("x" * 100_001, "at most 100,000"),
        (b"study:\n  name: \xff\n", "yaml:2: .*0xff.*UTF-8"),
        (DEFAULT.encode("utf-16"), "UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "UTF-8"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, (str, bytes)) else None,
)
def test_what_cannot_be_read_is_one_message_at_once(
    tmp_path: Path, text: str | bytes, says: str
) -> None:
    assert re.search(says, _message(tmp_path, text), re.DOTALL)


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_a_byte_order_mark_and_other_line_ends_change_nothing(tmp_path: Path, ends: str) -> None:
    data = b"\xef\xbb\xbf" + DEFAULT.replace("\n", ends).encode()
    assert load(_at(tmp_path, data)) == load(ROOT / "params.yaml")


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, says in (
        (tmp_path, "a folder"),
        (tmp_path / "pipe", "no file"),
        (tmp_path / "none", "no such file"),
    ):
        with pytest.raises(InputError, match=says):
            load(path)


MUTATIONS = [
    "null", "true", "-1", "0", "1e999", "[]", "{}", "''", '"\\0"', "[a, a]", "*x", "&x y", "<<: 1",
    "2024-01-01", "0.5", "9" * 30, "mul", "!!set {a}", ": :", "- a", "\t",
    "{a: {b: {c: d}}}", "é", "%",
]  # fmt: skip


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.randoms(use_true_random=False))
def test_any_change_of_the_file_is_a_study_or_a_message(
    tmp_path: Path, chance: random.Random
) -> None:
    path = _at(tmp_path, _mutated(chance))
    begun = time.process_time()
    with contextlib.suppress(InputError, InputErrorList):
        assert isinstance(load(path), Config)
    assert time.process_time() - begun < 5


def _mutated(chance: random.Random) -> bytes:
    lines = SMALL.split("\n")
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        match chance.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[chance.randrange(len(lines))])
            case 2:
                key = lines[at].partition(":")[0]
                lines[at] = f"{key}: {chance.choice(MUTATIONS)}"
            case 3:
                lines[at] = " " * chance.randint(0, 6) + lines[at].lstrip()
            case 4:
                cut = chance.randint(0, len(lines[at]))
                lines[at] = lines[at][:cut] + chance.choice(MUTATIONS) + lines[at][cut:]
            case 5:
                lines[at] = lines[at].upper()
            case _:
                lines[at] = lines[at].replace(": ", f": &a{at} ", 1)
    data = bytearray("\n".join(lines).encode())
    if chance.random() < 0.2:
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def test_the_schemas_that_editors_read_are_those_of_the_settings() -> None:
    for name, text in schema_texts().items():
        written = (ROOT / name).read_text(encoding="utf-8")
        assert written == text, "python -m polybatch.settings.schema"
    beside = {"presets/base.yaml": "../params.schema.json"}
    for path in (ROOT / "params.yaml", *(ROOT / "presets").glob("*.yaml")):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        schema = beside.get(path.relative_to(ROOT).as_posix(), "params.schema.json")
        assert first == f"# yaml-language-server: $schema={schema}"
        assert (path.parent / schema).is_file()
