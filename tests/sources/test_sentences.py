"""Sentence boundaries: laws, examples by hand, and LAReQA's own boundaries as the measure."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polybatch.sources.sentences import spans
from polybatch.sources.squad import paragraphs

MIRROR = os.environ.get("POLYBATCH_MIRROR")
real = pytest.mark.skipif(
    not MIRROR, reason="needs the published files: set POLYBATCH_MIRROR to a mirror of them"
)


@given(
    st.text(alphabet="aB .!?。।؟\u200b[1]\"'\n", max_size=60),
    st.sampled_from(["ar", "de", "en", "es", "hi", "vi", "zh", "sw"]),
    st.tuples(st.integers(0, 60), st.integers(0, 10)),
)
def test_sentences_cover_the_text_in_order_and_cut_no_answer(
    text: str, lang: str, answer: tuple[int, int]
) -> None:
    uncut = (answer[0], answer[0] + answer[1])
    found = spans(text, lang, [uncut])
    assert "".join("".join(text[start:end] for start, end in found).split()) == "".join(
        text.split()
    )
    assert all(one[1] <= two[0] for one, two in pairwise(found))
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in found)
    assert not any(uncut[0] < end < uncut[1] for _, end in found[:-1])


@pytest.mark.parametrize(
    ("lang", "sentences"),
    [
        ("en", ["Dr. Poe met J. B. Smith.", "He said no.", "“Why?” he asked.", "See No. 7."]),
        ("de", ["Er kam am 3. Mai, z. B. nach Wien.", "Dann ging er."]),
        ("es", ["Nació el 3 de mayo.[12]\u200b", "¿Por qué?", "EE. UU. ganó."]),
        ("zh", ["他说：“为什么？”", "然后他走了。"]),
        ("hi", ["वह आया।", "वह गया।"]),
        ("ar", ["جاء الرجل.", "لماذا؟", "ثم ذهب."]),
    ],
)
def test_sentences_by_hand(lang: str, sentences: list[str]) -> None:
    text = ("" if lang == "zh" else " ").join(sentences)
    assert [text[start:end] for start, end in spans(text, lang)] == sentences


@real
@pytest.mark.parametrize(("name", "least"), [("mlqa-r", 0.945), ("xquad-r", 0.96)])
def test_sentences_agree_with_lareqas(name: str, least: float) -> None:
    """sentencex 1.0.32 reaches 0.924 and 0.952 on the same answers."""
    right = total = 0
    for lang in ("ar", "de", "en", "es", "hi", "vi", "zh"):
        for paragraph in paragraphs(Path(MIRROR or "") / "lareqa" / name / f"{lang}.json"):
            ours = spans(paragraph.text, lang)
            theirs = [_inner(paragraph.text, *each) for each in paragraph.breaks]
            for question in paragraph.questions:
                right += _holding(ours, question.start) == _holding(theirs, question.start)
                total += 1
    assert right / total > least


def _inner(text: str, start: int, end: int) -> tuple[int, int]:
    cut = text[start:end]
    return end - len(cut.lstrip()), start + len(cut.rstrip())


def _holding(found: list[tuple[int, int]], place: int) -> list[tuple[int, int]]:
    return [(start, end) for start, end in found if start <= place < end]
