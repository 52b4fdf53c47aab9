"""A short run of `make fuzz`; checkpoints have theirs in test_checkpoint_safety."""

from __future__ import annotations

import pytest

from tests.helpers.fuzz import READERS, outcome, run


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"checkpoint"}))
def test_the_good_files_of_each_reader_are_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.helpers.fuzz._mutated", lambda _rng, _path, content: content)
    assert outcome(name, 0, 0) == "read"


def test_mutated_inputs_are_read_or_refused() -> None:
    counts, failures = run(150, 1, frozenset({"checkpoint"}))
    assert not failures, "\n".join(f"{name}\n{said}" for name, said in failures.items())
    assert sum(found["read"] for found in counts.values()) > 10
    assert sum(found["refused"] for found in counts.values()) > 10
