"""Which domain text may be read and who meets: laws, against slow obvious versions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.adaptation.corpus import domain_text, plan_texts
from polybatch.adaptation.job import keys_of
from polybatch.adaptation.noise import IGNORED, crop, delete, mask, pack, pieces
from polybatch.core.dataset import CORPUS, QRELS, QUERIES, Dataset
from polybatch.core.errors import InputError
from tests.helpers.crop_settings import SETTINGS, changed


def dataset(
    name: str, rows: list[tuple[str, str, str | None]], asked: tuple[str, ...] = ()
) -> Dataset:
    """Return a dataset of (language, text, group) documents and English questions."""
    corpus = [(f"{name}:{i:02d}", lang, text, None, group, None, None) for i, (lang, text, group)
              in enumerate(rows)]  # fmt: skip
    queries = [(f"q{i}", f"i{i}", "en", text, "test") for i, text in enumerate(asked)]
    return Dataset(
        name,
        pl.DataFrame(queries, schema=QUERIES, orient="row"),
        pl.DataFrame(corpus, schema=CORPUS, orient="row"),
        pl.DataFrame([], schema=QRELS, orient="row"),
    )


NEWS = dataset(
    "news",
    [
        ("en", "One.", "a"), ("en", "Two!", "a"), ("en", "Three.", "a"), ("en", "one", "b"),
        ("sw", "Moja.", "a"), ("sw", "Mbili.", None), ("sw", "...", "b"), ("sw", "One", "b"),
    ],
)  # fmt: skip


# Domain text -------------------------------------------------------------------------------------


def test_texts_of_evaluation_are_left_out_and_counted() -> None:
    judged = dataset("judged", [("de", "TWO", None)], ("  three",))
    found = domain_text([NEWS], [judged], SETTINGS)
    assert found.documents.rows() == [
        ("news:00", "en", "a", "One."),
        ("news:04", "sw", "a", "Moja."),
        ("news:07", "sw", "b", "One"),
        ("news:05", "sw", "news:05", "Mbili."),
    ]
    assert (found.removed, found.repeated) == (2, 2)  # "one" stands twice, "..." has no letter


def test_a_transductive_adaptation_keeps_documents_and_never_questions() -> None:
    judged = dataset("judged", [("de", "TWO", None)], ("  three",))
    found = domain_text([NEWS], [judged], changed(transductive=True))
    assert found.documents["text"].to_list() == ["One. Two!", "Moja.", "One", "Mbili."]
    assert found.removed == 1


def test_a_group_is_held_out_in_every_language_or_in_none() -> None:
    rows: list[tuple[str, str, str | None]] = [
        (lang, f"{lang} text {i}", f"g{i}") for i in range(200) for lang in ("en", "sw", "yo")
    ]
    found = domain_text([dataset("news", rows)], [], changed(heldout_share=0.3))
    kept, held = set(found.documents["group"]), set(found.heldout["group"])
    assert not kept & held
    assert len(kept | held) == 200
    assert 40 < len(held) < 80
    assert found.heldout.height == 3 * len(held)


GROUPS = {"de:0": "Papst", "en:0": "Pope", "en:1": "Pope", "de:1": "Stadt", "en:2": "City",
          "vi:0": "Thành phố", "vi:1": None, "en:3": "Zoo"}  # fmt: skip
JUDGED = [("i", "de:0", 1), ("i", "en:1", 1), ("j", "de:1", 1), ("j", "en:2", 1), ("k", "en:2", 1),
          ("k", "vi:0", 1), ("l", "en:3", 1), ("l", "de:0", 0)]  # fmt: skip


def _named_in_each_language() -> Dataset:
    """Return articles that have a name of their own in every language, as MLQA's have."""
    corpus = [(doc, doc[:2], f"text {doc}", None, group, None, None)
              for doc, group in GROUPS.items()]  # fmt: skip
    return Dataset(
        "mlqa",
        QUERIES.to_frame(),
        pl.DataFrame(corpus, schema=CORPUS, orient="row"),
        pl.DataFrame(JUDGED, schema=QRELS, orient="row"),
    )


