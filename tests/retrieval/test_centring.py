"""Centred vectors by hand and by law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.core.errors import InputError
from polybatch.core.vectors import Float32
from polybatch.retrieval.centring import Means, centre, means_of


def _unit(seed: int, count: int) -> Float32:
    chance = np.random.default_rng(seed)
    vectors = chance.standard_normal((count, 8), np.float32) + 2
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_three_vectors_by_hand() -> None:
    """Mean of en: (0.7, 0.7); of all: (0.4, 0.8)."""
    training = np.array([[0.6, 0.8], [0.8, 0.6], [-0.2, 1.0]], np.float32)
    means = means_of(training, ["en", "en", "sw"])
    np.testing.assert_allclose(means.overall, [0.4, 0.8], atol=1e-6)
    np.testing.assert_allclose(means.by_language["en"], [0.7, 0.7], atol=1e-6)
    assert means.counts == {"en": 2, "sw": 1}
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    found = centre(vectors, ["en", "yo"], means, "language")
    half = np.hypot(0.3, 0.7)
    rest = np.hypot(0.4, 0.2)
    expected = [[0.3 / half, -0.7 / half], [-0.4 / rest, 0.2 / rest]]
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)
    assert found.without_mean == {"yo": 1}
    assert centre(vectors, ["en", "yo"], means, "global").without_mean == {}


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), by=st.sampled_from(["global", "language"]))
def test_training_vectors_have_no_mean_left_but_for_their_lengths(seed: int, by: str) -> None:
    vectors = _unit(seed, 60)
    langs = [("en", "sw", "th")[n % 3] for n in range(60)]
    means = means_of(vectors, langs)
    found = centre(vectors, langs, means, by)  # type: ignore[arg-type]
    assert not found.without_mean
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    for lang in ("en", "sw", "th") if by == "language" else (None,):
        rows = [n for n in range(60) if lang in (None, langs[n])]
        mean = means.overall if lang is None else means.by_language[lang]
        lengths = np.linalg.norm(vectors[rows].astype(float) - mean, axis=1)
        undone = found.vectors[rows] * lengths[:, None]
        np.testing.assert_allclose(undone.mean(axis=0), 0, atol=1e-6)


def test_one_language_is_centred_alike_both_ways() -> None:
    training, vectors = _unit(1, 40), _unit(2, 10)
    means = means_of(training, ["sw"] * 40)
    one, other = (centre(vectors, ["sw"] * 10, means, by) for by in ("global", "language"))
    np.testing.assert_array_equal(one.vectors, other.vectors)


def test_a_vector_that_is_the_mean_stays_as_it_was() -> None:
    means = means_of(np.array([[0.6, 0.8]], np.float32), ["en"])
    vectors = np.array([[0.6, 0.8], [1, 0]], np.float32)
    found = centre(vectors, ["en", "en"], means, "language")
    np.testing.assert_allclose(found.vectors[0], [0.6, 0.8], atol=1e-6)
    assert found.at_mean == 1


def test_nothing_of_what_is_centred_enters_the_means() -> None:
    """A vector's result is the same whatever stands beside it."""
    means = means_of(_unit(1, 40), ["en", "sw"] * 20)
    vectors = _unit(2, 10)
    whole = centre(vectors, ["en", "sw"] * 5, means, "language").vectors
    for n in range(10):
        alone = centre(vectors[n : n + 1], [("en", "sw")[n % 2]], means, "language").vectors
        np.testing.assert_array_equal(alone[0], whole[n])


def test_what_cannot_be_centred_is_refused() -> None:
    with pytest.raises(InputError, match="training vectors: found none"):
        means_of(np.empty((0, 4), np.float32), [])
    means = Means(np.zeros(3, np.float32), {}, {})
    with pytest.raises(InputError, match="8 dimensions, expected the means' 3"):
        centre(_unit(0, 2), ["en", "en"], means, "global")
    bad = _unit(0, 2)
    bad[0, 0] = np.nan
    with pytest.raises(InputError, match="NaN or infinity"):
        means_of(bad, ["en", "en"])
