"""What an encoder makes of each language: declared by its makers, and measured on its texts.

Languages that it was not trained on, or whose different texts look the same to it, are flagged
wherever they are shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from polybatch.core.markdown import MISSING, escape, markdown
from polybatch.encoders.pretraining_data import known_languages
from polybatch.evaluation.language_bias import Bias
from polybatch.statistics.breakdowns import is_seen

LEAST_DISTINCT = 0.95
"""Different vectors for different texts, as a share, below which a language is flagged."""
MOST_UNKNOWN = 0.05
"""Tokens outside of the vocabulary, as a share, above which a language counts as not known."""

FLAG = "†"
MEANING = (
    f"{FLAG}: a language that the encoder was not trained on, as far as is known, or whose "
    "different texts look the same to it."
)
DECLARED, MEASURED = "language of the encoder", "language that the encoder tells apart"


@dataclass(frozen=True)
class Reading:
    """How an encoder reads a language of a dataset: the best of all rows.

    `texts`, `vectors`: different questions, and different vectors of them; 0 where only documents
    are in the language. `tokens_per_word` and
    `unknown` (a share): of its documents, None where words do not stand between spaces, or where
    nothing was counted.
    """

    dataset: str
    lang: str
    texts: int
    vectors: int
    tokens_per_word: float | None = None
    unknown: float | None = None

    @property
    def collapsed(self) -> bool:
        """Whether too many different questions have the same vector."""
        return self.vectors < LEAST_DISTINCT * self.texts

    @property
    def readable(self) -> bool:
        """Whether the encoder can read the language, by what is measured."""
        return not self.collapsed and (self.unknown or 0) <= MOST_UNKNOWN


def readings(bias: Mapping[str, Mapping[str, Bias]]) -> list[Reading]:
    """Return what is measured of each dataset and language.

    `bias`: {row: {dataset: its bias}}.

    Example:
        >>> bias = Bias(distinct_queries={"am": [171, 106]},
        ...             tokens={"am": {"tokens_per_word": 9.5, "unknown": 0.4}})
        >>> readings({"mono": {"d": bias}})[0].readable
        False
    """
    best: dict[tuple[str, str], tuple[int, int]] = {}
    tokens: dict[tuple[str, str], Mapping[str, Any]] = {}
    for datasets in bias.values():
        for dataset, found in datasets.items():
            for lang, (texts, vectors) in found.distinct_queries.items():
                before = best.get((dataset, lang), (0, 0))[1]
                best[dataset, lang] = int(texts), max(before, int(vectors))
            for lang, rates in found.tokens.items():
                tokens.setdefault((dataset, lang), rates)
    best |= {key: (0, 0) for key in tokens if key not in best}
    return [Reading(*key, *counts, **tokens.get(key, {})) for key, counts in best.items()]


def known_by(encoder: str, found: Sequence[Reading]) -> tuple[frozenset[str], str]:
    """Return the languages that an encoder knows, and how they are called in tables.

    Declared by its makers; where that is not known, those that it can read in every dataset.

    Example:
        >>> found = [Reading("d", "en", 170, 170), Reading("d", "am", 171, 106)]
        >>> known_by("my-encoder", found)
        (frozenset({'en'}), 'language that the encoder tells apart')
    """
    declared = known_languages(encoder)
    if declared is not None:
        return declared, DECLARED
    bad = {one.lang for one in found if not one.readable}
    return frozenset({one.lang for one in found} - bad), MEASURED


def flagged(found: Sequence[Reading], known: Collection[str]) -> set[str]:
    """Return the languages that tables mark, as MEANING says.

    Example:
        >>> one, other = Reading("d", "am", 171, 106), Reading("d", "pt-BR", 9, 9)
        >>> flagged([one, other], {"am", "pt"})
        {'am'}
    """
    return {one.lang for one in found if one.collapsed or not is_seen(one.lang, known)}


def collapse_notes(
    found: Sequence[Reading], whose: str = "the best of all strategies"
) -> list[str]:
    """Return one sentence per dataset and language whose texts no strategy tells apart.

    `whose`: what was read.

    Example:
        >>> print(collapse_notes([Reading("d", "am", 171, 106), Reading("d", "en", 170, 170)])[0])
        d, am: the best of all strategies has 106 different vectors for 171 different questions; \
its scores say little.
    """
    return [
        f"{one.dataset}, {one.lang}: {whose} has {one.vectors:,} different vectors "
        f"for {one.texts:,} different questions; its scores say little."
        for one in found
        if one.collapsed
    ]


def encoder_section(encoder: str, found: Sequence[Reading], marked: Collection[str]) -> str:
    """Return what the encoder knows, language by language.

    Example:
        >>> found = [Reading("d", "am", 171, 106, tokens_per_word=9.5, unknown=0.4)]
        >>> print(encoder_section("my-encoder", found, {"am"}).splitlines()[-1])
        | d | am † | – | 9.5 | 40.0% | 106 of 171 |
    """
    if not found:
        return "No row has vectors of its own."
    declared = known_languages(encoder)
    head = f"{escape(encoder)}: " + (
        "its makers say which languages it was trained on"
        if declared is not None
        else "nothing is published here of which languages it was trained on, so those count as "
        f"known of whose tokens at most {MOST_UNKNOWN:.0%} are outside of its vocabulary, and "
        f"{LEAST_DISTINCT:.0%} or more of whose different questions have vectors of their own"
    )
    tail = (
        ". Tokens a word, and tokens outside of the vocabulary, are of the documents; special "
        "tokens and prompts count. "
    )
    columns = ["dataset", "language", "trained on", "tokens a word", "unknown", "different vectors"]
    rows = [[*_row(one, declared, one.lang in marked)] for one in found]
    return head + tail + MEANING + "\n\n" + markdown(pl.DataFrame(rows, columns, orient="row"))


def _row(one: Reading, declared: Collection[str] | None, marked: bool) -> Iterator[str]:
    yield escape(one.dataset)
    yield mark(escape(one.lang), marked)
    yield MISSING if declared is None else "yes" if is_seen(one.lang, declared) else "no"
    yield MISSING if one.tokens_per_word is None else f"{one.tokens_per_word:.1f}"
    yield MISSING if one.unknown is None else f"{one.unknown:.1%}"
    yield f"{one.vectors:,} of {one.texts:,}" if one.texts else MISSING


def mark(name: str, marked: bool) -> str:
    """Return a language's name as tables show it.

    Example:
        >>> mark("am", True), mark("en", False)
        ('am †', 'en')
    """
    return f"{name} {FLAG}" if marked else name