def test_documents_that_answer_an_item_are_of_one_group() -> None:
    """By hand: i joins Papst and Pope, j and k the cities; a document judged not relevant none."""
    found = domain_text([_named_in_each_language()], [], SETTINGS).documents
    assert dict(found.select("document_id", "group").iter_rows()) == {
        "de:0": "Papst", "de:1": "City", "en:0": "Papst", "en:2": "City", "en:3": "Zoo",
        "vi:0": "City", "vi:1": "vi:1",
    }  # fmt: skip
    assert found.filter(document_id="en:0")["text"].to_list() == ["text en:0 text en:1"]


def test_translations_are_held_out_together_and_meet_in_no_batch() -> None:
    corpus = [(f"{lang}:{i}", lang, f"text {lang} {i}", None, f"{lang} article {i}", None, None)
              for i in range(40) for lang in ("de", "en")]  # fmt: skip
    judged = [(f"i{i}", f"{lang}:{i}", 1) for i in range(40) for lang in ("de", "en")]
    dataset = Dataset(
        "mlqa",
        QUERIES.to_frame(),
        pl.DataFrame(corpus, schema=CORPUS, orient="row"),
        pl.DataFrame(judged, schema=QRELS, orient="row"),
    )
    found = domain_text([dataset], [], changed(heldout_share=0.3))
    held, used = (
        {doc.split(":")[1] for doc in part["document_id"]}
        for part in (found.heldout, found.documents)
    )
    assert held
    assert not held & used
    documents, mixed = found.documents, changed(mixed_batches=True, batch_texts=8, steps=40)
    plan = plan_texts(documents["lang"].to_list(), keys_of(documents, mixed=True), mixed, 0)
    articles = [doc.split(":")[1] for doc in documents["document_id"]]
    assert all(len({articles[row] for row in batch}) == 8 for batch in plan.tolist())


def test_no_text_left_is_told() -> None:
    with pytest.raises(InputError, match=r"dapt.texts \(news\): found no document"):
        domain_text([NEWS], [dataset("same", NEWS.corpus.select(
            "lang", "text", "group_id").rows())], SETTINGS)  # fmt: skip


# Plans -------------------------------------------------------------------------------------------


worlds = st.lists(st.tuples(st.sampled_from(["en", "sw", "yo"]), st.integers(0, 30)), min_size=12,
                  max_size=60)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(worlds, st.booleans(), st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 9))
def test_laws_of_a_plan(
    world: list[tuple[str, int]], mixed: bool, exponent: float, steps: int
) -> None:
    langs, groups = [lang for lang, _ in world], [group for _, group in world]
    keys: list[int] = groups if mixed else list(range(len(world)))
    asked = changed(mixed_batches=mixed, size_exponent=exponent, steps=steps)
    if any(len({keys[i] for i, one in enumerate(langs) if one == lang}) < 3 for lang in langs):
        return  # a batch that cannot be filled: tested by itself
    plan = plan_texts(langs, keys, asked, 0)
    assert plan.shape == (steps, 3)
    assert (plan == plan_texts(langs, keys, asked, 0)).all()
    counts = Counter(langs)
    weights = {lang: n**exponent for lang, n in counts.items()}
    units = steps * (3 if mixed else 1)
    drawn = Counter(langs[row] for row in plan.ravel())
    for lang, weight in weights.items():
        share = units * weight / sum(weights.values())
        assert abs(drawn[lang] / (1 if mixed else 3) - share) < 1
    for batch in plan.tolist():
        assert len({keys[row] for row in batch}) == 3
        assert mixed or len({langs[row] for row in batch}) == 1


def test_texts_are_used_once_before_any_is_used_again() -> None:
    plan = plan_texts(["en"] * 18, range(18), SETTINGS, 0)
    assert sorted(plan.ravel().tolist()) == list(range(18))


def test_other_seeds_and_other_languages() -> None:
    one = plan_texts(["en"] * 18, range(18), SETTINGS, 0)
    assert (one != plan_texts(["en"] * 18, range(18), SETTINGS, 1)).any()


def test_too_few_texts_for_a_batch_are_told() -> None:
    with pytest.raises(InputError, match=r"language sw: found 2 texts.*batch_texts \(3\)"):
        plan_texts(["en"] * 30 + ["sw"] * 2, range(32), changed(size_exponent=0.0), 0)
    assert plan_texts(["sw"] * 2, None, SETTINGS, 0).shape == (6, 3)


