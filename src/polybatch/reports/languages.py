"""Languages whose different texts look the same to an encoder: flagged wherever they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from polybatch.evaluation.language_bias import Bias

LEAST_DISTINCT = 0.95
"""Different vectors for different texts, as a share, below which a language is flagged."""


def collapse_notes(bias: Mapping[str, Mapping[str, Bias]]) -> list[str]:
    """Return a sentence a dataset and language whose texts no strategy tells apart.

    `bias`: {strategy: {dataset: its bias}}.

    Example:
        >>> bias = {"mono": {"d": Bias(distinct_queries={"am": [171, 106], "en": [170, 170]})}}
        >>> print(collapse_notes(bias)[0])
        d, am: the best of all strategies has 106 different vectors for 171 different questions; \
its scores say little.
    """
    return [
        f"{dataset}, {lang}: the best of all strategies has {vectors:,} different vectors for"
        f" {texts:,} different questions; its scores say little."
        for dataset, lang, texts, vectors in _collapsed(bias)
    ]


def collapsed(bias: Mapping[str, Mapping[str, Bias]]) -> set[str]:
    """Return the languages that are flagged, in any dataset."""
    return {lang for _, lang, _, _ in _collapsed(bias)}


def _collapsed(bias: Mapping[str, Mapping[str, Bias]]) -> Iterator[tuple[str, str, int, int]]:
    best: dict[tuple[str, str], tuple[int, int]] = {}
    for datasets in bias.values():
        for dataset, found in datasets.items():
            for lang, (texts, vectors) in found.distinct_queries.items():
                before = best.get((dataset, lang), (0, 0))[1]
                best[dataset, lang] = int(texts), max(before, int(vectors))
    for (dataset, lang), (texts, vectors) in best.items():
        if vectors < LEAST_DISTINCT * texts:
            yield dataset, lang, texts, vectors