def test_a_language_of_too_few_texts_is_told_whichever_languages_a_seed_draws() -> None:
    langs = ["en"] * 500 + ["sw"] * 2  # six steps: most seeds draw none of sw
    for seed in range(9):
        with pytest.raises(InputError, match=r"language sw: found 2 texts.*batch_texts \(3\)"):
            plan_texts(langs, range(502), SETTINGS, seed)
    with pytest.raises(InputError, match=r"language sw: found 2 texts"):
        plan_texts(["en"] * 9 + ["sw"] * 3, [*range(9), "a", "a", "b"], SETTINGS, 0)
    assert plan_texts(langs, range(502), changed(mixed_batches=True), 0).shape == (6, 3)
    assert plan_texts(langs, None, SETTINGS, 0).shape == (6, 3)


# Views -------------------------------------------------------------------------------------------


written = st.text(st.sampled_from("ab é\u0e01\u0e31東京、。 \n-\U00020000"), min_size=1).filter(
    lambda text: bool(text.strip())
)
chances = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@settings(deadline=None)
@given(written)
def test_pieces_hold_every_character_that_is_no_space(text: str) -> None:
    found = [text[start:end] for start, end in pieces(text)]
    assert "".join(found) == "".join(text.split())


@settings(deadline=None)
@given(written, st.floats(0.01, 1), st.floats(0.01, 1), chances)
def test_a_span_is_inside_its_document_and_as_long_as_asked(
    text: str, one: float, other: float, chance: np.random.Generator
) -> None:
    low, high = sorted((one, other))
    count = len(pieces(text))
    span = crop(text, low, high, chance)
    assert span
    assert span in text
    found = len(pieces(span))
    assert max(1, round(low * count)) - 1 <= found <= max(1, round(high * count))


@settings(deadline=None)
@given(written, st.floats(0, 0.99), chances)
def test_deletion_keeps_order_and_its_share(
    text: str, share: float, chance: np.random.Generator
) -> None:
    left = delete(text, share, chance)
    rest = iter("".join(text.split()))
    assert all(letter in rest for letter in "".join(left.split()))  # a subsequence
    if " " in text and text.isascii():
        words = len(text.split())
        assert len(left.split()) == max(1, words - round(share * words))


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 99), max_size=20), max_size=12), st.integers(1, 16))
def test_packed_sequences_hold_every_token_once(documents: list[list[int]], length: int) -> None:
    packed = pack(documents, length, 0)
    assert all(0 < len(sequence) <= length for sequence in packed)
    held = [token for sequence in packed for token in sequence if token]
    assert held == [token for document in documents for token in document]
    joined = "|".join(" ".join(map(str, sequence)) for sequence in packed)
    for document in documents:
        if 0 < len(document) <= length:
            assert " ".join(map(str, document)) in joined  # whole documents stay whole


@settings(deadline=None)
@given(st.lists(st.integers(3, 60), min_size=1, max_size=80), st.floats(0.01, 0.99), chances)
def test_masking_meets_its_share_and_spares_special_tokens(
    tokens: list[int], share: float, chance: np.random.Generator
) -> None:
    ids, special = np.array([0, *tokens, 1], np.int64), np.array([0, 1, 2], np.int64)
    masked, labels = mask(ids, special, share, (2, 61), chance)
    chosen = labels != IGNORED
    assert chosen.sum() == max(1, round(share * len(tokens)))
    assert not chosen[[0, -1]].any()
    assert (labels[chosen] == ids[chosen]).all()
    assert (masked[~chosen] == ids[~chosen]).all()


def test_of_the_masked_80_percent_are_the_mask_10_random_10_stay() -> None:
    ids = np.full(100_000, 7, np.int64)
    masked, labels = mask(ids, np.array([0]), 0.5, (1, 1000), np.random.default_rng(0))
    chosen = masked[labels != IGNORED]
    assert len(chosen) == 50_000
    assert abs((chosen == 1).mean() - 0.8) < 0.01
    assert abs((chosen == 7).mean() - 0.1) < 0.01
